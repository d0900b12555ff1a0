"""``/api/v1``: what the bank holds, and pruning by a filter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from freeda_store.records import PrototypeInfo
from freeda_store.views.stats import BankStats
from freeda_studio.models import ChangeModel
from freeda_studio.pruning import NounLoss, foresee
from freeda_studio.selection import Selection, SheetAsked
from freeda_studio.studio import Held

router = APIRouter(prefix="/api/v1", tags=["bank"])


class PageModel(BaseModel):
    """Some of the prototypes that were asked for, and how many there are in all."""

    total: int
    offset: int
    prototypes: list[PrototypeInfo]


class PruneAsked(Selection):
    """Prototypes to hide from a new revision on, and why.

    ``seen`` is the revision that whoever asks has looked at: if the bank shows another one, nothing is done.
    """

    dry_run: bool = False
    message: str = Field("", max_length=1000)
    seen: int | None = None


class PrunedModel(BaseModel):
    """What was hidden, or with ``dry_run`` would be: how many, of which nouns, and what remains.

    ``revision`` is the one that was looked at; ``change`` is missing where nothing was done.
    """

    revision: int | None
    prototypes: int
    remaining: int
    nouns: list[NounLoss]
    dry_run: bool
    change: ChangeModel | None = None


@router.get("/stats")
def stats(studio: Held) -> BankStats:
    """Counts of what the bank shows, its models, and sizes on disk."""
    return studio.engine.bank.stats()


@router.get("/prototypes")
def prototypes(studio: Held, asked: Annotated[SheetAsked, Query()]) -> PageModel:
    """Prototypes by a filter, in an order, a page at a time."""
    chosen = asked.choose(studio.engine.bank)
    return PageModel(total=chosen.total, offset=asked.offset, prototypes=list(chosen.infos))


@router.post("/prune")
def prune(studio: Held, asked: PruneAsked) -> PrunedModel:
    """Hide the prototypes that pass; with ``dry_run`` only count them."""
    if not asked.dry_run:
        studio.writing.require()
    foreseen = foresee(asked, studio.engine.bank, studio.nouns)
    change = None
    if not asked.dry_run:
        seen = foreseen.revision if asked.seen is None else asked.seen
        change = ChangeModel.of(studio.corrector.prune(asked, asked.message, seen))
    return PrunedModel(
        revision=foreseen.revision,
        prototypes=foreseen.prototypes,
        remaining=foreseen.remaining,
        nouns=list(foreseen.nouns),
        dry_run=asked.dry_run,
        change=change,
    )
