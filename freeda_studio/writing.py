"""Changes to the bank from a studio: one at a time, each by a writer of its own.

The studio reads its bank beside any writer, and opens it to write only for as long as a change takes. So
other processes may write in between, and what they commit is seen here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from freeda_learn.examples import Example, class_name
from freeda_learn.learner import Learner, LearnOptions
from freeda_learn.marks import Marks
from freeda_learn.report import LearnReport
from freeda_store.bank import Bank
from freeda_store.errors import BankError
from freeda_store.opening.hindrances import require_writable
from freeda_store.records import PrototypeInfo, RevisionInfo
from freeda_studio.engine import Engine
from freeda_studio.errors import BusyError, ReadOnlyStudioError, RequestError, StaleError

_PATIENCE = 10.0
"""Seconds that a change waits for another one."""


@dataclass(frozen=True)
class Change:
    """What a change of the bank did.

    Attributes:
        message: of the revision, or what happened instead.
        before, after: numbers of the revisions shown before and after; None before the first.
    """

    message: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Tagging:
    """What a tag names, and what it named before: numbers of revisions, None for nothing."""

    name: str
    revision: int | None
    before: int | None


class Findable(Protocol):
    """Says which prototypes are meant."""

    @property
    def is_all(self) -> bool:
        """Whether all are, for nothing is said."""

    def find(self, bank: Bank, /) -> Iterator[PrototypeInfo]:
        """Those that the bank shows."""


class Writing:
    """The right to write to the bank, held by one at a time.

    Args:
        address: of the bank.
        refusal: why nothing may be written; empty where it may.
    """

    def __init__(self, address: str, refusal: str = "") -> None:
        self._address = address
        self._lock = threading.Lock()
        self._holder = ""
        self.refusal = refusal

    @property
    def holder(self) -> str:
        """Which long work holds the bank now; empty where none does."""
        return self._holder

    @contextmanager
    def briefly(self) -> Iterator[Bank]:
        """Open the bank for a change that takes a moment.

        Raises:
            ReadOnlyStudioError: nothing may be written.
            BusyError: long work of this studio writes.
            BankInUseError: another process writes.
        """
        self.require()
        if self._holder or not self._lock.acquire(timeout=_PATIENCE):
            holder = self._holder or "another change"
            raise BusyError(f"{holder} is writing to the bank; wait until it is done, or stop it.")
        try:
            with Bank.open(self._address) as bank:
                yield bank
        finally:
            self._lock.release()

    @contextmanager
    def during(self, work: str) -> Iterator[None]:
        """Keep the bank for long work, which opens it itself.

        Args:
            work: what people are told who want to write meanwhile.

        Raises:
            ReadOnlyStudioError: nothing may be written.
        """
        self.require()
        with self._lock:
            self._holder = work
            try:
                yield
            finally:
                self._holder = ""

    def require(self) -> None:
        """Refuse where nothing may be written.

        Raises:
            ReadOnlyStudioError: says why.
        """
        if self.refusal:
            raise ReadOnlyStudioError(self.refusal)


def refusal_of(bank: Bank, *, asked: bool) -> str:
    """Why a studio must not write to a bank, in words for its page; empty where it may.

    Args:
        bank: opened for reading.
        asked: the studio was started to be read only.
    """
    if asked:
        return "This studio was started with --read-only, so the bank cannot be changed here."
    if bank.address.version is not None:
        return f"{bank.address} is one version of a bank for ever, so it cannot be changed here."
    try:
        if bank.address.profile is None:
            require_writable(bank.address.folder)
        else:
            bank.require_writable()
    except BankError as error:
        return str(error)
    return ""


class Corrector:
    """What a person corrects: prototypes retired, regions learned, revisions taken back.

    Args:
        engine: that shows the pictures.
        writing: the right to write.
    """

    def __init__(self, engine: Engine, writing: Writing) -> None:
        self._engine, self._writing = engine, writing

    def retire(self, ids: Sequence[UUID], message: str = "") -> Change:
        """Hide prototypes from a new revision on.

        Raises:
            RequestError: no id is given.
            PrototypeMissingError: one is not shown any more.
        """
        if not ids:
            raise RequestError("choose at least one prototype.")
        return self._changed(lambda bank: _message(bank.retire(list(ids), message or _retired(ids))))

    def learn(self, picture: str, name: str, marks: Marks, by: str | None = None) -> Change:
        """Learn from a picture of the shelf what is marked in it.

        Args:
            picture: its id.
            name: of the class.
            marks: where it is.
            by: who says so; the user of the server if None.

        Raises:
            MissingError, MarkError, OptionError: the picture, the marks, the name.
            RequestError: nothing could be learned from it.
        """
        kept = self._engine.shelf.find(picture)
        example = Example(kept.path, class_name(name), marks)
        networks = self._engine.networks

        def learn(bank: Bank) -> str:
            learner = Learner(bank, networks.models, networks.settings, networks.finder)
            with self._engine.turns.of("learning"):
                return _learned(learner.learn([example], LearnOptions(by=by)))

        return self._changed(learn)

    def prune(self, which: Findable, message: str = "", seen: int | None = None) -> Change:
        """Hide all prototypes that something finds, from a new revision on.

        Args:
            which: finds them.
            message: why, for the history.
            seen: see :meth:`roll_back`.

        Raises:
            RequestError: it finds all that there is, without being asked for anything.
            FilterError: it cannot be read.
            StaleError: the bank shows another revision by now.
        """
        if which.is_all:
            raise RequestError("pruning needs a filter; say for example contrast<1.2.")

        def prune(bank: Bank) -> str:
            ids = [info.id for info in which.find(bank)]
            return _message(bank.retire(ids, message or f"prune {which}"))

        return self._changed(prune, seen)

    def roll_back(self, version: int | str, message: str = "", seen: int | None = None) -> Change:
        """Show again what an older revision showed.

        Args:
            version: its number or a tag.
            message: why, for the history.
            seen: number of the revision that whoever asks has seen, for nothing to be taken back that
                came after it; None for any.

        Raises:
            RevisionMissingError: there is no such revision or tag.
            StaleError: the bank shows another revision by now.
        """
        return self._changed(lambda bank: _message(bank.rollback(version, message)), seen)

    def tag(self, name: str, version: int | str | None = None, *, move: bool = False) -> Tagging:
        """Name a revision, the newest one when none is given.

        Args:
            name: of the tag.
            version: a number or another tag.
            move: whether it may be taken from another revision.

        Raises:
            TagError: the name is not allowed, is taken, or there is no revision yet.
            RevisionMissingError: there is no such revision.
        """
        with self._writing.briefly() as bank:
            before = _tagged(bank, name)
            return Tagging(name, bank.tag(name, version, move=move).number, before)

    def untag(self, name: str) -> Tagging:
        """Forget a tag; its revision stays.

        Raises:
            RevisionMissingError: there is no such tag.
        """
        with self._writing.briefly() as bank:
            before = _tagged(bank, name)
            bank.untag(name)
            return Tagging(name, None, before)

    def _changed(self, change: Callable[[Bank], str], seen: int | None = None) -> Change:
        with self._writing.briefly() as bank:
            before = bank.revision
            if seen is not None and seen != _number(before):
                raise StaleError(
                    f"the bank has changed and is at revision {_number(before)} now; look again, then repeat."
                )
            message = change(bank)
            after = bank.revision
        return Change(message, _number(before), _number(after))


def _number(revision: RevisionInfo | None) -> int | None:
    return None if revision is None else revision.number


def _tagged(bank: Bank, name: str) -> int | None:
    """The number of the revision that a tag names."""
    return next((each.number for each in bank.revisions() if name in each.tags), None)


def _message(revision: RevisionInfo | None) -> str:
    return "nothing was to be changed" if revision is None else revision.message


def _retired(ids: Sequence[UUID]) -> str:
    return f"retire {len(ids)} in the studio"


def _learned(report: LearnReport) -> str:
    if report.rejected:
        raise RequestError(report.first_rejected[0].reason)
    if report.revision is None:
        return "the bank knows this example already"
    return report.revision.message
