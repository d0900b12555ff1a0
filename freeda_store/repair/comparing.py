"""Walks all rows and all points together, and judges every pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from freeda_store.digests import Checksums, record_digest, vectors_digest
from freeda_store.errors import BankDamagedError, EngineRefusedError
from freeda_store.history import History
from freeda_store.payload import make_payload
from freeda_store.records import FloatArray
from freeda_store.repair.answers import Stored, revisions_of
from freeda_store.repair.evidence import Contradiction, Judgement, Side, judge, own_id
from freeda_store.sql.proofs import ListedPrototype, add_checksums, listed_prototypes
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Payload, VectorStore, rows_or_none, texts_fit

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

_AT_ONCE = 512
Pair = tuple[ListedPrototype, Payload]


@dataclass
class Findings:
    """Points and rows compared.

    Attributes:
        rows: how many there are.
        orphans: points without a row: the revision that they say added them.
        own_ids: of orphans, the id that their content has.
        lost: rows without a point.
        own_row_ids: of those, the id that their content has, where it is another.
        wrong_points: points that are proved to say the wrong thing; what their rows say.
        wrong_rows: rows that are proved wrong; what their points say.
        contradictions: what nothing proves.
        wrong_vectors: prototypes whose vectors are gone or not those that were written.
        wrong_checksums: checksums that are proved wrong, as they should be.
        uncompared: how many prototypes have no checksum.
    """

    rows: int = 0
    orphans: dict[UUID, int] = field(default_factory=dict)
    own_ids: dict[UUID, UUID] = field(default_factory=dict)
    lost: list[UUID] = field(default_factory=list)
    own_row_ids: dict[UUID, UUID] = field(default_factory=dict)
    wrong_points: dict[UUID, Payload] = field(default_factory=dict)
    wrong_rows: dict[UUID, Payload] = field(default_factory=dict)
    contradictions: list[Contradiction] = field(default_factory=list)
    wrong_vectors: list[UUID] = field(default_factory=list)
    wrong_checksums: dict[UUID, Checksums] = field(default_factory=dict)
    uncompared: int = 0


def compare(
    stores: Stores, history: History, stored: Stored | None = None, *, fill: bool = False
) -> Findings:
    """Compare every row with its point, in the order of their ids, in memory that does not grow with a bank.

    Args:
        stores: of the bank.
        history: of the bank.
        stored: takes in all points, when given.
        fill: give checksums to prototypes that have none.
    """
    walk = _Walk(stores, history, stored, fill)
    batch: list[Pair] = []
    for pair in walk.pairs():
        batch.append(pair)
        if len(batch) == _AT_ONCE:
            walk.judge(batch)
            batch = []
    walk.judge(batch)
    walk.settle_retirements()
    walk.found.contradictions.sort(key=lambda told: (told.id, told.field))
    return walk.found


class _Walk:
    def __init__(self, stores: Stores, history: History, stored: Stored | None, fill: bool) -> None:
        self.found = Findings()
        self._stores = stores
        self._history = history
        self._stored = stored
        self._fill = fill
        self._retired = stores.catalog.retirements()
        self._claims: Counter[int] = Counter()
        self._doubts: list[tuple[ListedPrototype, Payload, int, bool]] = []

    def pairs(self) -> Iterator[Pair]:
        """Rows with the payloads of their points; what has no other half is noted."""
        points = self._points()
        point = next(points, None)
        for row in listed_prototypes(self._stores.catalog):
            self.found.rows += 1
            while point is not None and point[0] < row.prototype.id:
                self._orphan(*point)
                point = next(points, None)
            if point is not None and point[0] == row.prototype.id:
                yield row, point[1]
                point = next(points, None)
            else:
                self._lost(row)
        while point is not None:
            self._orphan(*point)
            point = next(points, None)

    def _points(self) -> Iterator[tuple[UUID, Payload]]:
        for id_, payload in self._stores.vectors.scroll(PointFilter()):
            if self._stored is not None:
                self._stored.add(id_, payload)
            yield id_, payload

    def _orphan(self, id_: UUID, payload: Payload) -> None:
        self.found.orphans[id_] = revisions_of(payload)[0] or 0
        if (own := own_id(payload)) is not None:
            self.found.own_ids[id_] = own

    def _lost(self, row: ListedPrototype) -> None:
        id_ = row.prototype.id
        self.found.lost.append(id_)
        if (own := own_id(make_payload(row.prototype))) not in (None, id_) and own is not None:
            self.found.own_row_ids[id_] = own

    def judge(self, batch: Sequence[Pair]) -> None:
        """Judge some pairs, after fetching their vectors."""
        vectors = fetch_whole(self._stores.vectors, [row.prototype.id for row, _ in batch])
        new: dict[UUID, Checksums] = {}
        for row, payload in batch:
            pair = vectors.get(row.prototype.id)
            digest = None if pair is None else vectors_digest(*pair)
            verdict = judge(row, payload, digest)
            self._note(row, payload, verdict)
            if verdict.unproved and digest is not None and verdict.wrong is not Side.ROW:
                record = record_digest(make_payload(row.prototype), digest)
                new[row.prototype.id] = Checksums(digest, None if verdict.contradictions else record)
        if self._fill and new:
            add_checksums(self._stores.catalog, new)
        if self._stored is not None:
            known = ((vectors.get(row.prototype.id, (None,))[0], told) for row, told in batch)
            if here := [(text, told) for text, told in known if text is not None]:
                self._stored.add_keys(np.stack([text for text, _ in here]), [told for _, told in here])

    def _note(self, row: ListedPrototype, payload: Payload, verdict: Judgement) -> None:
        id_, found = row.prototype.id, self.found
        found.uncompared += verdict.unproved
        found.contradictions.extend(verdict.contradictions)
        if verdict.vectors_wrong:
            found.wrong_vectors.append(id_)
        if verdict.checksums is not None:
            found.wrong_checksums[id_] = verdict.checksums
        if verdict.wrong is Side.POINT:
            found.wrong_points[id_] = make_payload(row.prototype, self._retired.get(id_, ()))
        elif verdict.wrong is Side.ROW:
            found.wrong_rows[id_] = payload
        self._compare_later(row, payload, verdict)

    def _compare_later(self, row: ListedPrototype, payload: Payload, verdict: Judgement) -> None:
        """What later revisions and the commit of its own wrote, of committed revisions alone."""
        number_of, id_ = self._history.number_of, row.prototype.id
        told = {r for r in revisions_of(payload)[1] if number_of(r)}
        listed = {r for r in self._retired.get(id_, ()) if number_of(r)}
        self._claims.update(told)
        if verdict.wrong is not None:
            return
        for revision in told ^ listed:
            self._doubts.append((row, payload, revision, revision in listed))
        if not isinstance(payload.get("retired_in"), list):
            self.found.wrong_points[id_] = make_payload(row.prototype, self._retired.get(id_, ()))
            return
        distance, other = row.prototype.scores.outlier_distance, payload.get("outlier_distance")
        if number_of(row.prototype.added_in) and distance != other:
            if isinstance(other, (int, float)) and 0 <= other <= 2:
                self.found.contradictions.append(Contradiction(id_, "outlier_distance", distance, other))
            else:
                self.found.wrong_points[id_] = make_payload(row.prototype, self._retired.get(id_, ()))

    def settle_retirements(self) -> None:
        """Decide about differing retirements by how many each revision made, which its own row records."""
        listed = Counter(r for revisions in self._retired.values() for r in revisions)
        for row, payload, revision, in_sql in self._doubts:
            made = self._history.by_id(revision).prototypes_retired
            id_ = row.prototype.id
            rows_right = listed[revision] == made or (in_sql and listed[revision] < made)
            points_right = self._claims[revision] == made
            if rows_right:
                self.found.wrong_points[id_] = make_payload(row.prototype, self._retired.get(id_, ()))
            elif points_right:
                self.found.wrong_rows[id_] = payload
            else:
                told = [*revisions_of(payload)[1]]
                here = [*self._retired.get(id_, ())]
                self.found.contradictions.append(Contradiction(id_, "retired_in", [*here], [*told]))


def fetch_whole(
    vectors: VectorStore, ids: Sequence[UUID]
) -> dict[UUID, tuple[FloatArray | None, FloatArray]]:
    """Text and visual vectors of points, without those whose vectors are gone or no directions.

    None for the text vector of a point whose payload has no noun.
    """
    if not ids:
        return {}
    try:
        fetched = vectors.fetch(ids, texts=True, visuals=True)
    except (BankDamagedError, EngineRefusedError):
        if len(ids) == 1:
            return {}
        middle = len(ids) // 2
        return fetch_whole(vectors, ids[:middle]) | fetch_whole(vectors, ids[middle:])
    whole = np.isfinite(fetched.visuals).all(axis=1) & texts_fit(fetched.texts, fetched.payloads)
    rows = zip(fetched.ids, rows_or_none(fetched.texts), fetched.visuals, whole, strict=True)
    return {id_: (text, visual) for id_, text, visual, sound in rows if sound}
