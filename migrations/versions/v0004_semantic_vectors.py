"""Checksums of semantic vectors; prototypes of earlier banks have neither until they are filled in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.add_column("prototype", sa.Column("semantic_digest", sa.LargeBinary(16), nullable=True))
