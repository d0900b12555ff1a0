"""Checksums of prototypes; those of earlier banks have none until a repair fills them in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.add_column("prototype", sa.Column("vectors_digest", sa.LargeBinary(16), nullable=True))
    op.add_column("prototype", sa.Column("record_digest", sa.LargeBinary(16), nullable=True))
