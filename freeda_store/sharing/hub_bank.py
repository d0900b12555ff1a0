"""Publishing a bank to a dataset repository, and fetching one.

A revision is uploaded part by part and counts once the index names it, in the last commit of that
revision. Parts that an interrupted publish left are not transferred twice, for the hub knows content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from typing_extensions import override

from freeda_store.errors import HubError
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.sharing.bank_sink import BankSink
from freeda_store.sharing.bank_source import BankSource
from freeda_store.sharing.copy import CopyReport, ProgressCallback, copy
from freeda_store.sharing.hub import CARD_NAME, HubApi, HubRepository
from freeda_store.sharing.hub_card import make_card
from freeda_store.sharing.layout import INDEX_NAME
from freeda_store.sharing.layout_source import LayoutSource
from freeda_store.sharing.layout_writer import LayoutWriter
from freeda_store.sharing.parts import Part, Sink

_FILES_A_COMMIT = 100
_FILES_AT_ONCE = 4
"""The files of a part are downloaded together: most of the time is spent waiting."""


class HubSource(LayoutSource):
    """A :class:`~freeda_store.sharing.parts.Source` over a dataset repository at one commit."""

    def __init__(self, repository: HubRepository, revision: str | None = None) -> None:
        """Look up the commit and read its index.

        Args:
            repository: where the bank is.
            revision: a branch, tag or commit of the repository; by default its main branch.

        Raises:
            HubError: it cannot be reached, or holds no bank.
            ArchiveError: its index is not valid.
        """
        snapshot = repository.snapshot(revision)
        index = repository.index(snapshot)

        def read(name: str, size: int) -> bytes:
            return repository.read(name, snapshot.commit, size)

        super().__init__(repository.name, index, read, at_once=_FILES_AT_ONCE)


class HubSink(Sink):
    """A :class:`~freeda_store.sharing.parts.Sink` that publishes to a dataset repository."""

    def __init__(self, repository: HubRepository, manifest: Manifest, *, private: bool | None = None) -> None:
        """Make the repository if need be, and see what is there.

        Args:
            repository: where to publish.
            manifest: of the bank.
            private: whether a new repository is private; None leaves that to its owner's settings.

        Raises:
            HubError: it cannot be reached or written, or holds other files than a bank's.
            ManifestMismatchError: it holds a bank made with other models or settings.
        """
        repository.create(private=private)
        snapshot = repository.snapshot()
        index = repository.index(snapshot) if INDEX_NAME in snapshot.files else None
        if index is not None:
            index.manifest.check(manifest)
        elif snapshot.strangers:
            raise HubError(
                f"{repository.name} holds no bank but other files ({snapshot.strangers[0]}); "
                "publish to a repository of its own."
            )
        self._repository = repository
        self._parent = snapshot.commit
        self._writer = LayoutWriter(manifest if index is None else index.manifest, index)
        self._published = b"" if index is None else index.to_bytes()
        self._card = repository.card(snapshot)
        self._pending: list[Any] = []

    @property
    @override
    def name(self) -> str:
        return self._repository.name

    @override
    def records(self) -> Sequence[RevisionRecord]:
        return self._writer.records()

    @override
    def tags(self) -> Mapping[str, int]:
        return self._writer.index().tag_ids()

    @override
    def expect(self, records: Sequence[RevisionRecord]) -> None:
        """A repository takes any that follow what it has."""

    @override
    def begin(self, record: RevisionRecord) -> int:
        """Start a revision, from its first part."""
        self._writer.begin(record)
        self._pending = []
        return 0

    @override
    def add(self, part: Part) -> None:
        self._pending += self._repository.upload(self._writer.add(part))
        if len(self._pending) >= _FILES_A_COMMIT:
            self._commit(f"Parts of revision {self._writer.begun.number}")

    @override
    def finish(self, retirements: Sequence[UUID]) -> None:
        """Make the revision count, with what it retired: the index names it from this commit on."""
        record = self._writer.begun
        files = self._writer.finish(retirements)
        self._published = self._writer.index().to_bytes()
        self._pending += self._repository.upload({**files, INDEX_NAME: self._published})
        said = " ".join(record.message.split())[:100]
        self._commit(f"Revision {record.number}: {said}" if said else f"Revision {record.number}")

    @override
    def end(self, tags: Mapping[str, int]) -> None:
        """Set the tags and write the card, in one commit if anything changed."""
        self._writer.end(tags)
        index = self._writer.index()
        card = make_card(self.name, index, self._card)
        files = {INDEX_NAME: index.to_bytes(), CARD_NAME: card.encode()}
        if files[INDEX_NAME] == self._published:
            del files[INDEX_NAME]
        if card == self._card:
            del files[CARD_NAME]
        if files:
            self._pending += self._repository.upload(files)
            self._commit("Tags and card")

    def _commit(self, message: str) -> None:
        self._parent = self._repository.commit(self._pending, message, self._parent)
        self._pending = []


def publish_bank(
    address: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    progress: ProgressCallback | None = None,
    api: HubApi | None = None,
) -> CopyReport:
    """Bring a dataset repository up to a bank; it is made when it is new.

    Only files of revisions that it has not are uploaded. Repeating a publish that was cut short goes
    on where it was.

    Args:
        address: what to publish; ``DIR@3`` or ``DIR@tag`` gives the revisions up to that one.
        repository: ``OWNER/NAME``.
        private: whether a new repository is private; None leaves that to its owner's settings.
        progress: called after every part.
        api: huggingface_hub's ``HfApi``, or what stands in for it; None makes one.

    Raises:
        RepositoryNameError, HubError: the repository.
        DivergedError, ManifestMismatchError: it holds another bank.
        Others: those of ``Bank.open``.
    """
    target = HubRepository(repository, api)
    with BankSource.open(address) as source:
        return copy(source, HubSink(target, source.manifest(), private=private), progress)


def fetch_bank(
    repository: str,
    address: str | Path,
    *,
    revision: str | None = None,
    progress: ProgressCallback | None = None,
    discard_unfinished: bool = False,
    api: HubApi | None = None,
) -> CopyReport:
    """Bring a bank up to a dataset repository; the bank is made when it is new.

    Every file is checked against the index before it is used. Repeating a fetch that was cut short
    goes on where it was.

    Args:
        repository: ``OWNER/NAME``.
        address: the bank to fetch into.
        revision: a branch, tag or commit of the repository; by default its main branch.
        progress: called after every part.
        discard_unfinished: forget runs that ended early in the bank and whose ids are needed.
        api: huggingface_hub's ``HfApi``, or what stands in for it; None makes one.

    Raises:
        RepositoryNameError, HubError, ArchiveError: the repository.
        DivergedError, ManifestMismatchError, UnfinishedRunError: the bank is another one.
        Others: those of ``Bank.open`` and of a writer.
    """
    source = HubSource(HubRepository(repository, api), revision)
    with BankSink.open(address, source.manifest(), discard_unfinished=discard_unfinished) as sink:
        return copy(source, sink, progress)
