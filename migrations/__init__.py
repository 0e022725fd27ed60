"""Alembic migrations of the store. `HEAD` is the revision this version needs; a test holds it against the scripts."""

HEAD = "0003"
