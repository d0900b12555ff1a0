"""What a bank in a folder gave before: only what follows from its prototypes, which lie at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from freeda_store.history import History
from freeda_store.manifest import Manifest
from freeda_store.recall import NoRecall, Recall
from freeda_store.vectors.filters import PointFilter


class FolderRecall(NoRecall):
    """Of a bank in a folder. Its cache on disk is opened when it is first needed.

    Args:
        folder: of the bank.
        manifest: what made it.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._opened: Recall | None = None

    def derived(self, name: bytes, where: PointFilter, history: History, make: Callable[[], bytes]) -> bytes:
        """What follows from a view of committed revisions."""
        if self._opened is None:
            from freeda_store.hosted.disk_recall import open_disk_recall

            self._opened = open_disk_recall(f"{self._folder.resolve()} {self._manifest.model_dump_json()}")
        return self._opened.derived(name, where, history, make)

    def close(self) -> None:
        """Let go of the cache's file."""
        if self._opened is not None:
            self._opened.close()
