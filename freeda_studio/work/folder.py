"""Where works are kept: a folder for each, with its document, what was sent for it, and a log."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from freeda_store.files.whole_files import replaced, sync, writing
from freeda_studio.work.documents import Work

logger = logging.getLogger(__name__)

INPUTS = "input"
_DOCUMENT = "work.json"
_LOCK = ".lock"


class WorkFolder:
    """The works of a bank, on disk.

    Args:
        path: of the folder; made when the first work comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def hold(self) -> bool:
        """Keep other studios from doing the works of this folder; False where one does them already.

        Raises:
            StorageError: the folder cannot be made.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def let_go(self) -> None:
        """Leave the works to other studios."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def of(self, id_: str) -> Path:
        """The folder of a work."""
        return self.path / id_

    def inputs(self, id_: str) -> Path:
        """Where a work has what was sent for it."""
        return self.path / id_ / INPUTS

    def load(self) -> list[Work]:
        """All works, those queued first before the others. What is no whole work is left where it is."""
        found = []
        for path in sorted(self.path.glob(f"*/{_DOCUMENT}")):
            try:
                work = Work.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                logger.warning("%s cannot be read (%s)", path, error)
                continue
            if work.id == path.parent.name:
                found.append(work)
        return sorted(found, key=lambda work: work.queued)

    def sweep(self) -> None:
        """Remove what was being sent when a server was killed: folders without a document."""
        for path in self.path.glob("*/"):
            if not (path / _DOCUMENT).exists() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)

    def keep(self, work: Work) -> None:
        """Write a work's document, whole and for good.

        Raises:
            StorageError: it cannot be written.
        """
        path = self.of(work.id) / _DOCUMENT
        with writing(path), replaced(path) as part:
            part.write_text(work.model_dump_json(indent=1), encoding="utf-8")
            sync(part)

    def remove(self, id_: str) -> None:
        """Remove a work, and what was sent for it; its document goes first."""
        with suppress(FileNotFoundError):
            (self.of(id_) / _DOCUMENT).unlink()
        shutil.rmtree(self.of(id_), ignore_errors=True)

    def empty(self, id_: str) -> None:
        """Remove what was sent for a work that is done; what was rejected of it stays."""
        for path in self.inputs(id_).glob("*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif not path.name.endswith(".rejects.jsonl"):
                path.unlink(missing_ok=True)

    def bytes(self) -> int:
        """What was sent for works, and is still kept."""
        total = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with suppress(FileNotFoundError):
                    total += (Path(folder) / name).lstat().st_size
        return total
