"""Whether the embedded engine answers what it stores: through its indexes, and by nearness.

The engine answers filters from indexes beside the payloads. A flipped bit there, or an index that was
never finished, hides a prototype or shows one that was retired, and no payload shows it. So what the
payloads say is added up while they are read one by one, and the engine is then asked for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast
from uuid import UUID

import numpy as np

from freeda_store.errors import BankDamagedError
from freeda_store.history import History
from freeda_store.records import FloatArray
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import Condition, Filter, Operator, PointFilter, Revisions, View
from freeda_store.vectors.protocol import Payload

if TYPE_CHECKING:
    from freeda_store.writing.stores import Stores

_TEXTS = ("noun", "source", "license")
_VIEWS = 8
"""Revisions whose whole view is compared; of all others the parts that views are made of are."""
_QUERIES = 64
_NEAREST = 20
_TOLERANCE = 1e-4
"""Cosines of float32 vectors, computed by different code."""
_RECALL = 0.5
"""Of a graph's approximate answers; far less means that it is broken."""
_LAST_ID = 2**53


@dataclass
class Tally:
    """How many points, and the sum of their ids: it is another when a point is another."""

    count: int = 0
    total: int = 0

    def add(self, id_: UUID) -> None:
        """Count a point."""
        self.count += 1
        self.total += id_.int

    @classmethod
    def of(cls, ids: Iterable[UUID]) -> Tally:
        """Of all these points."""
        made = cls()
        for id_ in ids:
            made.add(id_)
        return made


@dataclass(eq=False)
class Stored:
    """What payloads and vectors say, point by point; memory is one tally per value.

    Attributes:
        views: what is compared whole, by name.
        queries: float32 (Q, D_text), to be looked up.
        shown: the view in which they are.
    """

    views: dict[str, View]
    queries: FloatArray
    shown: View | None
    _points: Tally = field(default_factory=Tally)
    _values: dict[tuple[str, str | int], Tally] = field(default_factory=dict)
    _views: dict[str, Tally] = field(default_factory=dict)
    _best: FloatArray | None = None

    @classmethod
    def of(cls, history: History, width: int) -> Stored:
        """Nothing yet; the newest revision, tagged ones and a few more are to be compared whole.

        Args:
            history: of the bank.
            width: length of its text vectors.
        """
        records = history.committed_records()
        tagged = [record for record in records if record.id in set(history.tags.values())]
        spread = records[:: max(1, len(records) // _VIEWS)]
        chosen = {record.number: record for record in [*records[-1:], *tagged[-_VIEWS:], *spread]}
        views = {f"revision {number}": history.view(record.id) for number, record in chosen.items()}
        head = history.view(history.head.id) if history.head else None
        rng = np.random.default_rng(0)
        return cls(views, rng.standard_normal((_QUERIES, width)).astype(np.float32), head)

    def add(self, id_: UUID, payload: Payload) -> None:
        """Take in one point."""
        self._points.add(id_)
        for name in _TEXTS:
            value = payload.get(name)
            if isinstance(value, str):
                self._count(name, value, id_)
        added, retired = revisions_of(payload)
        if added is not None:
            self._count("added_in", added, id_)
        for revision in set(retired):
            self._count("retired_in", revision, id_)
        for name, view in self.views.items():
            if shows(view, added, retired):
                self._views.setdefault(name, Tally()).add(id_)

    def add_keys(self, texts: FloatArray, payloads: Iterable[Payload]) -> None:
        """Take in text keys of points, float32 (N, D_text), for the nearest ones. The first are asked for."""
        if self.shown is None or not len(texts):
            return
        if self._best is None:
            queries = np.concatenate([self.queries, texts[:_QUERIES]])
            self.queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
            self._best = np.zeros((len(queries), 0), dtype=np.float32)
        inside = [shows(self.shown, *revisions_of(payload)) for payload in payloads]
        found = np.nan_to_num(self.queries @ texts[np.array(inside, dtype=bool)].T, nan=-1.0)
        best = np.concatenate([self._best, found], axis=1)
        self._best = -np.sort(-best, axis=1)[:, :_NEAREST]

    def _count(self, name: str, value: str | int, id_: UUID) -> None:
        self._values.setdefault((name, value), Tally()).add(id_)

    def differences(self, vectors: EdgeVectors, history: History) -> Iterator[str]:
        """Ask the engine for everything that was taken in; yields what it answers otherwise."""
        if (counted := vectors.count(PointFilter())) != self._points.count:
            yield f"all points: {counted:,} are counted and {self._points.count:,} are stored"
        for asked, name, expected in self._questions(history):
            answered = Tally.of(id_ for id_, _ in vectors.scroll(asked, payloads=False))
            if answered != expected or vectors.count(asked) != expected.count:
                yield f"{name}: {answered.count:,} are found and {expected.count:,} are stored"
        yield from self._nearest(vectors)

    def _questions(self, history: History) -> Iterator[tuple[PointFilter, str, Tally]]:
        for (name, value), expected in sorted(self._values.items(), key=str):
            if isinstance(value, str):
                where = Filter((Condition(name, Operator.EQ, (value,)),))
                yield PointFilter(where), f"{name}={value}", expected
        for name in ("added_in", "retired_in"):
            numbers = {v: t for (n, v), t in self._values.items() if n == name and isinstance(v, int)}
            known = sorted({*numbers, *(record.id for record in history.committed_records())})
            for number in known:
                expected = numbers.get(number, Tally())
                equal = PointFilter(added_in=number)
                if name == "retired_in":
                    equal = PointFilter(retired_in=number)
                yield equal, f"{name}={number}", expected
                yield _between(name, number, number), f"{name} from {number} to {number}", expected
            for before, after in pairwise([-_LAST_ID, *known, _LAST_ID]):
                if after - before > 1:
                    first, last = before + 1, after - 1
                    yield _between(name, first, last), f"{name} from {first} to {last}", Tally()
        for name, view in self.views.items():
            if view.ranges:
                yield PointFilter(view=view), name, self._views.get(name, Tally())

    def _nearest(self, vectors: EdgeVectors) -> Iterator[str]:
        if self._best is None or self.shown is None:
            return
        answers = vectors.nearest(self.queries, _NEAREST, PointFilter(view=self.shown))
        wrong = 0
        for hits, best in zip(answers, self._best, strict=True):
            found = hits.similarities
            agree = np.abs(found - best) <= _TOLERANCE if len(found) == len(best) else np.zeros(1, dtype=bool)
            wrong += not (agree.all() if vectors.exact else agree.mean() >= _RECALL)
        if wrong:
            yield f"nearest prototypes: for {wrong} of {len(answers)} texts nearer ones exist"


def _between(name: str, first: int, last: int) -> PointFilter:
    return PointFilter(within=Revisions(name, first, last))


def require_right_view(stores: Stores) -> None:
    """Refuse a folder whose newest revision shows another number of prototypes than the database lists.

    An index of the engine that was cut short shows what was retired, or hides what was not.

    Raises:
        BankDamagedError: names both numbers.
    """
    if not isinstance(stores.vectors, EdgeVectors):
        return
    history = stores.catalog.history()
    if history.head is None:
        return
    view = history.view(history.head.id)
    listed, shown = stores.catalog.count_shown(view), stores.vectors.count(PointFilter(view=view))
    if listed != shown:
        raise BankDamagedError(
            f"the vectors in {stores.folder / 'vectors'} show {shown:,} prototypes at revision "
            f"{history.head.number}, and the database lists {listed:,}, so files are damaged; restore the "
            "bank from a copy, or run `freeda bank verify --repair` to keep what is whole."
        )


def revisions_of(payload: Payload) -> tuple[int | None, tuple[int, ...]]:
    """The revisions that added and that retired a point, as far as its payload says."""
    added, retired = payload.get("added_in"), payload.get("retired_in")
    kept = retired if isinstance(retired, list) else []
    return (cast("int", added) if _is_id(added) else None), tuple(cast("int", r) for r in kept if _is_id(r))


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def shows(view: View, added: int | None, retired: Iterable[int]) -> bool:
    """Whether a view shows a point."""

    def inside(id_: int) -> bool:
        return any(first <= id_ <= last for first, last in view.ranges)

    return added is not None and inside(added) and not any(map(inside, retired))
