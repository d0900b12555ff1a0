"""The first screen: pictures and classes, labels over them, and why."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from freeda_segment.outputs.pages import TEMPLATES
from freeda_studio.cards import card_pictures
from freeda_studio.engine import classes_of
from freeda_studio.models import PixelAsked
from freeda_studio.nouns import NounCount
from freeda_studio.rendering import STATIC, render, render_screen
from freeda_studio.routes.pictures import described
from freeda_studio.studio import Client, Held

router = APIRouter()

_MOST_COMPLETIONS = 20
_FIRST_CLASSES = 24
"""Nouns of the bank that a page begins with where no classes are named."""
_STYLE = b"".join(path.read_bytes() for path in (TEMPLATES / "style.css", STATIC / "studio.css"))


class BankModel(BaseModel):
    """The bank of this studio: where it is, what it shows, and why it cannot be changed, if so."""

    address: str
    revision: int | None
    refusal: str
    writing: str


@router.get("/", include_in_schema=False)
def page(studio: Held) -> Response:
    """The page."""
    shelf = studio.engine.shelf
    return render_screen(
        studio,
        "segment.html.j2",
        "Segment",
        pictures=[described(shelf, each) for each in shelf.all()],
        classes=studio.settings.classes or ",".join(studio.nouns.most_different(_FIRST_CLASSES)),
    )


@router.post("/pictures/{picture}/why", include_in_schema=False)
def why(studio: Held, client: Client, picture: str, asked: PixelAsked) -> Response:
    """The panel of a region: scores, and the prototypes behind its class and the runner-up."""
    explained = studio.engine.explain(picture, classes_of(asked.classes), asked.x, asked.y, client)
    return render(
        "why.html.j2",
        explanation=explained,
        card_pictures=card_pictures,
        refusal=studio.writing.refusal,
        picture=picture,
        x=asked.x,
        y=asked.y,
    )


@router.get("/style.css", include_in_schema=False)
def style() -> Response:
    """The look of all pages."""
    return Response(_STYLE, media_type="text/css", headers={"cache-control": "no-cache"})


@router.get("/api/v1/bank", tags=["bank"])
def bank(studio: Held) -> BankModel:
    """Which bank this is, and which revision it shows now."""
    shown = studio.engine.bank.revision
    return BankModel(
        address=str(studio.engine.bank.address),
        revision=None if shown is None else shown.number,
        refusal=studio.writing.refusal,
        writing=studio.writing.holder,
    )


@router.get("/api/v1/nouns", tags=["bank"])
def nouns(studio: Held, q: str = "", most: int = _MOST_COMPLETIONS) -> list[NounCount]:
    """Nouns of the bank that a text begins or is part of, the most frequent first."""
    return studio.nouns.matching(q, min(max(most, 1), 1000))
