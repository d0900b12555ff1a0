"""A page for a folder of results: each picture, its overlay and its legend side by side.

The page needs nothing but the files beside it, so the folder may be moved or served as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.overlay import place_in_overlay
from freeda_segment.outputs.pages import render_page
from freeda_segment.outputs.told import Told
from freeda_store.files.own_files import require_free

INDEX_NAME = "index.html"


@dataclass(frozen=True)
class IndexEntry:
    """One picture of the page.

    Attributes:
        told: of its report, see :func:`freeda_segment.outputs.report.report`.
        preview, overlay: files in the folder of the page.
    """

    told: Told
    preview: Path
    overlay: Path

    def overlay_box(self) -> tuple[int, int, int, int]:
        """Where the picture lies in its overlay: left, top, width and height in the overlay's pixels."""
        return place_in_overlay(self.told.picture.width, self.told.picture.height)

    @classmethod
    def of(cls, report: Mapping[str, Any], files: Mapping[str, Path]) -> IndexEntry:
        """The entry of a picture by its report and the files that were written of it.

        Raises:
            ValidationError: it is no report.
        """
        return cls(Told.model_validate(report), files["preview"], files["overlay"])


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
    return render_page("index.html.j2", entries=entries)
