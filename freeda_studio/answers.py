"""How errors are answered: as JSON for programs and scripts, as a page for people."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from freeda_studio.rendering import render


class ErrorModel(BaseModel):
    """What went wrong, and what to do, as a sentence or two."""

    error: str


def error_answer(asked: Headers, status: int, message: str) -> Response:
    """The answer to a request that went wrong.

    Args:
        asked: headers of the request; a browser that leads to another page asks for HTML.
        status: of the answer.
        message: for people.
    """
    if "text/html" in asked.get("accept", ""):
        return render("error.html.j2", status, title=HTTPStatus(status).phrase, message=message)
    return JSONResponse(ErrorModel(error=message).model_dump(), status)
