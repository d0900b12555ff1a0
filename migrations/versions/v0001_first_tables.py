"""The first tables: manifest, revision, caption, generation, prototype, retirement, tag."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "manifest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_manifest"),
    )
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("committed_at", sa.String(32), nullable=True),
        sa.Column("prototypes_added", sa.Integer(), nullable=False),
        sa.Column("prototypes_retired", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.UniqueConstraint("number", name="uq_revision_number"),
        sa.ForeignKeyConstraint(["parent_id"], ["revision.id"], name="fk_revision_parent_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_revision_run_key", "revision", ["run_key"])
    op.create_table(
        "caption",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("license", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_caption"),
    )
    _create_generation_and_prototype()
    op.create_table(
        "retirement",
        sa.Column("prototype_id", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("prototype_id", "revision_id", name="pk_retirement"),
        sa.ForeignKeyConstraint(["prototype_id"], ["prototype.id"], name="fk_retirement_prototype_id"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_retirement_revision_id"),
    )
    op.create_index("ix_retirement_revision_id", "retirement", ["revision_id"])
    op.create_table(
        "tag",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tag"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_tag_revision_id"),
    )
    op.create_index("ix_tag_revision_id", "tag", ["revision_id"])


def _create_generation_and_prototype() -> None:
    op.create_table(
        "generation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("caption_id", sa.Uuid(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("picture_key", sa.String(64), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_generation"),
        sa.UniqueConstraint("key", "revision_id", name="uq_generation_key_revision_id"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_generation_revision_id"),
        sa.ForeignKeyConstraint(["caption_id"], ["caption.id"], name="fk_generation_caption_id"),
    )
    op.create_index("ix_generation_revision_id", "generation", ["revision_id"])
    op.create_index("ix_generation_caption_id", "generation", ["caption_id"])
    op.create_table(
        "prototype",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Integer(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("span_start", sa.Integer(), nullable=False),
        sa.Column("span_stop", sa.Integer(), nullable=False),
        sa.Column("contrast", sa.Double(), nullable=False),
        sa.Column("area", sa.Double(), nullable=False),
        sa.Column("clip_agreement", sa.Double(), nullable=False),
        sa.Column("outlier_distance", sa.Double(), nullable=False),
        sa.Column("attribution_key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prototype"),
        sa.ForeignKeyConstraint(["generation_id"], ["generation.id"], name="fk_prototype_generation_id"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_prototype_revision_id"),
    )
    op.create_index("ix_prototype_generation_id", "prototype", ["generation_id"])
    op.create_index("ix_prototype_noun", "prototype", ["noun"])
    op.create_index("ix_prototype_revision_id_noun", "prototype", ["revision_id", "noun"])
