"""The page that describes the API, made from the application's own description."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from freeda_studio.describing import TAGS, grouped
from freeda_studio.rendering import render_screen
from freeda_studio.studio import Held

router = APIRouter()


@router.get("/api", include_in_schema=False)
def page(studio: Held, request: Request) -> Response:
    """Every operation with what it takes and gives, and a command that asks for it."""
    document = request.app.openapi()
    return render_screen(
        studio,
        "api.html.j2",
        "API",
        groups=grouped(document, str(request.base_url).rstrip("/")),
        about=TAGS,
        schemas=document["components"]["schemas"],
        document=request.app.openapi_url,
    )
