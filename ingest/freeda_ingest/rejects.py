"""The rejects file: what a captions file held that is no caption, to be corrected and run again."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from freeda_ingest.captions.records import Reject
from freeda_store.files.whole_files import replaced

SUFFIX = ".rejects.jsonl"
FIELDS = ("file", "line", "reason", "text")
"""Of each line."""
_NAMES = tuple(name.encode() for name in FIELDS)
_LONGEST_LINE = 2**26


def rejects_path(captions: Path | None, fallback_folder: Path | None) -> Path | None:
    """``<captions>.rejects.jsonl`` beside the captions file.

    For standard input, or where that folder may not be written to, it lies in ``fallback_folder``
    (the bank's); None when there is none either. A file of that name that lists no rejects is left alone,
    and the next free name is taken.
    """
    device = captions is not None and _is_device(captions)
    if captions is not None and not device and os.access(captions.parent, os.W_OK):
        return _free(captions.with_name(captions.name + SUFFIX))
    if fallback_folder is None:
        return None
    return _free(fallback_folder / ((captions.name if captions else "stdin") + SUFFIX))


def _is_device(path: Path) -> bool:
    """Whether a path names a device or a pipe of the system; ``/dev/shm`` holds files like any folder."""
    return path.parts[:2] in (("/", "dev"), ("/", "proc")) and path.parts[:3] != ("/", "dev", "shm")


def _free(path: Path) -> Path:
    """The first of the names ``a.rejects.jsonl``, ``a.rejects-2.jsonl``, ... free or listing rejects."""
    ending = Path(SUFFIX).suffix
    names = (path.with_name(f"{path.name.removesuffix(ending)}-{number}{ending}") for number in count(2))
    return next(each for each in chain([path], names) if _lists_rejects(each))


def _lists_rejects(path: Path) -> bool:
    """Whether a file is one of ours, empty, or not there, so that nobody's file is overwritten."""
    if path.is_symlink() or not path.exists():
        return not path.is_symlink()
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
        return not first or json.loads(first).keys() == set(FIELDS)
    except (OSError, ValueError, AttributeError):
        return False


class RejectsFile:
    """Gathers rejects in a file without a name and puts that in the place of ``path`` at the end.

    Every run reads all captions again, so the file is made anew by each and repeats nothing. A run
    that ends by itself without a reject removes the file of an earlier one. Several runs at once may
    read the same captions; the last to end leaves its file.

    Args:
        path: where to; None writes nothing.
        captions: name of the captions file, kept in each line.
    """

    def __init__(self, path: Path | None, captions: str) -> None:
        self._path = path
        self._captions = captions
        self._lines: IO[bytes] | None = None

    def add(self, reject: Reject) -> None:
        """Write one line: file, line, reason, text."""
        if self._path is None:
            return
        if self._lines is None:
            self._lines = TemporaryFile(dir=self._path.parent)  # noqa: SIM115 - closed by close()
        values = (_json(self._captions), b"%d" % reject.line, _json(reject.reason), _json(reject.text))
        told = b", ".join(b'"%b": %b' % pair for pair in zip(_NAMES, values, strict=True))
        self._lines.write(b"{" + told + b"}\n")

    def close(self, *, complete: bool) -> Path | None:
        """Publish the file; its path, or None when nothing was rejected."""
        lines, self._lines = self._lines, None
        if lines is not None and self._path is not None:
            with lines:
                _publish(lines, self._path)
            return self._path
        if complete and self._path is not None:
            self._path.unlink(missing_ok=True)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=False)


@lru_cache(maxsize=1000)
def _json(text: str) -> bytes:
    """A JSON text; remembered, since a file mostly has the same fault many times."""
    return json.dumps(text, ensure_ascii=False).encode(errors="backslashreplace")


def _publish(lines: IO[bytes], path: Path) -> None:
    lines.seek(0)
    with replaced(path) as part, part.open("wb") as out:
        copyfileobj(lines, out)
        out.flush()
        os.fsync(out.fileno())
