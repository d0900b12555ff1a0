"""A bank in files as a source: whoever can give a file by its name can be copied from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from uuid import UUID

from typing_extensions import override

from freeda_store.errors import ArchiveError
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.sharing.layout import PART_FILES, FileEntry, Index, part_name, retirements_name
from freeda_store.sharing.part_files import decode_part
from freeda_store.sharing.part_tables import decode_retirements
from freeda_store.sharing.parts import PART_GENERATIONS, Part, Source


class FileReader(Protocol):
    """Gives the bytes of files; what it gives is not trusted."""

    def __call__(self, name: str, size: int) -> bytes:
        """The bytes of a file that should have this size.

        Raises:
            ArchiveError: there is none, or it has another size.
        """


class LayoutSource(Source):
    """A :class:`~freeda_store.sharing.parts.Source` over files. Holds one part at a time.

    Args:
        name: what to call it in messages.
        index: which files there should be.
        read: gives them; size and SHA-256 are checked before anything is made of them.
        at_once: how many files are asked for at a time, each in a thread.
    """

    def __init__(self, name: str, index: Index, read: FileReader, *, at_once: int = 1) -> None:
        self._name = name
        self._index = index
        self._read = read
        self._at_once = at_once

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def manifest(self) -> Manifest:
        return self._index.manifest

    @override
    def records(self) -> Sequence[RevisionRecord]:
        return [revision.record for revision in self._index.revisions]

    @override
    def tags(self) -> Mapping[str, int]:
        return self._index.tag_ids()

    @override
    def parts(self, revision: int, skip: int = 0) -> Iterator[Part]:
        """What a revision added, after leaving out the first ``skip`` parts unread.

        Raises:
            ArchiveError: a file is missing, altered, or not of its format.
        """
        entry, manifest = self._index.by_id(revision), self._index.manifest
        sizes = manifest.sizes
        last: UUID | None = None
        for number in range(skip, entry.parts):
            files = self._part_files(entry.number, number)
            name = f"part {number} of revision {entry.number} in {self._name}"
            part = decode_part(files, name, sizes)
            count = len(part.generations)
            if not 1 <= count <= PART_GENERATIONS or (count < PART_GENERATIONS and number < entry.parts - 1):
                raise ArchiveError(f"{name} holds {count:,} generations, another number than it should.")
            first = part.generations[0].key
            if last is not None and first <= last:
                raise ArchiveError(f"{name} does not follow the part before it; get a sound copy.")
            last = part.generations[-1].key
            yield part

    @override
    def retirements(self, revision: int) -> Sequence[UUID]:
        """Prototypes that a revision retired, in the order of their ids.

        Raises:
            ArchiveError: as for :meth:`parts`.
        """
        name = retirements_name(self._index.by_id(revision).number)
        return decode_retirements(self._checked(name), f"{name} in {self._name}")

    def _part_files(self, number: int, part: int) -> dict[str, bytes]:
        names = [part_name(number, part, file) for file in PART_FILES]
        if self._at_once == 1:
            return dict(zip(PART_FILES, map(self._checked, names), strict=True))
        with ThreadPoolExecutor(self._at_once) as threads:
            return dict(zip(PART_FILES, threads.map(self._checked, names), strict=True))

    def _checked(self, name: str) -> bytes:
        entry = self._index.files[name]
        data = self._read(name, entry.size)
        if FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest()) != entry:
            raise ArchiveError(
                f"{name} in {self._name} is damaged (it is not what the index says); get a sound copy and "
                "run the same again: what was copied so far stays."
            )
        return data
