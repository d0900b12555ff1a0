"""The screen of the bank's history: revisions, and what one shows that another does not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from freeda_store.address import TAG_PATTERN, parse_version
from freeda_store.errors import RevisionMissingError, VersionError
from freeda_store.history import BankDiff
from freeda_store.records import RevisionInfo
from freeda_studio.cards import card_pictures
from freeda_studio.paging import Page
from freeda_studio.rendering import render_screen
from freeda_studio.selection import PAGE
from freeda_studio.studio import Held

router = APIRouter()

_REVISIONS = 50
"""Revisions on a page."""
_NOUNS = 200
"""Nouns that a difference names."""
_VERSIONS = 200
"""Numbers that complete what is typed; tags do in any number."""


@router.get("/history", include_in_schema=False)
def page(studio: Held, offset: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Revisions, the newest first."""
    revisions = studio.engine.bank.revisions()[::-1]
    shown = Page(offset, _REVISIONS, len(revisions)).inside()
    return render_screen(
        studio,
        "history.html.j2",
        "History",
        revisions=revisions[shown.offset : shown.end],
        tags={name: each.number for each in revisions for name in each.tags},
        tag_pattern=TAG_PATTERN.pattern,
        versions=_versions(revisions),
        newest=revisions[0].number if revisions else None,
        page=shown,
        page_address=lambda offset: f"/history?offset={offset}",
    )


@router.get("/history/diff", include_in_schema=False)
def difference(
    studio: Held,
    a: str,
    b: str,
    gained: Annotated[int, Query(ge=0)] = 0,
    lost: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """What ``b`` shows that ``a`` does not, and the other way round, with pictures, a page of each."""
    bank = studio.engine.bank
    problem, status = "", HTTPStatus.OK
    found = BankDiff((), (), (), ())
    try:
        found = bank.diff(parse_version(a.strip()), parse_version(b.strip()))
    except (RevisionMissingError, VersionError) as error:
        problem, status = str(error), HTTPStatus.NOT_FOUND
    more = Page(gained, PAGE, len(found.prototypes_gained)).inside()
    less = Page(lost, PAGE, len(found.prototypes_lost)).inside()

    def address(gained: int, lost: int, place: str) -> str:
        return "/history/diff?" + urlencode({"a": a, "b": b, "gained": gained, "lost": lost}) + place

    return render_screen(
        studio,
        "history_diff.html.j2",
        "History",
        status=status,
        a=a,
        b=b,
        problem=problem,
        found=found,
        most_nouns=_NOUNS,
        known=studio.nouns.counts(),
        versions=_versions(bank.revisions()[::-1]),
        swapped="/history/diff?" + urlencode({"a": b, "b": a}),
        gained=bank.infos_of(found.prototypes_gained[more.offset : more.end]),
        lost=bank.infos_of(found.prototypes_lost[less.offset : less.end]),
        gained_page=more,
        lost_page=less,
        gained_address=lambda offset: address(offset, less.offset, "#gained"),
        lost_address=lambda offset: address(more.offset, offset, "#lost"),
        card_pictures=card_pictures,
    )


def _versions(revisions: list[RevisionInfo]) -> list[tuple[str, str]]:
    """What may be compared, as it is written, with words for it: tags, then the newest numbers."""
    tags = [(name, f"revision {each.number}") for each in revisions for name in each.tags]
    return [*tags, *((str(each.number), each.message) for each in revisions[:_VERSIONS])]
