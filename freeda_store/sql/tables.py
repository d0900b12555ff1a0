"""The bank's tables, in SQLAlchemy. ``migrations/`` makes them; a test keeps the two equal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all tables; constraints have fixed names, so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


class ManifestRow(Base):
    """The bank's one manifest, as JSON."""

    __tablename__ = "manifest"

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(32))


class RevisionRow(Base):
    """A revision: open while ``number`` is null, committed for ever after.

    ``id`` is what points carry; it is given at opening and never used again, even when an empty
    open revision is dropped. ``number`` counts commits from 1.
    """

    __tablename__ = "revision"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    number: Mapped[int | None] = mapped_column(unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("revision.id"))
    run_key: Mapped[str] = mapped_column(Text, index=True)
    message: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str] = mapped_column(String(32))
    committed_at: Mapped[str | None] = mapped_column(String(32))
    prototypes_added: Mapped[int] = mapped_column(default=0)
    prototypes_retired: Mapped[int] = mapped_column(default=0)


class CaptionRow(Base):
    """A caption with its provenance; ``id`` is the hash of all of it."""

    __tablename__ = "caption"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    license: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    extra: Mapped[dict[str, Any]] = mapped_column(JSON, info={"holds": dict})


class GenerationRow(Base):
    """A drawn caption. ``complete`` turns false when a repair finds prototypes lost."""

    __tablename__ = "generation"
    __table_args__ = (UniqueConstraint("key", "revision_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[UUID]
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    caption_id: Mapped[UUID] = mapped_column(ForeignKey("caption.id"), index=True)
    origin: Mapped[str] = mapped_column(String(16), server_default="generated")
    seed: Mapped[int] = mapped_column(BigInteger)
    picture_key: Mapped[str] = mapped_column(String(64))
    notes: Mapped[list[str]] = mapped_column(JSON, info={"holds": list})
    complete: Mapped[bool]


class PrototypeRow(Base):
    """A prototype without its vectors; ``id`` is its point's id. For the digests see ``digests.py``."""

    __tablename__ = "prototype"
    __table_args__ = (Index(None, "revision_id", "noun"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    generation_id: Mapped[int] = mapped_column(ForeignKey("generation.id"), index=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    noun: Mapped[str] = mapped_column(Text, index=True)
    kind: Mapped[str] = mapped_column(String(32))
    span_start: Mapped[int]
    span_stop: Mapped[int]
    part: Mapped[int] = mapped_column(BigInteger, server_default="0")
    contrast: Mapped[float] = mapped_column(Double)
    area: Mapped[float] = mapped_column(Double)
    clip_agreement: Mapped[float] = mapped_column(Double)
    outlier_distance: Mapped[float] = mapped_column(Double)
    attribution_key: Mapped[str] = mapped_column(String(64))
    vectors_digest: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    record_digest: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    semantic_digest: Mapped[bytes | None] = mapped_column(LargeBinary(16))


class RetirementRow(Base):
    """A prototype is hidden from a revision on."""

    __tablename__ = "retirement"

    prototype_id: Mapped[UUID] = mapped_column(ForeignKey("prototype.id"), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True, index=True)


class TagRow(Base):
    """A name for a committed revision."""

    __tablename__ = "tag"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    created_at: Mapped[str] = mapped_column(String(32))
