"""What the site needs beyond its pages: links out of ``docs/``, formulas, names in docstrings."""

from __future__ import annotations

import html
import posixpath
import re
from typing import Any

from latex2mathml.converter import convert

REPOSITORY = "https://github.com/freeda/freeda/blob/main/"

_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)
_ROLE = re.compile(r":(?:class|func|meth|data|mod|exc|attr):<code>~?([\w.]+)</code>")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links to files outside of ``docs/`` to the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        return match[0] if target.startswith("docs/") else f"]({REPOSITORY}{target}"

    return _LINK.sub(outside, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas become MathML, which browsers draw by themselves; Sphinx roles of docstrings become code."""
    content = _FORMULA.sub(_mathml, content)
    return _ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", content)


def _mathml(match: re.Match[str]) -> str:
    return convert(html.unescape(match[3]).strip(), display="inline" if match[2] == "(" else "block")
