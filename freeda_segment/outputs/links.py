"""Links between the index of a folder and the explanations beside it, whichever was written first.

A page always has its link, hidden until there is something at its end: whoever writes that shows the link.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from freeda_segment.outputs.files import write_text
from freeda_store.files.own_files import is_marked

INDEX_NAME = "index.html"
_EXPLANATION = ".explain.html"


def address_of(file: Path) -> str:
    """The address of a file in the folder of a page."""
    return "./" + quote(os.fsencode(file.name))


def explanation_page_of(folder: str | Path, stem: str) -> Path:
    """Where the explanation of a picture lies.

    Args:
        folder: of the results.
        stem: as :func:`freeda_segment.outputs.names.explanation_stem` gives it.
    """
    return Path(folder) / (stem + _EXPLANATION)


def entry_id(explanation: Path) -> str:
    """What the index calls the entry of the picture that has this explanation."""
    return "of-" + quote(os.fsencode(explanation.name.removesuffix(_EXPLANATION)))


def entry_address(explanation: Path) -> str:
    """The address of that entry, from a page beside the index."""
    return f"./{INDEX_NAME}#{entry_id(explanation)}"


def links_to(page: Path, address: str) -> bool:
    """Whether a page of ours has a link to this address, hidden or not."""
    return is_marked(page) and f'href="{address}"' in page.read_text(encoding="utf-8", errors="replace")


def show_link(page: Path, address: str) -> None:
    """Show the link that a page of ours has to this address, where it is hidden.

    Raises:
        OutputError: the page cannot be written.
    """
    if not is_marked(page):
        return
    text = page.read_text(encoding="utf-8", errors="replace")
    shown = text.replace(f'href="{address}" hidden>', f'href="{address}">')
    if shown != text:
        write_text(page, shown)
