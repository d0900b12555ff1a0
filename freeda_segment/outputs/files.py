"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeda_segment.errors import OutputError
from freeda_store.files.whole_files import replaced


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """:func:`freeda_store.files.whole_files.replaced` with this package's error.

    Raises:
        OutputError: the folder cannot be made or the file cannot be written.
    """
    try:
        with replaced(path) as part:
            yield part
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written ({reason}); choose another --out folder.") from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; names that are not UTF-8 are escaped.

    Their bytes become ``\\udcNN``, which JSON reads back as they were.

    Raises:
        OutputError: it cannot be written.
    """
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
