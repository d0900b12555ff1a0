"""A bank's vectors for reading alone: searched in the files of its revisions, filtered in SQL.

Any number of processes may do so while one writes. What a commit adds is found from the next question on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NoReturn, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection
from typing_extensions import override

from freeda_store.errors import BankDamagedError, ReadOnlyBankError, StorageError
from freeda_store.files.room import held_below
from freeda_store.files.system_faults import system_error
from freeda_store.records import Direction, FloatArray
from freeda_store.revisions.file import VectorFile, id_bytes, open_file
from freeda_store.revisions.layout import FOLDER, Part, Stamp, parts_in, stamp_of
from freeda_store.revisions.library import Library, Places
from freeda_store.revisions.passing import Passing, state_of
from freeda_store.revisions.selection import chosen, committed_counts, committed_ids, counted, payloads_of
from freeda_store.revisions.visual_index import NAME, open_index
from freeda_store.revisions.visual_search import VisualSearch
from freeda_store.sql.database import Database
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Fetched, Hits, Payload, Point, VectorSizes, VectorStore

logger = logging.getLogger(__name__)

_PAGE = 2048
_ADVICE = "restore the bank from a copy, or run `freeda bank verify --repair`."
_TRIES, _PAUSE_SECONDS = 8, 0.25
"""How often, and how long after each other, files are looked for that a commit must have left: on a network
file system they may be seen later than its row."""

T = TypeVar("T")


class MissingFilesError(BankDamagedError):
    """A committed revision has no file; its vectors are in the engine alone."""


class ReaderVectors(VectorStore):
    """A :class:`~freeda_store.vectors.protocol.VectorStore` that refuses to be written to."""

    def __init__(self, folder: Path, database: Database, sizes: VectorSizes) -> None:
        """Read a bank.

        Args:
            folder: of the bank.
            database: its SQL.
            sizes: lengths of its vectors, by its manifest.
        """
        self._folder = folder
        self._database: Database | None = database
        self._sizes = sizes
        self._lock = threading.Lock()
        self._files: dict[Part, tuple[Stamp, VectorFile]] = {}
        self._library: Library | None = None
        self._search: tuple[Library, Stamp | None, VisualSearch] | None = None
        self._passing = Passing()

    @property
    @override
    def sizes(self) -> VectorSizes:
        return self._sizes

    def require_complete(self) -> None:
        """See that every committed revision has its files, with as many prototypes as SQL lists.

        Raises:
            MissingFilesError: a revision has none.
            BankDamagedError: a file is damaged, or lacks prototypes.
            StorageError: the system refuses to read one.
        """
        counts = self._ask(committed_counts)  # before the files, which are there before a commit counts
        with self._lock:
            self._refresh_files()
        held: Counter[int] = Counter()
        for part, (_, file) in self._files.items():
            held[part.revision] += len(file.ids)
        for revision, listed in counts.items():
            if revision not in held:
                raise MissingFilesError(f"revision id {revision} has no file in {self._folder / FOLDER}.")
            if held[revision] < listed:
                raise BankDamagedError(
                    f"the files of revision id {revision} in {self._folder / FOLDER} hold "
                    f"{held[revision]:,} of the {listed:,} prototypes that the database lists; {_ADVICE}"
                )

    # asking

    @override
    def nearest(
        self, queries: FloatArray, k: int, where: PointFilter, direction: Direction = Direction.CLASSES
    ) -> list[Hits]:
        """The k points nearest to each query: exactly, but for visual vectors of a bank that has an index."""
        library, places = self._that_pass(where)
        if direction is Direction.REGIONS:
            return self._nearest_visuals(library, queries, k, places)
        places = places[library.keyed[places]]
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
        units = np.asarray(queries / np.where(lengths > 0, lengths, 1), dtype=np.float32)
        best: list[tuple[Places, FloatArray]] = []
        for block in library.similarities(units, places):
            best.extend(_first(row, k) for row in self._finite(block))
        return _hits(library, places, best)

    def _nearest_visuals(self, library: Library, queries: FloatArray, k: int, places: Places) -> list[Hits]:
        try:
            found = self._search_of(library).nearest(queries, k, places)
        except ValueError as error:
            raise BankDamagedError(
                f"visual vectors in {self._folder / FOLDER} hold values that are no numbers; {_ADVICE}"
            ) from error
        return _hits(library, np.arange(len(library.ids)), [(f.places, f.similarities) for f in found])

    def _search_of(self, library: Library) -> VisualSearch:
        """What searches the files as they are; it is made once for them, and for their index.

        An index that is damaged is not used: all vectors are compared then.
        """
        with self._lock:
            path = self._folder / FOLDER / NAME
            stamp = stamp_of(path)
            if self._search is None or self._search[:2] != (library, stamp):
                try:
                    index = open_index(path, self._sizes.visual)
                except BankDamagedError as error:
                    logger.warning("searching without an index: %s", error)
                    index = None
                self._search = library, stamp, VisualSearch(library, index)
            return self._search[2]

    @override
    def fetch(
        self, ids: Sequence[UUID], *, texts: bool = False, visuals: bool = False, semantics: bool = False
    ) -> Fetched:
        told = self._ask(partial(payloads_of, ids=ids)) if ids else {}
        found = [id_ for id_ in ids if id_ in told]
        nothing = np.empty(0, dtype=np.intp)
        library, places = Library.of([], self._sizes), nothing
        if found and (texts or visuals or semantics):
            library, places = self._among(lambda _: id_bytes(found))
        return Fetched(
            tuple(found),
            tuple(told[id_] for id_ in found),
            library.texts(places if texts else nothing),
            library.visuals(places if visuals else nothing),
            library.semantics(places if semantics else nothing),
        )

    @override
    def scroll(self, where: PointFilter, *, payloads: bool = True) -> Iterator[tuple[UUID, Payload]]:
        ids = np.sort(self._ask(partial(chosen, where=where))).tobytes()
        rest = (UUID(bytes=ids[start : start + 16]) for start in range(0, len(ids), 16))
        if not payloads:
            yield from ((id_, {}) for id_ in rest)
            return
        while page := list(islice(rest, _PAGE)):
            told = self._ask(partial(payloads_of, ids=page))
            yield from ((id_, told[id_]) for id_ in page if id_ in told)

    @override
    def count(self, where: PointFilter) -> int:
        return self._ask(partial(counted, where=where))

    @override
    def size_bytes(self) -> int:
        """Bytes of these files, and of the writer's, on disk."""
        return held_below(self._folder / FOLDER) + held_below(self._folder / "vectors")

    @override
    def close(self) -> None:
        """Let go of the files; who reads in them at this moment keeps them."""
        self._database = None
        with self._lock:
            self._files, self._library, self._search = {}, None, None
            self._passing = Passing()

    # refusing

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._refuse(points)

    @override
    def set_semantics(self, ids: Sequence[UUID], semantics: FloatArray) -> None:
        self._refuse(ids, semantics)

    @override
    def complete_directions(self) -> int:
        self._refuse()

    @override
    def delete(self, ids: Sequence[UUID]) -> None:
        self._refuse(ids)

    @override
    def set_payload(self, ids: Sequence[UUID], payload: Payload) -> None:
        self._refuse(ids, payload)

    @override
    def optimize(self) -> None:
        """Nothing: files of revisions never change."""

    @override
    def flush(self) -> None:
        """Nothing: nothing was written."""

    def _refuse(self, *_: object) -> NoReturn:
        raise ReadOnlyBankError(f"the bank in {self._folder} was opened for reading.")

    # inside

    def _ask(self, question: Callable[[Connection], T]) -> T:
        if self._database is None:
            raise StorageError(f"the bank in {self._folder} is closed; open it again.")
        with self._database.transaction() as connection:
            return question(connection)

    def _that_pass(self, where: PointFilter) -> tuple[Library, Places]:
        """The places of the prototypes that pass, rising; SQL is asked once while it stays as it is."""
        state = self._ask(state_of)
        library = self._refreshed()
        places = self._passing.get(where, state, library)
        if places is None:
            library, places = self._among(partial(chosen, where=where))
            places = np.sort(places)
            self._passing.put(where, state, library, places)
        return library, places

    def _among(self, question: Callable[[Connection], NDArray[np.bytes_]]) -> tuple[Library, Places]:
        """The places of the prototypes that a question finds, in files that have all of them.

        A repair may put other files in the place of these, and SQL may be seen before them.
        """
        for attempt in range(_TRIES):
            ids = self._ask(question)
            library = self._refreshed()
            places = library.find(ids)
            if len(places) == 0 or places.min() >= 0:
                return library, places
            logger.info("files of revisions in %s lack prototypes that SQL lists", self._folder)
            time.sleep(_PAUSE_SECONDS * (attempt > 0))
        first = UUID(bytes=ids[int(places.argmin())].ljust(16, b"\0"))
        raise BankDamagedError(
            f"the files in {self._folder / FOLDER} lack the vectors of {int((places < 0).sum()):,} "
            f"prototypes that the database lists (first {first}); {_ADVICE}"
        )

    def _refreshed(self) -> Library:
        """The files as they are now, of all revisions that are committed; the table is made once for them.

        Raises:
            BankDamagedError, StorageError: those of :meth:`_refresh_files`.
        """
        with self._lock:
            self._refresh_files()
            if self._library is None:
                self._library = Library.of([file for _, file in self._files.values()], self._sizes)
            return self._library

    def _refresh_files(self) -> None:
        """Map the files as they are now; the lock is held.

        Raises:
            BankDamagedError: one is damaged, or has become shorter.
            StorageError: the system refuses.
        """
        committed = self._ask(committed_ids)
        try:
            there = parts_in(self._folder / FOLDER)
        except OSError as error:
            raise system_error(error, self._folder / FOLDER) from error
        wanted = {part: stamp for part, stamp in there.items() if part.revision in committed}
        if wanted != {part: stamp for part, (stamp, _) in self._files.items()}:
            opened = ((part, self._mapped(part, stamp)) for part, stamp in sorted(wanted.items()))
            self._files, self._library = {part: file for part, file in opened if file is not None}, None

    def _mapped(self, part: Part, stamp: Stamp) -> tuple[Stamp, VectorFile] | None:
        """A file, mapped anew only if it is another; None where it went away meanwhile."""
        known = self._files.get(part)
        if known is not None and known[0] == stamp:
            return known
        try:
            return stamp, open_file(self._folder / FOLDER / part.name, self._sizes)
        except FileNotFoundError:
            return None

    def _finite(self, similarities: FloatArray) -> FloatArray:
        if not np.isfinite(similarities).all():
            raise BankDamagedError(
                f"text keys in {self._folder / FOLDER} hold values that are no numbers; {_ADVICE}"
            )
        return similarities


def _first(similarities: FloatArray, k: int) -> tuple[Places, FloatArray]:
    """The k highest of float32 (N,), and where they are; equals in the order of their places."""
    here = np.arange(len(similarities))
    if len(similarities) > k:
        least = np.partition(similarities, len(similarities) - k)[len(similarities) - k]
        here = np.flatnonzero(similarities >= least)
    here = here[np.argsort(-similarities[here], kind="stable")][:k]
    return here, similarities[here]


def _hits(library: Library, places: Places, best: Sequence[tuple[Places, FloatArray]]) -> list[Hits]:
    """Answers with ids in place of rows; every id is made once."""
    if not best:
        return []
    rows = np.concatenate([found for found, _ in best])
    used, back = np.unique(rows, return_inverse=True)
    ids = library.uuids(places[used])
    named = [ids[row] for row in back]
    starts = np.cumsum([0, *(len(found) for found, _ in best)])
    return [
        Hits(tuple(named[start : start + len(found)]), similarities)
        for start, (found, similarities) in zip(starts, best, strict=False)
    ]
