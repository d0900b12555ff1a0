"""A page for a folder of results: each picture, its overlay and its legend side by side.

The page needs nothing but the files beside it, so the folder may be moved or served as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from freeda_segment.outputs.files import write_text
from freeda_store.files.own_files import HTML_START, require_free

INDEX_NAME = "index.html"
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #191919; background: #fff; }
section { display: grid; grid-template-columns: 2fr 2fr 1fr; gap: 1rem; align-items: start;
  margin-bottom: 2rem; }
h2 { grid-column: 1 / -1; margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
img { max-width: 100%; border: 1px solid #ddd; }
ul { list-style: none; margin: 0; padding: 0; }
li { overflow-wrap: anywhere; }
i { display: inline-block; width: .9em; height: .9em; margin-right: .5em; border: 1px solid #777; }
.quiet { color: #666; }
@media (max-width: 50rem) { section { grid-template-columns: 1fr; } }
"""


@dataclass(frozen=True)
class IndexEntry:
    """One picture of the page.

    Attributes:
        report: its report, see :func:`freeda_segment.outputs.report.report`.
        preview, overlay: files in the folder of the page.
    """

    report: Mapping[str, Any]
    preview: Path
    overlay: Path


def write_index(folder: str | Path, entries: Sequence[IndexEntry], *, force: bool = False) -> Path:
    """Write ``index.html`` into the folder that holds the entries' files; returns its path.

    Raises:
        OverwriteError: a page is there that freeda did not write, and ``force`` is not given.
        OutputError: it cannot be written.
    """
    path = Path(folder) / INDEX_NAME
    require_free([path], force=force)
    write_text(path, index_page(entries))
    return path


def index_page(entries: Sequence[IndexEntry]) -> str:
    """The page; names are escaped, links are relative."""
    sections = "\n".join(map(_section, entries))
    return (
        f"{HTML_START}<title>Segmented pictures</title>\n"
        f"<style>{_STYLE}</style></head>\n<body><h1>Segmented pictures</h1>\n{sections}\n</body></html>\n"
    )


def _section(entry: IndexEntry) -> str:
    name = escape(str(entry.report["picture"]["source"]))
    return (
        f"<section><h2>{name}</h2>\n{_link(entry.preview, name)}\n"
        f"{_link(entry.overlay, f'classes of {name}')}\n{_legend(entry.report)}</section>"
    )


def _link(file: Path, text: str) -> str:
    target = escape("./" + quote(os.fsencode(file.name)))
    return f'<a href="{target}"><img src="{target}" alt="{text}" loading="lazy"></a>'


def _legend(report: Mapping[str, Any]) -> str:
    present = sorted(
        (each for each in report["classes"] if each["pixels"]), key=lambda each: -int(each["pixels"])
    )
    lines = [
        f'<li><i style="background:{escape(each["colour"])}"></i>'
        f"{escape(each['name'])} {each['area']:.1%}</li>"
        for each in present
    ]
    if report["background"]["area"]:
        lines.append(f'<li class="quiet">no class {report["background"]["area"]:.1%}</li>')
    absent = [escape(each["name"]) for each in report["classes"] if not each["pixels"]]
    if absent:
        lines.append(f'<li class="quiet">not found: {", ".join(absent)}</li>')
    return f"<ul>{''.join(lines)}</ul>"
