"""``/api/v1``: revisions, their differences, and tags."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from freeda_store.address import parse_version
from freeda_store.records import PrototypeInfo, RevisionInfo
from freeda_studio.models import Asked
from freeda_studio.selection import MOST_ON_PAGE, PAGE
from freeda_studio.studio import Held
from freeda_studio.writing import Tagging

router = APIRouter(prefix="/api/v1", tags=["history"])


class DiffModel(BaseModel):
    """What ``b`` shows more and less than ``a``: all nouns, how many prototypes, and a page of them."""

    nouns_gained: tuple[str, ...]
    nouns_lost: tuple[str, ...]
    gained: int
    lost: int
    prototypes_gained: list[PrototypeInfo]
    prototypes_lost: list[PrototypeInfo]


class TagAsked(Asked):
    """A name for a revision: of a number or another tag, the newest one if none is given.

    With ``move`` the name may be taken from another revision.
    """

    name: str = Field(max_length=100)
    version: int | str | None = None
    move: bool = False


class TagModel(BaseModel):
    """What a tag names now, and what it named before; None for nothing."""

    name: str
    revision: int | None
    before: int | None

    @classmethod
    def of(cls, tagging: Tagging) -> Self:
        """As the API gives it."""
        return cls(name=tagging.name, revision=tagging.revision, before=tagging.before)


@router.get("/revisions")
def revisions(studio: Held) -> list[RevisionInfo]:
    """All revisions, the newest first, with their tags."""
    return studio.engine.bank.revisions()[::-1]


@router.get("/diff")
def diff(
    studio: Held,
    a: str,
    b: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=0, le=MOST_ON_PAGE)] = PAGE,
) -> DiffModel:
    """What one revision shows that another does not; each by its number or a tag."""
    bank = studio.engine.bank
    found = bank.diff(parse_version(a), parse_version(b))
    return DiffModel(
        nouns_gained=found.nouns_gained,
        nouns_lost=found.nouns_lost,
        gained=len(found.prototypes_gained),
        lost=len(found.prototypes_lost),
        prototypes_gained=bank.infos_of(found.prototypes_gained[offset : offset + limit]),
        prototypes_lost=bank.infos_of(found.prototypes_lost[offset : offset + limit]),
    )


@router.post("/tags")
def tag(studio: Held, asked: TagAsked) -> TagModel:
    """Name a revision."""
    version = parse_version(asked.version) if isinstance(asked.version, str) else asked.version
    return TagModel.of(studio.corrector.tag(asked.name, version, move=asked.move))


@router.delete("/tags/{name}")
def untag(studio: Held, name: str) -> TagModel:
    """Forget a tag; its revision stays."""
    return TagModel.of(studio.corrector.untag(name))
