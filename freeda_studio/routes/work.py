"""The last screen: long work, how far it is, and what a person asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import StreamingResponse

from freeda_studio.errors import MissingError
from freeda_studio.rendering import render, render_screen
from freeda_studio.studio import Held
from freeda_studio.work.documents import ENDED
from freeda_studio.work.models import WorkAsked, WorkModel
from freeda_studio.work.works import Works

router = APIRouter(tags=["work"])

LOOK_EVERY = 0.25
"""Seconds between two looks at a work that is listened to."""

_SIGN_OF_LIFE = 60
"""Looks after which a listener is told that nothing is new."""


@router.get("/work", include_in_schema=False)
def page(studio: Held) -> Response:
    """The page."""
    return render_screen(
        studio,
        "work.html.j2",
        "Work",
        works=_models(studio.works),
        no_work=studio.works.refusal(),
        no_drawing=studio.works.no_drawing(),
        most_mib=studio.settings.limits.request_bytes // 2**20,
    )


@router.get("/work/list", include_in_schema=False)
def listed(studio: Held) -> Response:
    """The part of the page that changes."""
    return render("work_list.html.j2", works=_models(studio.works), no_work=studio.works.refusal())


@router.get("/api/v1/work")
def works(studio: Held) -> list[WorkModel]:
    """All works: what runs or waits, in its order; then what ended, the last first."""
    return _models(studio.works)


@router.post("/api/v1/work", status_code=201)
def add(studio: Held, asked: Annotated[WorkAsked, Form()]) -> WorkModel:
    """Ask for work; what was sent for it is looked at first, and it begins when its turn comes."""
    return WorkModel.of(studio.works.add(asked.wanted()))


@router.get("/api/v1/work/{id}")
def work(studio: Held, id: str) -> WorkModel:
    """One work, as it is now."""
    return WorkModel.of(studio.works.find(id))


@router.post("/api/v1/work/{id}/stop")
def stop(studio: Held, id: str) -> WorkModel:
    """Have work end after its batch in hand, which is stored; it can go on later."""
    return WorkModel.of(studio.works.stop(id))


@router.post("/api/v1/work/{id}/stop-at-once")
def stop_at_once(studio: Held, id: str) -> WorkModel:
    """End work without its batch in hand, which is done again when it goes on."""
    return WorkModel.of(studio.works.stop_at_once(id))


@router.post("/api/v1/work/{id}/continue")
def go_on(studio: Held, id: str) -> WorkModel:
    """Go on with work that was stopped or failed; what it stored is not done again."""
    return WorkModel.of(studio.works.go_on(id))


@router.delete("/api/v1/work/{id}", status_code=204)
def forget(studio: Held, id: str) -> None:
    """Forget work that has ended, with what was sent for it; what it put into the bank stays."""
    studio.works.forget(id)


@router.get(
    "/api/v1/work/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "A work for each change."}},
)
def events(studio: Held, id: str) -> StreamingResponse:
    """Server-sent events: the work as it is, at once and with each change, until it ends."""
    studio.works.find(id)
    return StreamingResponse(told_events(studio.works, id), media_type="text/event-stream")


async def told_events(works: Works, id: str) -> AsyncGenerator[str, None]:
    """Events of one listener. They end with the work, when it is forgotten, and when the server ends."""
    last, quiet = None, 0
    yield "retry: 2000\n\n"
    while not works.closing:
        try:
            found = await asyncio.to_thread(works.find, id)
        except MissingError:
            return
        if found is not last:
            last, quiet = found, 0
            yield f"data: {WorkModel.of(found).model_dump_json()}\n\n"
            if found.state in ENDED:
                return
        quiet += 1
        if quiet % _SIGN_OF_LIFE == 0:
            yield ": nothing new\n\n"
        await asyncio.sleep(LOOK_EVERY)


def _models(works: Works) -> list[WorkModel]:
    return [WorkModel.of(each) for each in works.all()]
