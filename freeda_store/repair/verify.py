"""Proves that SQL, vectors and thumbnails agree, and repairs what can be repaired."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from freeda_store.errors import (
    BankDamagedError,
    BankInUseError,
    ThumbnailDamagedError,
    ThumbnailKeyError,
    ThumbnailMissingError,
)
from freeda_store.records import JsonValue
from freeda_store.repair.answers import Stored
from freeda_store.repair.comparing import compare
from freeda_store.repair.evidence import Contradiction
from freeda_store.repair.repair import (
    Repaired,
    mislabelled_rows,
    open_orphans,
    relabelled,
    repair,
    repair_semantics,
    rows_gone,
    write_again,
)
from freeda_store.repair.semantics import wrong_semantics
from freeda_store.revisions.copies import RevisionFiles
from freeda_store.sql.integrity import database_faults
from freeda_store.thumbnails.folder import KEY_PATTERN
from freeda_store.vectors.edge import EdgeVectors

if TYPE_CHECKING:
    from freeda_store.history import History
    from freeda_store.writing.stores import Stores


@dataclass(frozen=True)
class VerifyReport:
    """What a check found. Lists are in rising order.

    Attributes:
        prototypes: rows that were checked.
        points_without_row: points that SQL does not know. Repair removes them.
        rows_without_point: prototypes whose vectors are gone. Repair forgets them and marks their
            generations as not done, so that ingesting the same captions makes them anew.
        wrong_payloads: points that are proved to say something wrong. Repair rewrites them from SQL.
        wrong_rows: rows that are proved wrong, or gone. Repair restores them from the vectors' payloads.
        contradictions: where SQL and payload differ and nothing proves who is right. Left as they are.
        wrong_vectors: prototypes whose vectors cannot be read or are not those that were written.
            Repair forgets them as those without a point; in a hosted bank they stay.
        wrong_checksums: prototypes whose checksum is proved wrong. Repair corrects it.
        wrong_semantics: prototypes whose semantic vectors are gone or not those that were written. Repair
            takes them from the files of revisions, or leaves them for ``bank complete`` to make again.
        uncompared: prototypes without a checksum, written by an earlier version. Repair gives them one.
        wrong_answers: what the engine answers otherwise than it stores. Repair builds it anew.
        wrong_files: what is wrong with the files of committed revisions, one line a revision, and with the
            index of their visual vectors. Repair writes them anew; where the vectors themselves are gone, it
            takes them from files that are right.
        wrong_settings: what a server's collection is set up otherwise: indexes, strict mode, vectors. Repair
            sets it again; settings_left names what cannot be changed in a collection that exists.
        database_faults: what the database says of its own file and links. With one, nothing is repaired.
        missing_thumbnails, damaged_thumbnails: keys. They can only be restored from a copy.
        stray_thumbnails: files that nothing refers to. Repair deletes them.
        leftovers: points and thumbnails of runs that ended early; not a fault, for the same command
            uses or removes them.
        repaired: whether repairs were made.
        lost: prototypes of committed revisions that the repair could not keep.
        files_left: what of wrong_files the repair could not write anew.
        regained: prototypes whose vectors the repair took from the files of revisions.
        kept_in: folder with everything that the repair replaced; empty when it replaced nothing.
    """

    prototypes: int
    points_without_row: tuple[UUID, ...] = ()
    rows_without_point: tuple[UUID, ...] = ()
    wrong_payloads: tuple[UUID, ...] = ()
    wrong_rows: tuple[UUID, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    wrong_vectors: tuple[UUID, ...] = ()
    wrong_checksums: tuple[UUID, ...] = ()
    wrong_semantics: tuple[UUID, ...] = ()
    uncompared: int = 0
    wrong_answers: tuple[str, ...] = ()
    wrong_files: tuple[str, ...] = ()
    wrong_settings: tuple[str, ...] = ()
    settings_left: tuple[str, ...] = ()
    database_faults: tuple[str, ...] = ()
    missing_thumbnails: tuple[str, ...] = ()
    damaged_thumbnails: tuple[str, ...] = ()
    stray_thumbnails: tuple[str, ...] = ()
    leftovers: int = 0
    repaired: bool = False
    files_left: tuple[str, ...] = ()
    lost: tuple[UUID, ...] = ()
    regained: tuple[UUID, ...] = ()
    kept_in: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything agrees (before any repair)."""
        return not (
            self.points_without_row
            or self.rows_without_point
            or self.wrong_payloads
            or self.wrong_rows
            or self.wrong_vectors
            or self.wrong_checksums
            or self.wrong_semantics
            or self.wrong_answers
            or self.wrong_files
            or self.wrong_settings
            or self.stray_thumbnails
            or self._beyond_repair
        )

    @property
    def mended(self) -> bool:
        """Whether the bank is sound now, with all that its committed revisions had."""
        in_place = self.wrong_vectors and not self.kept_in  # a server's
        return self.ok or (self.repaired and not (self._beyond_repair or self.lost or in_place))

    @property
    def _beyond_repair(self) -> bool:
        return bool(
            self.contradictions
            or self.files_left
            or self.settings_left
            or self.database_faults
            or self.missing_thumbnails
            or self.damaged_thumbnails
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for ``json.dumps``."""
        ids = ("points_without_row", "rows_without_point", "wrong_payloads", "wrong_rows", "lost", "regained")
        more = ("wrong_vectors", "wrong_checksums", "wrong_semantics")
        texts = (
            "wrong_answers",
            "wrong_files",
            "files_left",
            "wrong_settings",
            "settings_left",
            "database_faults",
            "missing_thumbnails",
            "damaged_thumbnails",
        )
        told: dict[str, JsonValue] = {"ok": self.ok, "mended": self.mended, "prototypes": self.prototypes}
        told |= {name: [str(id_) for id_ in getattr(self, name)] for name in (*ids, *more)}
        told |= {name: list(getattr(self, name)) for name in (*texts, "stray_thumbnails")}
        return told | {
            "contradictions": [each.to_json() for each in self.contradictions],
            "uncompared": self.uncompared,
            "leftovers": self.leftovers,
            "repaired": self.repaired,
            "kept_in": self.kept_in,
        }


def verify_bank(stores: Stores, *, repair: bool = False) -> VerifyReport:
    """Compare every row with its point, and every thumbnail with its key; read every vector.

    Of a folder, the engine is asked for everything that its indexes answer, too.

    Raises:
        BankInUseError: repairs were asked for while a writer is at work.
        BankDamagedError: vectors cannot be read at all (see :func:`freeda_store.salvage.salvage`), or
            the database or the history cannot.
        StorageError: the system refused something; nothing is known of the files then.
    """
    with stores.commit_lock if repair else nullcontext():
        if repair and stores.writing:
            raise BankInUseError("a writer is at work in this bank; commit or leave it before repairing.")
        if repair:
            stores.before_writing()
        return _verify(stores, repair)


def _verify(stores: Stores, wants_repair: bool) -> VerifyReport:
    faults = database_faults(stores.catalog)
    history = stores.catalog.history()
    mends = wants_repair and not faults
    settings = stores.upkeep.faults()  # first: without an index a server refuses to compare
    settings_left = stores.upkeep.mend() if mends and settings else ()
    edge = stores.vectors if isinstance(stores.vectors, EdgeVectors) else None
    stored = Stored.of(history, edge.sizes.text) if edge else None
    found = compare(stores, history, stored, fill=mends)
    answers = _ask(stored, edge, history) if stored and edge else ()
    wrong = wrong_semantics(stores)
    files = stores.copies if isinstance(stores.copies, RevisionFiles) else None
    wrong_files = _wrong_files(stores, files) if files and not faults else ()
    done = repair(stores, history, found, answers_wrong=bool(answers)) if mends else Repaired()
    kept_in = repair_semantics(stores, history, done.kept_in) if mends else None
    files_left: tuple[str, ...] = ()
    if mends and files:
        kept_in = write_again(stores, files, kept_in)
        files_left = _wrong_files(stores, files)
    missing, damaged, stray = _check_thumbnails(stores)  # after: restored rows may name others
    if mends:
        _tidy(stores, keep_strays=bool(done.unresolved))
    left = open_orphans(history, found)
    names, renamed, gone = relabelled(found), mislabelled_rows(found), rows_gone(history, found)
    accounted = left | names.keys() | set(renamed.values()) | set(gone)
    excused = set(stray) if history.unfinished else set()
    return VerifyReport(
        prototypes=found.rows,
        points_without_row=tuple(sorted(found.orphans.keys() - accounted)),
        rows_without_point=tuple(sorted(set(found.lost) - set(names.values()) - renamed.keys())),
        wrong_payloads=tuple(sorted({*found.wrong_points, *names.values()})),
        wrong_rows=tuple(sorted({*found.wrong_rows, *renamed, *gone})),
        contradictions=done.unresolved if mends else tuple(found.contradictions),
        wrong_vectors=tuple(sorted(found.wrong_vectors)),
        wrong_checksums=tuple(sorted(found.wrong_checksums)),
        wrong_semantics=tuple(wrong),
        uncompared=found.uncompared,
        wrong_answers=answers,
        wrong_files=wrong_files,
        wrong_settings=settings,
        settings_left=settings_left,
        database_faults=faults,
        missing_thumbnails=tuple(missing),
        damaged_thumbnails=tuple(damaged),
        stray_thumbnails=tuple(key for key in stray if key not in excused),
        leftovers=len(left) + len(excused),
        repaired=mends,
        files_left=files_left,
        lost=done.lost,
        regained=done.regained,
        kept_in=str(kept_in or ""),
    )


def _wrong_files(stores: Stores, files: RevisionFiles) -> tuple[str, ...]:
    """What is wrong with the files of committed revisions and with their index."""
    found = [*files.faults(stores.catalog, stores.vectors.sizes).values()]
    index = files.index_fault(stores.vectors.sizes)
    return tuple(found if index is None else [*found, index])


def _ask(stored: Stored, vectors: EdgeVectors, history: History) -> tuple[str, ...]:
    told: list[str] = []
    try:
        told.extend(stored.differences(vectors, history))
    except BankDamagedError as error:
        told.append(str(error))
    return tuple(told)


def _check_thumbnails(stores: Stores) -> tuple[list[str], list[str], list[str]]:
    """Keys that are missing, damaged, and unknown to SQL."""
    wanted = stores.catalog.checked_thumbnail_keys()
    missing, damaged = [], []
    for key in sorted(wanted):
        try:
            stores.thumbnails.get(key)
        except (ThumbnailMissingError, ThumbnailKeyError):
            missing.append(key)
        except ThumbnailDamagedError:
            damaged.append(key)
    stray = [key for key in stores.thumbnails.keys() if key not in wanted]  # noqa: SIM118 - not a dict
    return missing, damaged, stray


def _tidy(stores: Stores, *, keep_strays: bool) -> None:
    """Delete files that nothing refers to, unless they may be what an unresolved row should name."""
    wanted = stores.catalog.checked_thumbnail_keys()
    keep_strays = keep_strays or not all(KEY_PATTERN.fullmatch(key) for key in wanted)
    strays = [key for key in stores.thumbnails.keys() if key not in wanted]  # noqa: SIM118 - not a dict
    for key in () if keep_strays else strays:
        stores.thumbnails.delete(key)
    stores.thumbnails.sweep()
    stores.vectors.flush()
    stores.publish(recount=True)
