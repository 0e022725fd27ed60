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
    double = sa.Float(53)
    _index("token", {"param": small, "code": _text(), "rid": big, "system": big})
    _index("string", {"param": small, "folded": _text(), "rid": big, "exact": _text()})
    _index("reference", {"param": small, "target": _text(), "rid": big})
    _index("date", {"param": small, "low": big, "rid": big, "high": big})
    op.create_index("idx_date_high", "idx_date", ["param", "high", "rid"])
    _index("quantity", {"param": small, "low": double, "rid": big, "high": double, "system": big, "code": _text()})
    _index("uri", {"param": small, "uri": _text(), "rid": big})
    # two parts of one element: a code, and with it a quantity (low, high, unit and its system), a code (text, system), a date, a string or a reference
    _index("composite", {"param": small, "code": _text(), "low": double, "text": _text(), "rid": big, "system": big, "high": double, "second": big})


def _index(name: str, columns: dict[str, object]) -> None:
    """An index table: all of it is its key, value first, then rid, so that equal values are read in the order of pages."""
    _table(f"idx_{name}", *(_c(column, kind, key=True) for column, kind in columns.items()), clustered=True)
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
