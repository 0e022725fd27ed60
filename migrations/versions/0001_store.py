"""The store: current and history rows, index tables by search type, the person's story, outbox, audit, registry.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(**options: object) -> sa.types.TypeEngine[str]:
    """Text that sorts by code point on both databases (keyset pages must agree)."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _table(name: str, *columns: sa.Column[object], clustered: bool = False) -> None:
    """`clustered`: on SQLite the table is its primary key (WITHOUT ROWID)."""
    op.create_table(name, *columns, sqlite_with_rowid=not clustered)


def _c(name: str, kind: object, *, key: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, kind, primary_key=key, nullable=null, autoincrement=False)  # type: ignore[arg-type]


def upgrade() -> None:
    big, small, blob = sa.BigInteger(), sa.Integer(), sa.LargeBinary()
    _table("resource", _c("rid", big, key=True), _c("kind", small), _c("ref", _text()), _c("version", small), _c("updated", big),
           _c("deleted", sa.Boolean()), _c("person", _text(), null=True), _c("body", blob))
    op.create_index("resource_ref", "resource", ["ref"], unique=True)
    op.create_index("resource_kind", "resource", ["kind", "rid"])
    op.create_index("resource_kind_updated", "resource", ["kind", "updated", "rid"])
    _table("history", _c("rid", big, key=True), _c("version", small, key=True), _c("updated", big), _c("deleted", sa.Boolean()), _c("body", blob))
    _index_tables(big, small)
    _table("person", _c("ref", _text(), key=True), _c("version", small))
    _table("story", _c("person", _text(), key=True), _c("kind", _text(), key=True), _c("key", _text(), key=True), _c("body", blob), clustered=True)
    _table("reading", _c("person", _text(), key=True), _c("measure", _text(), key=True), _c("at", big, key=True), _c("source", _text(), key=True),
           _c("received", big), _c("value", sa.Float(53)), _c("body", blob), clustered=True)
    op.create_index("reading_source", "reading", ["source"])
    _work_tables(big, small, blob)
    _registry_tables(big, small, blob)


def _index_tables(big: object, small: object) -> None:
    """Values found by the compiled SearchParameter expressions; `param` is the stable number of `Type.name`."""
    op.create_table("idx_token", _c("param", small), _c("code", _text()), _c("system", big), _c("rid", big))
    op.create_index("idx_token_value", "idx_token", ["param", "code", "rid"])
    op.create_index("idx_token_system", "idx_token", ["param", "system", "rid"])
    op.create_table("idx_string", _c("param", small), _c("folded", _text()), _c("exact", _text()), _c("rid", big))
    op.create_index("idx_string_value", "idx_string", ["param", "folded", "rid"])
    op.create_table("idx_reference", _c("param", small), _c("target", _text()), _c("rid", big))
    op.create_index("idx_reference_value", "idx_reference", ["param", "target", "rid"])
    op.create_table("idx_date", _c("param", small), _c("low", big), _c("high", big), _c("rid", big))
    op.create_index("idx_date_low", "idx_date", ["param", "low", "rid"])
    op.create_index("idx_date_high", "idx_date", ["param", "high", "rid"])
    double = sa.Float(53)
    op.create_table("idx_quantity", _c("param", small), _c("low", double), _c("high", double), _c("system", big), _c("code", _text()), _c("rid", big))
    op.create_index("idx_quantity_value", "idx_quantity", ["param", "low", "rid"])
    op.create_table("idx_uri", _c("param", small), _c("uri", _text()), _c("rid", big))
    op.create_index("idx_uri_value", "idx_uri", ["param", "uri", "rid"])
    for name in ("token", "string", "reference", "date", "quantity", "uri"):
        op.create_index(f"idx_{name}_rid", f"idx_{name}", ["rid"])


def _work_tables(big: object, small: object, blob: object) -> None:
    """Outbox rows point at resource versions and hold no payload; the ledger knows what stands where in which EHR."""
    _table("outbox", _c("id", big, key=True), _c("ehr", _text()), _c("ref", _text()), _c("version", small), _c("safety", sa.Boolean()),
           _c("status", _text()), _c("due", big), _c("attempts", small), _c("unknown", sa.Boolean()), _c("lease", big), _c("created", big),
           _c("settled", big, null=True), _c("reason", _text(), null=True))
    op.create_index("outbox_due", "outbox", ["status", "due"])
    op.create_index("outbox_ref", "outbox", ["ref", "ehr", "version"])
    _table("ledger", _c("ehr", _text(), key=True), _c("ref", _text(), key=True), _c("version", small), _c("remote", _text()), _c("etag", _text(), null=True),
           _c("form", _text()), _c("updated", big))
    _table("audit", _c("id", big, key=True), _c("at", big), _c("action", _text()), _c("interaction", _text()), _c("status", small), _c("kind", _text()),
           _c("ref", _text(), null=True), _c("person", _text(), null=True), _c("client", _text()), _c("agent", _text(), null=True), _c("request", _text()),
           _c("body", blob, null=True))
    op.create_index("audit_person", "audit", ["person", "id"])
    op.create_index("audit_ref", "audit", ["ref", "id"])


def _registry_tables(big: object, small: object, blob: object) -> None:
    """What an admin registers: clients, issuers, EHRs; our keys (sealed); assertions already seen; node numbers."""
    _table("registry", _c("kind", _text(), key=True), _c("name", _text(), key=True), _c("body", blob))
    _table("signing_key", _c("kid", _text(), key=True), _c("alg", _text()), _c("status", _text()), _c("created", big), _c("public", blob), _c("sealed", blob))
    _table("replay", _c("issuer", _text(), key=True), _c("jti", _text(), key=True), _c("expires", big))
    _table("counter", _c("name", _text(), key=True), _c("value", big))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: docs/backup.md")
