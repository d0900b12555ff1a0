"""HTML pages from the templates beside this file: every text is escaped, and nothing comes from a network.

``page.html.j2`` is the frame of every page, ``macros.html.j2`` has what pages show alike, and ``style.css``
says how it looks. Pages in files extend ``static.html.j2``, which puts style and script into them.
"""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_store.files.own_files import HTML_START

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from PIL import Image

TEMPLATES = Path(__file__).with_name("templates")
"""The templates, the style (``style.css``) and the script of pages in files."""


def render_page(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: its name in ``templates``.
        values: what it shows; markup in texts is escaped.
    """
    return _templates().get_template(template).render(values) + "\n"


def page_templates(*folders: Path) -> Environment:
    """The templates with their filters, for pages of another room.

    Args:
        folders: of its own templates; the first that has a name is taken, :data:`TEMPLATES` last.
    """
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in (*folders, TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["start"] = Markup(HTML_START)  # noqa: S704 - a constant of ours
    templates.globals["asset"] = _asset
    templates.filters |= {
        "percent": "{:.1%}".format,
        "score": _score,
        "digest": _digest,
        "embedded": embedded,
    }
    return templates


def embedded(picture: Image.Image) -> str:
    """A picture as an address that holds it."""
    buffer = BytesIO()
    picture.save(buffer, format="WEBP", quality=85, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _templates() -> Environment:
    return page_templates()


@cache
def _asset(name: str) -> Markup:
    """Style or script, to be put into a page as it is."""
    from markupsafe import Markup

    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of ours


def _digest(text: str) -> str:
    """What a content security policy calls a style or a script that a page has inside."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode('ascii')}'"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
