"""A page for a folder of results: each picture, its overlay and its legend side by side.

The page needs nothing but the files beside it, so the folder may be moved or served as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.outputs.commands import Commands
from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.links import INDEX_NAME, address_of, entry_address, entry_id, show_link
from freeda_segment.outputs.overlay import place_in_overlay
from freeda_segment.outputs.pages import render_page
from freeda_segment.outputs.told import Told
from freeda_segment.outputs.totals import Totals
from freeda_store.files.own_files import require_free


@dataclass(frozen=True)
class IndexEntry:
    """One picture of the page.

    Attributes:
        told: of its report, see :func:`freeda_segment.outputs.report.report`.
        files: by the names of their formats, in the folder of the page; ``preview`` and ``overlay`` at least.
        explanation: where its explanation lies or will lie, in the same folder.
        skipped: whether its results were there before.
        commands: that go on from it; None for none.
    """

    told: Told
    files: Mapping[str, Path]
    explanation: Path
    skipped: bool = False
    commands: Commands | None = None

    @property
    def id(self) -> str:
        """Of its section."""
        return entry_id(self.explanation)

    def overlay_box(self) -> tuple[int, int, int, int]:
        """Where the picture lies in its overlay: left, top, width and height in the overlay's pixels."""
        return place_in_overlay(self.told.picture.width, self.told.picture.height)


@dataclass(frozen=True)
class NotSegmented:
    """A picture that failed, and why."""

    picture: str
    reason: str


@dataclass(frozen=True)
class Index:
    """What the page shows.

    Attributes:
        entries: the pictures that have results.
        failed: those that have none.
        left_out: what was not taken for a picture, in words.
    """

    entries: Sequence[IndexEntry]
    failed: Sequence[NotSegmented] = ()
    left_out: str = ""


def write_index(folder: str | Path, index: Index, *, force: bool = False) -> Path:
    """Write ``index.html`` into the folder that holds the entries' files; their explanations link to it.

    Returns:
        Its path.

    Raises:
        OverwriteError: a page is there that freeda did not write, and ``force`` is not given.
        OutputError: it cannot be written.
    """
    path = Path(folder) / INDEX_NAME
    require_free([path], force=force)
    write_text(path, index_page(index))
    for entry in index.entries:
        show_link(entry.explanation, entry_address(entry.explanation))
    return path


def index_page(index: Index) -> str:
    """The page; names are escaped, links are relative."""
    totals = Totals()
    for entry in index.entries:
        totals.add(entry.told)
    return render_page("index.html.j2", index=index, totals=totals, address_of=address_of)
