"""Proves that SQL, vectors and thumbnails agree, and repairs what can be repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from freeda_store.errors import BankInUseError, ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.payload import make_payload
from freeda_store.records import JsonValue
from freeda_store.revisions import History
from freeda_store.stores import Stores
from freeda_store.thumbnails import FolderThumbnails
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Payload

T = TypeVar("T")


@dataclass(frozen=True)
class VerifyReport:
    """What a check found. Lists are in rising order.

    Attributes:
        prototypes: rows that were checked.
        points_without_row: points that SQL does not know. Repair deletes them.
        rows_without_point: prototypes whose vectors are gone. Repair forgets them and marks their
            generations as not done, so that ingesting the same captions makes them anew.
        wrong_payloads: points that say something else than SQL. Repair rewrites them.
        missing_thumbnails, damaged_thumbnails: keys. They can only be restored from a copy.
        stray_thumbnails: files that nothing refers to. Repair deletes them.
        leftovers: points and thumbnails of runs that ended early; not a fault, for the same command
            uses or removes them.
        repaired: whether repairs were made.
    """

    prototypes: int
    points_without_row: tuple[UUID, ...]
    rows_without_point: tuple[UUID, ...]
    wrong_payloads: tuple[UUID, ...]
    missing_thumbnails: tuple[str, ...]
    damaged_thumbnails: tuple[str, ...]
    stray_thumbnails: tuple[str, ...]
    leftovers: int
    repaired: bool

    @property
    def ok(self) -> bool:
        """Whether the three stores agree (before any repair)."""
        return not (
            self.points_without_row
            or self.rows_without_point
            or self.wrong_payloads
            or self.missing_thumbnails
            or self.damaged_thumbnails
            or self.stray_thumbnails
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for ``json.dumps``."""
        return {
            "ok": self.ok,
            "prototypes": self.prototypes,
            "points_without_row": [str(id_) for id_ in self.points_without_row],
            "rows_without_point": [str(id_) for id_ in self.rows_without_point],
            "wrong_payloads": [str(id_) for id_ in self.wrong_payloads],
            "missing_thumbnails": list(self.missing_thumbnails),
            "damaged_thumbnails": list(self.damaged_thumbnails),
            "stray_thumbnails": list(self.stray_thumbnails),
            "leftovers": self.leftovers,
            "repaired": self.repaired,
        }


@dataclass
class _Findings:
    """Points and rows compared."""

    rows: int
    orphans: dict[UUID, int]
    lost: list[UUID]
    wrong: dict[UUID, Payload]


def verify_bank(stores: Stores, *, repair: bool = False) -> VerifyReport:
    """Compare every row with its point and every thumbnail with its key; read every embedded vector.

    Raises:
        BankInUseError: repairs were asked for while a writer is at work.
        BankDamagedError: vectors cannot be read; see :func:`freeda_store.salvage.salvage`.
    """
    with stores.commit_lock if repair else nullcontext():
        if repair and stores.writing:
            raise BankInUseError("a writer is at work in this bank; commit or leave it before repairing.")
        if repair:
            stores.before_writing()
        if isinstance(stores.vectors, EdgeVectors):
            stores.vectors.check_readable()
        history = stores.catalog.history()
        found = _compare(stores, history)
        open_orphans = {id_ for id_, revision in found.orphans.items() if _is_open(history, revision)}
        missing, damaged, stray = _check_thumbnails(stores)
        excused = set(stray) if history.unfinished else set()
        if repair:
            _repair(stores, found)
    return VerifyReport(
        prototypes=found.rows,
        points_without_row=tuple(sorted(found.orphans.keys() - open_orphans)),
        rows_without_point=tuple(found.lost),
        wrong_payloads=tuple(found.wrong),
        missing_thumbnails=tuple(missing),
        damaged_thumbnails=tuple(damaged),
        stray_thumbnails=tuple(key for key in stray if key not in excused),
        leftovers=len(open_orphans) + len(excused),
        repaired=repair,
    )


def _compare(stores: Stores, history: History) -> _Findings:
    """Walk rows and points together, both in the order of their ids, in constant memory."""
    found = _Findings(rows=0, orphans={}, lost=[], wrong={})
    retired = stores.catalog.retirements()
    points = stores.vectors.scroll(PointFilter())
    point = next(points, None)
    for row in stores.catalog.prototypes():
        found.rows += 1
        while point is not None and point[0] < row.id:
            found.orphans[point[0]] = _added_in(point[1])
            point = next(points, None)
        if point is None or point[0] != row.id:
            found.lost.append(row.id)
            continue
        expected = make_payload(row, retired.get(row.id, ()))
        if not _agree(point[1], expected, history):
            found.wrong[row.id] = expected
        point = next(points, None)
    for id_, payload in _rest(point, points):
        found.orphans[id_] = _added_in(payload)
    return found


def _rest(first: T | None, others: Iterator[T]) -> Iterator[T]:
    if first is not None:
        yield first
        yield from others


def _agree(payload: Payload, expected: Payload, history: History) -> bool:
    """Whether two payloads say the same of every committed revision."""
    return _settled(payload, history) == _settled(expected, history)


def _settled(payload: Payload, history: History) -> dict[str, JsonValue]:
    retired = payload.get("retired_in")
    if not isinstance(retired, list):
        return dict(payload)
    settled: list[JsonValue] = [
        revision for revision in retired if isinstance(revision, int) and history.number_of(revision)
    ]
    told = dict(payload) | {"retired_in": settled}
    if not history.number_of(_added_in(payload)):
        told.pop("outlier_distance", None)  # filled in at commit; a kill may have come between
    return told


def _added_in(payload: Payload) -> int:
    value = payload.get("added_in")
    return value if isinstance(value, int) else 0


def _is_open(history: History, revision: int) -> bool:
    return history.has(revision) and history.number_of(revision) == 0


def _check_thumbnails(stores: Stores) -> tuple[list[str], list[str], list[str]]:
    """Keys that are missing, damaged, and unknown to SQL."""
    wanted = stores.catalog.thumbnail_keys()
    missing, damaged = [], []
    for key in sorted(wanted):
        try:
            stores.thumbnails.get(key)
        except ThumbnailMissingError:
            missing.append(key)
        except ThumbnailDamagedError:
            damaged.append(key)
    stray = [key for key in stores.thumbnails.keys() if key not in wanted]  # noqa: SIM118 - not a dict
    return missing, damaged, stray


def _repair(stores: Stores, found: _Findings) -> None:
    stores.vectors.delete(sorted(found.orphans))
    for id_, payload in found.wrong.items():
        stores.vectors.set_payload([id_], payload)
    stores.catalog.forget_prototypes(found.lost)
    wanted = stores.catalog.thumbnail_keys()
    for key in [key for key in stores.thumbnails.keys() if key not in wanted]:  # noqa: SIM118 - not a dict
        stores.thumbnails.delete(key)
    if isinstance(stores.thumbnails, FolderThumbnails):
        stores.thumbnails.sweep()
    stores.vectors.flush()
    stores.publish(recount=True)
