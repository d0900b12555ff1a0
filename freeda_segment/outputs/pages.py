"""HTML pages from the templates beside this file: every text is escaped, and nothing comes from a network."""

from __future__ import annotations

import base64
import os
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from freeda_store.files.own_files import HTML_START

if TYPE_CHECKING:
    from jinja2 import Environment
    from PIL import Image


def render_page(template: str, **values: Any) -> str:
    """A page.

    Args:
        template: its name in ``templates``.
        values: what it shows; markup in texts is escaped.
    """
    return _templates().get_template(template).render(values) + "\n"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["start"] = Markup(HTML_START)  # noqa: S704 - a constant of ours
    templates.filters |= {"percent": "{:.1%}".format, "embedded": _embedded, "place": _place}
    return templates


def _embedded(picture: Image.Image) -> str:
    """A picture as an address that holds it."""
    buffer = BytesIO()
    picture.save(buffer, format="WEBP", quality=85, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _place(file: Path) -> str:
    """The address of a file in the folder of the page."""
    return "./" + quote(os.fsencode(file.name))
