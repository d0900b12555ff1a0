"""From what a person types to picture files: files, folders and glob patterns."""

from __future__ import annotations

import fnmatch
import glob
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from freeda_cli import console
from freeda_cli.errors import UsageError
from freeda_store.files.own_files import is_marked
from freeda_store.files.picture_kinds import HEIF_ADVICE, is_picture_name, kind_by_name

Identity = tuple[int, int]

_OWN, _FOLDER, _HIDDEN, _LINK, _OTHER = "own output", "folder", "hidden file", "broken link", "other file"
_HINTS = {_FOLDER: "--recursive enters folders", "HEIC": f"for HEIC {HEIF_ADVICE}"}


@dataclass
class FoundPictures:
    """The pictures that are meant, and what lies beside them.

    Attributes:
        pictures: each once, in the order given and by name in a folder.
        skipped: how many things of each kind were left out, by what people call them.
    """

    pictures: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def told(self) -> str:
        """What was left out: ``2 HEIC, 1 folder, 3 of freeda's own outputs``; empty where nothing was."""
        parts = [_told(kind, number) for kind, number in sorted(self.skipped.items())]
        hints = [hint for kind, hint in _HINTS.items() if self.skipped[kind]]
        return ", ".join(parts) + (f" ({'; '.join(hints)})" if hints else "")


def _told(kind: str, number: int) -> str:
    if kind == _OWN:
        return f"{number:,} of freeda's own outputs"
    return console.count(number, kind) if kind[0].islower() else f"{number:,} {kind}"


def find_pictures(
    arguments: Sequence[str], *, recursive: bool = False, out: Path | None = None
) -> FoundPictures:
    """Find what is meant by files, folders and patterns.

    A file that is named is tried whatever its name, unless freeda wrote it. Of what folders and patterns
    give, files that are one and the same, by whatever links they are reached, count once.

    Args:
        arguments: files, folders, or glob patterns such as ``photos/**/*.jpg``.
        recursive: of folders, also what lies in the folders in them.
        out: where results go; no folder is entered that is this one.

    Raises:
        UsageError: one of them names no picture.
    """
    search = _Search(recursive, None if out is None else _identity(out))
    for argument in arguments:
        search.add(argument)
    if not search.found.pictures:
        raise UsageError(f"no picture is left, only {search.found.told()}; give pictures.")
    return search.found


class _Search:
    def __init__(self, recursive: bool, out: Identity | None) -> None:
        self._recursive, self._out = recursive, out
        self._known: set[Identity | None] = set()
        self._seen: set[Path] = set()
        self.found = FoundPictures()

    def add(self, argument: str) -> None:
        """Find what one argument means."""
        path = _typed(argument)
        if path.is_dir():
            self._add_folder(path, argument)
        elif path.exists():
            self._take(path, named=True)
        elif path.is_symlink():
            raise UsageError(f"{argument} is a link that leads to no file; give the picture itself.")
        elif glob.has_magic(argument):
            files = sorted(_matches(Path(path.anchor), path.relative_to(path.anchor).parts), key=str)
            if not files:
                raise UsageError(f"no picture matches {argument}; quote the pattern, or give files.")
            for file in files:
                self._take(file)
        else:
            raise UsageError(f"there is no picture {argument}; give a file, a folder or a pattern.")

    def _add_folder(self, folder: Path, argument: str) -> None:
        pictures, skipped = 0, Counter(self.found.skipped)
        for place in sorted(_folders_below(folder, self._out)) if self._recursive else [folder]:
            for path in sorted(place / name for name in _names(place)):
                pictures += self._look(path)
        if not pictures:
            only = FoundPictures(skipped=self.found.skipped - skipped).told()
            told = f", only {only}" if only else ""
            raise UsageError(f"folder {argument} holds no picture{told}; give files, or another folder.")

    def _look(self, path: Path) -> bool:
        """Take what lies in a folder, or count it among what is left out; says whether it is a picture."""
        kind = self._kind(path)
        if kind is not None:
            self.found.skipped[kind] += 1
            return False
        if path.is_dir() and self._recursive:
            return False
        self._take(path)
        return True

    def _kind(self, path: Path) -> str | None:
        """Why something in a folder is left out; None where it is not."""
        if path.name.startswith("."):
            return _HIDDEN
        if path.is_dir():
            return None if self._recursive else _FOLDER
        if not path.is_file():
            return _LINK if path.is_symlink() else _OTHER
        if is_picture_name(path):
            return None
        return kind_by_name(path) or (_OWN if is_marked(path) else _OTHER)

    def _take(self, path: Path, *, named: bool = False) -> None:
        identity = _identity(path)
        if path in self._seen or (identity in self._known and not named):
            return
        self._seen.add(path)
        if is_marked(path):
            self.found.skipped[_OWN] += 1
            return
        self._known.add(identity)
        self.found.pictures.append(path)


def _typed(argument: str) -> Path:
    path = Path(argument)
    with suppress(RuntimeError):  # ~nobody is a file's name where nobody is no user's
        path = path.expanduser()
    return path


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


def _folders_below(top: Path, without: Identity | None = None) -> Iterator[Path]:
    """A folder and all below it but one, each once: those that lie there first, then those behind links."""
    seen: set[Identity | None] = {None}
    real, linked = [top], deque[Path]()
    while real or linked:
        folder = real.pop() if real else linked.popleft()
        identity = _identity(folder)
        if identity in seen or (identity == without and folder is not top):
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
