"""History by time, live counts of a type, dates by their end and their width.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OPEN = 1 << 62
"""`dates.END`: an open end; its negative an open start."""


def upgrade() -> None:
    big, small = sa.BigInteger(), sa.Integer()
    op.add_column("history", sa.Column("kind", small, nullable=False, server_default="0"))
    op.execute("UPDATE history SET kind = (SELECT kind FROM resource WHERE resource.rid = history.rid)")
    op.create_index("history_updated", "history", ["kind", "updated", "rid"])
    op.create_index("resource_updated", "resource", ["kind", "updated", "rid"])
    # live resources and changes of a type; several slots, so that processes seldom wait for one row
    op.create_table("tally", sa.Column("kind", small, primary_key=True, autoincrement=False), sa.Column("slot", small, primary_key=True, autoincrement=False),
                    sa.Column("live", big, nullable=False), sa.Column("changes", big, nullable=False))  # fmt: skip
    op.execute("INSERT INTO tally (kind, slot, live, changes) SELECT kind, 0, sum(CASE WHEN deleted THEN 0 ELSE 1 END), 1 FROM resource GROUP BY kind")
    # an open end sorts by its start; the widest closed range says how far back one that is still under way may have begun
    op.drop_index("idx_date_high", "idx_date")
    op.create_index("idx_date_high", "idx_date", ["param", "high", "low", "rid"])
    closed = sa.text(f"high < {_OPEN} AND low > {-_OPEN}")
    op.create_index("idx_date_width", "idx_date", ["param", sa.text("(high - low)")], postgresql_where=closed, sqlite_where=closed)
    # few quantities are ranges; those that are must be found by their upper end too
    wide = sa.text("high > low")
    op.create_index("idx_quantity_wide", "idx_quantity", ["param", "high"], postgresql_where=wide, sqlite_where=wide)
    op.create_index("idx_composite_wide", "idx_composite", ["param", "code", "high"], postgresql_where=wide, sqlite_where=wide)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: docs/backup.md")
