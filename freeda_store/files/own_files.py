"""What may be overwritten: files that freeda wrote, and with ``--force`` other files; never an input.

Every file that freeda writes for people carries a mark in a place its format has for such things, so
that running the same command again replaces its own results and nothing else. What is no regular
file (a folder, pipe or device) and what belongs to a bank is never replaced. A link is followed: the
file that it leads to is meant.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_store.address import DATABASE_NAME
from freeda_store.errors import OverwriteError
from freeda_store.files.regular_files import open_regular

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

GENERATOR = "freeda"
"""What the marks say."""
PNG_KEY = "Software"
JPEG_COMMENT = GENERATOR.encode()
ZIP_COMMENT = GENERATOR.encode()
HTML_MARK = f'<meta name="generator" content="{GENERATOR}">'
HTML_START = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{HTML_MARK}'
"""How every page begins."""
JSON_KEY = "generator"
PARQUET_METADATA = {b"generator": GENERATOR.encode()}

_BANK_PARTS = ("vectors", "revisions", "thumbnails", "damaged", "backups")

FileIds = frozenset[tuple[int, int]]
"""Files by device and number, whatever their names."""

_LOOKED_AT = 2**16
_MARKS = (
    (b"\x89PNG", f"{PNG_KEY}\0{GENERATOR}".encode()),
    (b"\xff\xd8", b"\xff\xfe\x00\x08" + JPEG_COMMENT),
    (b"{", f'"{JSON_KEY}": "{GENERATOR}"'.encode()),
    (b"[", f'"{JSON_KEY}": "{GENERATOR}"'.encode()),
    (b"<!doctype html>", HTML_MARK.encode()),
    (b"PK", b"\x06\x00" + ZIP_COMMENT),
    (b"PAR1", b"generator\x18\x06" + GENERATOR.encode()),
)
"""How files of each kind begin, and the mark that is near their beginning or end."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def file_ids(paths: Iterable[str | Path]) -> FileIds:
    """Which files these are, through links and under any name; those that are not there are left out."""
    found = set()
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - the empty name is no folder here
        except (OSError, ValueError):  # whoever reads it will say so
            continue
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def png_mark() -> PngInfo:
    """The mark of a PNG, for ``save(..., pnginfo=)``; other text may be added to it."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(PNG_KEY, GENERATOR)
    return info


def is_ours(path: Path) -> bool:
    """Whether a regular file carries freeda's mark, or is empty and so has nothing to lose."""
    return (ends := _ends(path)) == b"" or is_marked(path, ends)


def is_marked(path: Path, ends: bytes | None = None) -> bool:
    """Whether a regular file carries freeda's mark.

    Args:
        path: the file.
        ends: its beginning and end, where they were read.
    """
    found = _ends(path) if ends is None else ends
    return found is not None and any(found.startswith(begin) and mark in found for begin, mark in _MARKS)


def _ends(path: Path) -> bytes | None:
    """The beginning and the end of a regular file; None where there is none that can be read."""
    try:
        with open_regular(path) as file:
            head = file.read(_LOOKED_AT)
            file.seek(max(len(head), file.seek(0, os.SEEK_END) - _LOOKED_AT))
            return head + file.read()
    except OSError:
        return None


def require_free(
    paths: Iterable[Path],
    *,
    inputs: FileIds = frozenset(),
    force: bool = False,
    ours: Callable[[Path], bool] = is_ours,
) -> None:
    """Refuse to write where something would be lost.

    Args:
        paths: files that are to be written.
        inputs: what the command reads; see :func:`file_ids`.
        force: whether files of others may be replaced.
        ours: whether a given regular file may be replaced without ``force``.

    Raises:
        OverwriteError: names the first file that stands in the way.
    """
    for path in paths:
        if (reason := _reason(path, inputs, ours, force=force)) is not None:
            raise OverwriteError(f"{path} {reason}")


def _reason(path: Path, inputs: FileIds, ours: Callable[[Path], bool], *, force: bool) -> str | None:
    try:
        status = path.stat()
    except OSError:  # nothing is there; whoever writes finds out what else is wrong
        return "is a link that leads nowhere; give another name." if path.is_symlink() else None
    if (kind := kind_of(status.st_mode)) is not None:
        return f"is {kind}; give the name of a file."
    if (status.st_dev, status.st_ino) in inputs:
        return "is an input of this command, and inputs are never overwritten; give another name."
    if _belongs_to_a_bank(path.resolve()):
        return "belongs to a bank, and is never overwritten; give another name."
    if not force and not ours(path):
        return "exists and was not written by freeda; give another name, or --force to replace it."
    return None


def kind_of(mode: int) -> str | None:
    """What something is that is no regular file; None for one."""
    if stat.S_ISREG(mode):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no regular file")


def _belongs_to_a_bank(path: Path) -> bool:
    for folder in path.parents:
        inside = path.relative_to(folder).parts[0]
        named = inside in _BANK_PARTS or inside.startswith(DATABASE_NAME)
        if named and (folder / DATABASE_NAME).is_file():
            return True
    return False
