"""Where it is kept: the same behaviour on SQLite (WAL) and PostgreSQL."""
