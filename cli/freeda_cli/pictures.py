"""From what a person types to picture files: files, folders and glob patterns."""

from __future__ import annotations

import fnmatch
import glob
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from freeda_cli.errors import UsageError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as a picture in a folder. A file that is named is tried whatever its name."""

Identity = tuple[int, int]


def find_pictures(arguments: Sequence[str]) -> list[Path]:
    """The pictures that are meant, each once, in the order given and by name in a folder.

    A file that is named counts as it is. Of what folders and patterns give, files that are one and the
    same, by whatever links they are reached, count once.

    Args:
        arguments: files, folders (their own pictures, not those of folders in them), or glob
            patterns such as ``photos/**/*.jpg``.

    Raises:
        UsageError: one of them names no picture.
    """
    found: dict[Path, None] = {}
    known: set[Identity | None] = set()
    for argument in arguments:
        path = _typed(argument)
        named = path.exists() and not path.is_dir()
        for picture in [path] if named else _expand(path, argument):
            identity = _identity(picture)
            if named or identity not in known:
                found.setdefault(picture)
                known.add(identity)
    return list(found)


def _typed(argument: str) -> Path:
    path = Path(argument)
    with suppress(RuntimeError):  # ~nobody is a file's name where nobody is no user's
        path = path.expanduser()
    return path


def _expand(path: Path, argument: str) -> list[Path]:
    if path.is_dir():
        pictures = sorted(file for file in path.iterdir() if _is_picture(file))
        if not pictures:
            raise UsageError(f"folder {argument} holds no picture; give files, or another folder.")
        return pictures
    if path.is_symlink():
        raise UsageError(f"{argument} is a link that leads to no file; give the picture itself.")
    if glob.has_magic(argument):
        files = sorted(_matches(Path(path.anchor), path.relative_to(path.anchor).parts), key=str)
        if not files:
            raise UsageError(f"no picture matches {argument}; quote the pattern, or give files.")
        return files
    raise UsageError(f"there is no picture {argument}; give a file, a folder or a pattern.")


def _matches(folder: Path, pattern: tuple[str, ...]) -> Iterator[Path]:
    """The files under a folder that match a pattern, part by part, as the glob module reads it.

    Unlike there, ``**`` enters no folder twice, so that links that lead in circles end.
    """
    part, rest = pattern[0], pattern[1:]
    if part == "**":
        for below in _folders_below(folder):
            yield from _matches(below, rest or ("*",))
        return
    if glob.has_magic(part):
        names = [name for name in _names(folder) if fnmatch.fnmatchcase(name, part)]
        chosen = [folder / name for name in names if part.startswith(".") or not name.startswith(".")]
    else:
        chosen = [folder / part]
    for path in chosen:
        if not rest and path.is_file():
            yield path
        elif rest and path.is_dir():
            yield from _matches(path, rest)


def _folders_below(top: Path) -> Iterator[Path]:
    """A folder and all below it, each once: those that lie there first, then those behind links."""
    seen: set[Identity | None] = {None}
    real, linked = [top], deque[Path]()
    while real or linked:
        folder = real.pop() if real else linked.popleft()
        identity = _identity(folder)
        if identity in seen:
            continue
        seen.add(identity)
        yield folder
        for name in _names(folder):
            below = folder / name
            if not name.startswith(".") and below.is_dir():
                (linked if below.is_symlink() else real).append(below)


def _names(folder: Path) -> list[str]:
    """What lies in a folder; nothing where it may not be looked into."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _identity(path: Path) -> Identity | None:
    """What identifies a file, under whatever name; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
