"""How prototypes came to be, and which part of an example they are; all earlier ones were drawn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.add_column(
        "generation", sa.Column("origin", sa.String(16), nullable=False, server_default="generated")
    )
    op.add_column("prototype", sa.Column("part", sa.BigInteger(), nullable=False, server_default="0"))
