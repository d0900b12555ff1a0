"""The screen of the bank: what it holds, its nouns, and contact sheets to select and prune from."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from freeda_store.errors import FilterError
from freeda_store.records import Origin
from freeda_store.views.choosing import BEST_FIRST, ORDERS, Chosen, alike
from freeda_store.views.facts import stats_facts
from freeda_studio.cards import card_pictures
from freeda_studio.nouns import NounCount
from freeda_studio.paging import Page
from freeda_studio.rendering import render_screen
from freeda_studio.selection import SheetAsked
from freeda_studio.studio import Held, Studio

router = APIRouter()

_NOUNS = 300
"""Nouns on a page."""
_SCORES = (
    ("contrast", "Contrast", "attribution inside the mask over outside; above 1 is good"),
    ("area", "Area", "share of the picture that the mask covers, 0 to 1"),
    ("clip_agreement", "CLIP agreement", "of the masked region with the noun, -1 to 1"),
    ("outlier_distance", "Outlier distance", "from the mean of the noun's others, 0 to 2"),
)
"""Scores by field, with their names and what they mean."""


@router.get("/bank", include_in_schema=False)
def page(studio: Held, q: str = "", sort: str = "count", offset: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Facts, and nouns with their counts."""
    bank = studio.engine.bank
    stats = bank.stats()
    found = _found_nouns(studio, q, sort)
    shown = Page(offset, _NOUNS, len(found)).inside()
    return render_screen(
        studio,
        "bank.html.j2",
        "Bank",
        facts=stats_facts(str(bank.address), stats, ",".join(studio.engine.networks.preset.segment.where)),
        stats=stats,
        q=q,
        sort=sort,
        nouns=found[shown.offset : shown.end],
        page=shown,
        page_address=lambda offset: "/bank?" + urlencode({"q": q, "sort": sort, "offset": offset}),
        origins=studio.nouns.origins(),
    )


@router.get("/bank/prototypes", include_in_schema=False)
def sheet(studio: Held, asked: Annotated[SheetAsked, Query()]) -> Response:
    """Prototypes as cards, by a filter and in an order."""
    problem, status = "", HTTPStatus.OK
    chosen = Chosen((), 0)
    try:
        asked, chosen = _page_inside(studio, asked)
    except FilterError as error:
        problem, status = str(error), HTTPStatus.UNPROCESSABLE_ENTITY
    counts = studio.nouns.counts()
    unknown = asked.noun is not None and asked.noun.strip() not in counts
    return render_screen(
        studio,
        "bank_sheet.html.j2",
        "Bank",
        status=status,
        asked=asked,
        selection=asked.selection().model_dump_json(exclude_defaults=True, exclude_none=True),
        narrowed=not problem and not asked.selection().is_all,
        only_noun=not problem and asked.is_noun_alone,
        problem=problem,
        unknown=unknown,
        near=alike(asked.noun, list(counts)) if unknown and asked.noun else [],
        infos=chosen.infos,
        page=Page(asked.offset, asked.limit, chosen.total),
        page_address=lambda offset: "/bank/prototypes?" + asked.query(offset=offset),
        counts=counts,
        orders=ORDERS,
        first_order=BEST_FIRST,
        origins=[each.value for each in Origin],
        sources=studio.nouns.sources(),
        scores=_SCORES,
        card_pictures=card_pictures,
    )


def _found_nouns(studio: Studio, text: str, sort: str) -> list[NounCount]:
    found = studio.nouns.matching(text, len(studio.nouns.all())) if text.strip() else studio.nouns.all()
    if sort == "name":
        return sorted(found, key=lambda each: each.noun)
    return found


def _page_inside(studio: Studio, asked: SheetAsked) -> tuple[SheetAsked, Chosen]:
    """The page that is asked for; the last one where fewer prototypes are left than lie before it."""
    bank = studio.engine.bank
    chosen = asked.choose(bank)
    inside = Page(asked.offset, asked.limit, chosen.total).inside()
    if inside.offset == asked.offset:
        return asked, chosen
    asked = asked.model_copy(update={"offset": inside.offset})
    return asked, asked.choose(bank)
