"""Where imported resources came from, how far an import is, and which search parameters of a site are filled.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    big, blob = sa.BigInteger(), sa.LargeBinary()
    # the digest is of what the source sent last, without version and time
    op.create_table("import_source", sa.Column("ref", _text(), primary_key=True), sa.Column("source", _text(), nullable=False),
                    sa.Column("digest", blob, nullable=False), sqlite_with_rowid=False)  # fmt: skip
    op.create_table("import_progress", sa.Column("source", _text(), primary_key=True), sa.Column("body", blob, nullable=False))
    # `definition`: digest of the definition that the rows were made by; `position`: the last rid that a reindex has done
    op.create_table("filled_parameter", sa.Column("kind", _text(), primary_key=True), sa.Column("name", _text(), primary_key=True),
                    sa.Column("definition", _text(), nullable=False), sa.Column("position", big, nullable=False),
                    sa.Column("filled", sa.Boolean(), nullable=False))  # fmt: skip


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: docs/backup.md")
