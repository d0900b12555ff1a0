"""A bank to copy from: a folder or a hosted bank, up to the version that its address names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Self
from uuid import UUID

import numpy as np
from typing_extensions import override

from freeda_store.address import Address
from freeda_store.closeable import Closeable
from freeda_store.digests import vectors_digest
from freeda_store.errors import BankDamagedError, ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.history import RevisionRecord
from freeda_store.manifest import Manifest
from freeda_store.opening.reading import open_address_to_read
from freeda_store.sharing.parts import Part, SharedGeneration, Source, thumbnail_keys
from freeda_store.sharing.reading import page_starts, read_page
from freeda_store.sql.proofs import proved_semantics, vectors_digests
from freeda_store.vectors.protocol import Fetched
from freeda_store.writing.stores import Stores


class BankSource(Closeable, Source):
    """A :class:`~freeda_store.sharing.parts.Source`. Memory is that of one part, however large the bank.

    Open revisions are not seen: what they add is in no committed revision, and what they retire is
    recorded in them alone.
    """

    def __init__(self, stores: Stores, manifest: Manifest, name: str, upto: int | None = None) -> None:
        """Read from open stores, which :meth:`close` closes. What is committed from now on is not given.

        Args:
            stores: of the bank.
            manifest: of the bank.
            name: what to call it in messages.
            upto: number of the last revision to give; None for all.
        """
        self._stores = stores
        self._manifest = manifest
        self._name = name
        self._history = stores.catalog.history()
        self._upto = upto

    @classmethod
    def open(cls, address: str | Path) -> Self:
        """Open a bank by its address; ``DIR@3`` and ``DIR@tag`` give the revisions up to that one.

        Raises:
            ReadOnlyBankError: its profile names no SQL, which holds half of what there is to copy.
            RevisionMissingError: it has no such revision or tag.
            Others: those of ``Bank.read``.
        """
        opened = open_address_to_read(Address.parse(address))
        stores, manifest, parsed = opened.stores, opened.manifest, opened.address
        try:
            with stores.catalog.transaction():
                pass  # a profile without SQL refuses
            version = parsed.version
            upto = None if version is None else stores.catalog.history().resolve(version).number
            return cls(stores, manifest, str(parsed), upto)
        except BaseException:
            stores.close()
            raise

    def close(self) -> None:
        """Let go of the bank's files and its lock."""
        self._stores.close()

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def manifest(self) -> Manifest:
        return self._manifest

    @override
    def records(self) -> list[RevisionRecord]:
        records = self._history.committed_records()
        return records if self._upto is None else records[: self._upto]

    @override
    def tags(self) -> Mapping[str, int]:
        given = {record.id for record in self.records()}
        return {name: id_ for name, id_ in sorted(self._history.tags.items()) if id_ in given}

    @override
    def parts(self, revision: int, skip: int = 0) -> Iterator[Part]:
        """What a revision added, after leaving out the first ``skip`` parts.

        Raises:
            BankDamagedError: vectors are lost.
        """
        starts = page_starts(self._stores.catalog, revision, skip)
        for first, before in pairwise([*starts, None]):
            if first is not None:
                yield self._part(read_page(self._stores.catalog, revision, first, before))

    @override
    def retirements(self, revision: int) -> list[UUID]:
        return sorted(self._stores.catalog.retired_by(revision))

    def _part(self, generations: tuple[SharedGeneration, ...]) -> Part:
        ids = [prototype.id for generation in generations for prototype in generation.prototypes]
        fetched = self._stores.vectors.fetch(ids, texts=True, visuals=True, semantics=True)
        if len(fetched.ids) != len(ids):
            lost = set(ids) - set(fetched.ids)
            raise BankDamagedError(
                f"{self._name} has lost the vectors of {len(lost):,} of its prototypes (first {min(lost)}); "
                "restore the bank from a copy, or run `freeda bank verify --repair`, which gives them up, "
                "then copy again."
            )
        self._require_proved(fetched)
        thumbnails = dict(self._thumbnails(generations))
        halves = fetched.semantics.astype(np.float16) if fetched.semantics.any() else None
        return Part(generations, fetched.texts, fetched.visuals.astype(np.float16), thumbnails, halves)

    def _require_proved(self, fetched: Fetched) -> None:
        """Give nobody vectors that are not those that were written."""
        proofs = vectors_digests(self._stores.catalog, fetched.ids)
        proved_semantics(self._stores.catalog, fetched.ids, fetched.semantics)
        for id_, text, visual in zip(fetched.ids, fetched.texts, fetched.visuals, strict=True):
            if proofs.get(id_) not in (None, vectors_digest(text, visual)):
                raise BankDamagedError(
                    f"vectors of prototype {id_} in {self._name} are not those that were written; restore "
                    "the bank from a copy, or run `freeda bank verify --repair` to keep what is whole, then "
                    "copy again."
                )

    def _thumbnails(self, generations: Iterable[SharedGeneration]) -> Iterator[tuple[str, bytes]]:
        for key in thumbnail_keys(generations):
            try:
                yield key, self._stores.thumbnails.get(key)
            except (ThumbnailMissingError, ThumbnailDamagedError):
                continue  # counted by who copies: it has the keys
