"""The writer's side: every commit leaves the vectors that it adds in files, before it counts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from uuid import UUID

import numpy as np

from freeda_store.digests import vectors_digest
from freeda_store.errors import BankDamagedError, BankError
from freeda_store.files.room import held_below
from freeda_store.files.system_faults import system_error
from freeda_store.files.whole_files import sweep_parts, sync
from freeda_store.revisions import indexing
from freeda_store.revisions.file import VectorFile, id_bytes, open_file, write_file
from freeda_store.revisions.layout import FOLDER, PART_PROTOTYPES, UNFINISHED, Part, parts_in
from freeda_store.revisions.library import Library
from freeda_store.revisions.selection import committed_counts
from freeda_store.revisions.visual_index import NAME, open_index
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.proofs import count_semantics, proved_semantics, semantic_digests, vectors_digests
from freeda_store.vectors.protocol import Fetched, VectorSizes, VectorStore

logger = logging.getLogger(__name__)

_AT_ONCE = 1024


class RevisionFiles:
    """The files of a bank's revisions, written from its vectors. For the process that may write the bank."""

    def __init__(self, folder: Path) -> None:
        """Of the bank in a folder."""
        self.folder = folder / FOLDER

    def keep(self, catalog: Catalog, vectors: VectorStore, revision: int) -> None:
        """Write the files of a revision, in place of any that it has. Written again, they are the same.

        Args:
            catalog: lists what the revision added.
            vectors: hold it.
            revision: its id.

        Raises:
            BankDamagedError: vectors are gone, or are not those that were written.
            StorageError: the system refuses.
        """
        self._write(self.folder, catalog, vectors, revision)

    def keep_missing(self, catalog: Catalog, vectors: VectorStore) -> None:
        """Write files that committed revisions lack, all at once for a bank that never had any; and sweep.

        Raises:
            BankDamagedError, StorageError: those of :meth:`keep`.
        """
        committed = set(self.committed(catalog))
        with_files = {part.revision for part in self._parts()}
        missing = sorted(committed - with_files)
        if missing and not self.folder.exists():
            logger.info("writing the files by which %s can be read by several processes", self.folder.parent)
            place = self.folder.with_name(UNFINISHED)
            for revision in missing:
                self._write(place, catalog, vectors, revision)
            try:
                place.rename(self.folder)
                sync(self.folder.parent)
            except OSError as error:
                raise system_error(error, place) from error
        else:
            for revision in missing:
                self.keep(catalog, vectors, revision)
        self._sweep(committed)

    def keep_semantics(self, catalog: Catalog, vectors: VectorStore) -> None:
        """Write the files of those revisions anew that lack semantic vectors, which came later.

        Raises:
            BankDamagedError, StorageError: those of :meth:`keep`.
        """
        for revision in self.committed(catalog):
            wanted = count_semantics(catalog, revision)
            held = 0
            for name in self.names(revision):
                file = open_file(self.folder / name, vectors.sizes)
                held += int(file.semantics.any(axis=1).sum())
            if held < wanted:
                self.keep(catalog, vectors, revision)

    def tidy(self, catalog: Catalog, sizes: VectorSizes) -> None:
        """Write the index of visual vectors anew, if many prototypes of committed revisions lack in it.

        Where that fails nothing is lost: what lacks is compared one by one until the next time.
        """
        if catalog.committed_prototypes() < indexing.INDEX_FROM:
            return
        try:
            if indexing.is_due(self.folder, library := self._library(catalog, sizes)):
                logger.info("indexing the looks of %s prototypes", f"{len(library.ids):,}")
                indexing.renew_index(self.folder, library)
        except BankError as error:
            logger.warning("the index of visual vectors was left as it was: %s", error)

    def index_fault(self, sizes: VectorSizes) -> str | None:
        """What is wrong with the index of visual vectors; None where nothing is, or there is none. Reads it.

        Raises:
            StorageError: the system refuses to read it.
        """
        try:
            index = open_index(self.folder / NAME, sizes.visual)
        except BankDamagedError as error:
            return f"{FOLDER}/{NAME}: {error}"
        whole = index is None or index.is_whole()
        return None if whole else f"{FOLDER}/{NAME} holds other bytes than were written"

    def give_up_index(self, place: Path) -> None:
        """Move the index to a folder, if there is one: the next commit writes another.

        Raises:
            StorageError: the system refuses.
        """
        try:
            (place / FOLDER).mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                (self.folder / NAME).rename(place / FOLDER / NAME)
        except OSError as error:
            raise system_error(error, self.folder) from error

    def faults(self, catalog: Catalog, sizes: VectorSizes) -> dict[int, str]:
        """What is wrong with the files of committed revisions, by their ids. A bank without files has none.

        Every vector is read, and compared with the checksum that its row keeps.

        Raises:
            StorageError: the system refuses to read one.
        """
        found: dict[int, str] = {}
        if not self.folder.exists():
            return found
        for revision in self.committed(catalog):
            if (fault := self._fault(catalog, revision, sizes)) is not None:
                found[revision] = fault
        return found

    def proved(self, catalog: Catalog, wanted: Iterable[UUID], sizes: VectorSizes) -> Iterator[Fetched]:
        """Vectors of prototypes, as far as files have those that were written; without payloads.

        Args:
            catalog: keeps their checksums.
            wanted: prototypes of committed revisions.
            sizes: lengths of the vectors.
        """
        files = []
        for part in sorted(self._parts()):
            try:
                files.append(open_file(self.folder / part.name, sizes))
            except (BankDamagedError, FileNotFoundError) as error:
                logger.info("%s", error)
        yield from _proved(files, catalog, sorted(wanted), sizes)

    def committed(self, catalog: Catalog) -> list[int]:
        """Ids of the committed revisions that have prototypes, rising."""
        with catalog.transaction() as connection:
            return sorted(committed_counts(connection))

    def replace(self, catalog: Catalog, vectors: VectorStore, revision: int, place: Path) -> None:
        """Write the files of a revision anew, after moving those that it has to a folder.

        Raises:
            BankDamagedError, StorageError: those of :meth:`keep`; the old files are in ``place``.
        """
        try:
            (place / FOLDER).mkdir(parents=True, exist_ok=True)
            for name in self.names(revision):
                (self.folder / name).rename(place / FOLDER / name)
        except OSError as error:
            raise system_error(error, self.folder) from error
        self.keep(catalog, vectors, revision)

    def names(self, revision: int) -> list[str]:
        """The files that a revision has."""
        return [part.name for part in sorted(self._parts()) if part.revision == revision]

    def size_bytes(self) -> int:
        """Bytes that the files take on disk."""
        return held_below(self.folder)

    # inside

    def _write(self, place: Path, catalog: Catalog, vectors: VectorStore, revision: int) -> None:
        ids = catalog.prototype_ids(revision)
        number = 0
        try:
            place.mkdir(exist_ok=True)
            while batch := list(islice(ids, PART_PROTOTYPES)):
                fetched = _fetch(catalog, vectors, batch)
                path = place / Part(revision, number).name
                write_file(path, batch, fetched.texts, fetched.visuals, fetched.semantics)
                number += 1
            for part in parts_in(place):
                if part.revision == revision and part.number >= number:
                    (place / part.name).unlink()
        except OSError as error:
            raise system_error(error, place) from error
        finally:
            ids.close()

    def _library(self, catalog: Catalog, sizes: VectorSizes) -> Library:
        """All prototypes of committed revisions."""
        committed = set(self.committed(catalog))
        parts = sorted(part for part in self._parts() if part.revision in committed)
        return Library.of([open_file(self.folder / part.name, sizes) for part in parts], sizes)

    def _parts(self) -> list[Part]:
        try:
            return list(parts_in(self.folder))
        except OSError as error:
            raise system_error(error, self.folder) from error

    def _sweep(self, committed: set[int]) -> None:
        """Remove what killed commits left: files of revisions that are not committed, and halves of files."""
        stale = [self.folder / part.name for part in self._parts() if part.revision not in committed]
        for path in stale:
            path.unlink(missing_ok=True)
        sweep_parts(self.folder)

    def _fault(self, catalog: Catalog, revision: int, sizes: VectorSizes) -> str | None:
        files = []
        for name in self.names(revision):
            try:
                file = open_file(self.folder / name, sizes)
            except BankDamagedError as error:
                return f"{FOLDER}/{name}: {error}"
            if not file.is_whole():
                return f"{FOLDER}/{name} holds other bytes than were written"
            files.append(file)
        ids = list(catalog.prototype_ids(revision))
        right = unmeant = 0
        for found in _proved(files, catalog, ids, sizes):
            right += len(found.ids)
            with_semantic = sum(bool(row.any()) for row in found.semantics)
            unmeant += len(semantic_digests(catalog, found.ids)) - with_semantic
        if right < len(ids):
            lost = len(ids) - right
            return f"{FOLDER}: {lost:,} prototypes of revision id {revision} are missing there or differ"
        if unmeant:
            return f"{FOLDER}: {unmeant:,} prototypes of revision id {revision} lack semantic vectors there"
        return None


def _proved(
    files: Sequence[VectorFile], catalog: Catalog, ids: Sequence[UUID], sizes: VectorSizes
) -> Iterator[Fetched]:
    """Vectors that have the checksums of their rows; without one, those of a file that is whole."""
    library = Library.of(files, sizes)
    whole = cache(lambda number: library.files[number].is_whole())
    rest = iter(ids)
    while batch := list(islice(rest, _AT_ONCE)):
        places = library.find(id_bytes(batch))
        there = np.flatnonzero(places >= 0)
        places = places[there]
        found = [batch[row] for row in there]
        texts, visuals = library.texts(places), library.visuals(places)
        proofs = vectors_digests(catalog, found)
        right = [
            row
            for row, id_ in enumerate(found)
            if (
                proofs[id_] == vectors_digest(texts[row], visuals[row])
                if id_ in proofs
                else whole(int(library.file_of[places[row]]))
            )
        ]
        yield Fetched(
            tuple(found[row] for row in right),
            (),
            texts[right],
            visuals[right],
            proved_semantics(catalog, found, library.semantics(places))[right],
        )


def _fetch(catalog: Catalog, vectors: VectorStore, ids: Sequence[UUID]) -> Fetched:
    """Vectors of prototypes, in this order, without payloads.

    Raises:
        BankDamagedError: some are gone, or are not those that were written.
    """
    batches: list[Fetched] = []
    for start in range(0, len(ids), _AT_ONCE):
        batch = ids[start : start + _AT_ONCE]
        fetched = vectors.fetch(batch, texts=True, visuals=True, semantics=True)
        proofs = vectors_digests(catalog, batch)
        rows = zip(fetched.ids, fetched.texts, fetched.visuals, strict=True)
        wrong = [id_ for id_, *pair in rows if proofs.get(id_) not in (None, vectors_digest(*pair))]
        if wrong := [*wrong, *sorted(set(batch) - set(fetched.ids))]:
            raise BankDamagedError(
                f"the vectors of {len(wrong):,} prototypes (first {wrong[0]}) are gone, or are not those "
                "that were written; run `freeda bank verify --repair`, then the same command again."
            )
        proved_semantics(catalog, batch, fetched.semantics)
        batches.append(fetched)
    return Fetched(
        tuple(ids),
        (),
        np.concatenate([each.texts for each in batches]),
        np.concatenate([each.visuals for each in batches]),
        np.concatenate([each.semantics for each in batches]),
    )
