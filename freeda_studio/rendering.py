"""Pages and fragments from the templates of the studio, which build on those of written pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from starlette.responses import HTMLResponse

from freeda_segment.outputs.pages import page_templates
from freeda_studio.describing import kind_of

if TYPE_CHECKING:
    from freeda_studio.studio import Studio

STATIC = Path(__file__).with_name("static")

SCREENS = (("Segment", "/"), ("Bank", "/bank"), ("History", "/history"), ("Work", "/work"), ("API", "/api"))
"""Names and addresses of what the header leads to."""


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or fragment; markup in texts is escaped.

    Args:
        template: its name in ``templates``, of the studio's or of written pages.
        status: of the answer.
        values: what it shows.
    """
    return HTMLResponse(_templates().get_template(template).render(values), status)


def render_screen(
    studio: Studio, template: str, screen: str, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page with the studio's header: the bank, its revision, and whether it can be changed.

    Args:
        studio: whose page it is.
        template: its name; it extends ``studio.html.j2``.
        screen: one of :data:`SCREENS`, by its name.
        status: of the answer.
        values: what else it shows.
    """
    revision = studio.engine.bank.revision
    return render(
        template,
        status,
        screens=SCREENS,
        screen=screen,
        bank=str(studio.engine.bank.address),
        revision=None if revision is None else revision.number,
        refusal=studio.writing.refusal,
        **values,
    )


@cache
def _templates() -> Environment:
    templates = page_templates(Path(__file__).with_name("templates"))
    templates.filters["kind"] = kind_of
    return templates
