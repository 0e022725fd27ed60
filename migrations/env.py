"""Alembic environment: runs on the connection that `service.store.migrate` hands over, already under its lock."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
