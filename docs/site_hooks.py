"""What the site needs beyond its pages: patterns in `nav`, links out of `docs/`, formulas, names."""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

REPOSITORY = "https://github.com/freeda/freeda/blob/main/"

_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)
_CELL = re.compile(r"<td>.*?</td>", re.DOTALL)
_ROLE = re.compile(r":(?:class|func|meth|data|mod|exc|attr):<code>~?([\w.]+)</code>")


def on_config(config: Any) -> Any:
    """Put the pages in the place of the patterns in ``nav`` that name them, the README first."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def _expanded(entry: Any, folder: Path) -> Any:
    if isinstance(entry, dict):
        return {title: _expanded(below, folder) for title, below in entry.items()}
    if not isinstance(entry, list):
        return entry
    entries: list[Any] = []
    for each in entry:
        if isinstance(each, str) and "*" in each:
            pages = sorted(folder.glob(each), key=lambda page: (page.stem != "README", page.name))
            entries += [str(page.relative_to(folder)) for page in pages]
        else:
            entries.append(_expanded(each, folder))
    return entries


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links to files outside of ``docs/`` to the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        return match[0] if target.startswith("docs/") else f"]({REPOSITORY}{target}"

    return _LINK.sub(outside, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas become MathML, which browsers draw by themselves; Sphinx roles of docstrings become code.

    In tables, bars inside code are written with a backslash, which only GitHub takes away.
    """
    content = _CELL.sub(lambda cell: cell[0].replace("\\|", "|"), content)
    content = _FORMULA.sub(_mathml, content)
    content = content.replace("<p>::</p>\n", "").replace("::</p>", ":</p>")  # before literal blocks
    return _ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", content)


def _mathml(match: re.Match[str]) -> str:
    return convert(html.unescape(match[3]).strip(), display="inline" if match[2] == "(" else "block")
