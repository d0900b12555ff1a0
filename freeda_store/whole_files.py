"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from freeda_store.errors import StorageError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    Raises:
        OSError: the folder cannot be made or the file cannot be written.
    """
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """:func:`replaced` with this package's error.

    Raises:
        StorageError: the folder cannot be made or the file cannot be written.
    """
    try:
        with replaced(path) as part:
            yield part
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); choose another place or free disk space."
        ) from error
