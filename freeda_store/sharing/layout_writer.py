"""Turns the parts of revisions into files and keeps the index of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from pydantic import ValidationError

from freeda_errors.documents import fault_of
from freeda_store.errors import ArchiveError, BankDamagedError
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.sharing.layout import (
    MAX_FILE_BYTES,
    FileEntry,
    Index,
    RevisionEntry,
    part_name,
    retirements_name,
)
from freeda_store.sharing.part_files import encode_part
from freeda_store.sharing.part_tables import encode_retirements
from freeda_store.sharing.parts import Part

_LICENSES_TOLD = 50
OTHER_LICENSES = "(others)"
"""Counts the captions under all licences beyond the most frequent ones of a revision."""


class LayoutWriter:
    """Gives each file's bytes once, in the order in which they are to be written.

    Args:
        manifest: of the bank.
        index: of what is there already; None for nothing.
    """

    def __init__(self, manifest: Manifest, index: Index | None = None) -> None:
        self._manifest = manifest
        self._revisions = list(index.revisions) if index else []
        self._tags = dict(index.tags) if index else {}
        self._files = dict(index.files) if index else {}
        self._begun: RevisionRecord | None = None
        self._parts = 0
        self._licenses: Counter[str] = Counter()
        self._new: dict[str, FileEntry] = {}

    @property
    def begun(self) -> RevisionRecord:
        """The revision that is being written."""
        if self._begun is None:
            raise RuntimeError("no revision was begun")
        return self._begun

    def records(self) -> Sequence[RevisionRecord]:
        """The finished revisions, oldest first."""
        return [revision.record for revision in self._revisions]

    def begin(self, record: RevisionRecord) -> None:
        """Start a revision; what was begun before and not finished is forgotten."""
        self._begun = record
        self._parts = 0
        self._licenses = Counter()
        self._new = {}

    def add(self, part: Part) -> dict[str, bytes]:
        """The files of the next part, by name."""
        number = self.begun.number or 0
        files = {part_name(number, self._parts, file): data for file, data in encode_part(part).items()}
        self._parts += 1
        self._licenses.update(generation.caption.license for generation in part.generations)
        return self._noted(files)

    def finish(self, retirements: Iterable[UUID]) -> dict[str, bytes]:
        """The last file of the revision, which the index lists from now on."""
        record = self.begun
        files = self._noted({retirements_name(record.number or 0): encode_retirements(retirements)})
        told = dict(self._licenses.most_common(_LICENSES_TOLD))
        if rest := self._licenses.total() - sum(told.values()):
            told[OTHER_LICENSES] = told.get(OTHER_LICENSES, 0) + rest
        counts = {"parts": self._parts, "generations": self._licenses.total(), "licenses": told}
        try:
            entry = RevisionEntry.model_validate(asdict(record) | counts)
        except ValidationError as error:
            raise BankDamagedError(
                f"revision {record.number} of the bank is not valid ({fault_of(error)}); restore it from "
                "a copy."
            ) from error
        self._revisions.append(entry)
        self._files |= self._new
        self._begun = None
        return files

    def end(self, tags: Mapping[str, int]) -> None:
        """Set these tags, by ids of revisions; others stay."""
        numbers = {revision.id: revision.number for revision in self._revisions}
        self._tags |= {tag: numbers[id_] for tag, id_ in tags.items()}

    def index(self) -> Index:
        """The index of all finished revisions."""
        return Index(manifest=self._manifest, revisions=self._revisions, tags=self._tags, files=self._files)

    def _noted(self, files: dict[str, bytes]) -> dict[str, bytes]:
        for name, data in files.items():
            if len(data) > MAX_FILE_BYTES:
                raise ArchiveError(
                    f"{name} would have {len(data):,} bytes; at most {MAX_FILE_BYTES:,} are read."
                )
            self._new[name] = FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        return files
