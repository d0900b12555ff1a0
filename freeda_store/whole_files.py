"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from freeda_store.errors import StorageError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    Raises:
        StorageError: the folder cannot be made or the file cannot be written.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); choose another place or free disk space."
        ) from error
