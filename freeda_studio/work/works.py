"""The works of a studio: their order, and what a person asks of them.

States: waiting, running, stopping, stopped, done, failed. One thread does what waits, one after the other,
in the order in which it was asked for. What ran when a server ended waits when the next one starts; what a
person had stopped stays stopped.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import Any, Self

from typing_extensions import override

from freeda_errors import FreedaError
from freeda_store.closeable import Closeable
from freeda_store.errors import StorageError
from freeda_store.files.whole_files import writing as storing
from freeda_studio.errors import MissingError, ReadOnlyStudioError, RequestError
from freeda_studio.work.documents import (
    ENDED,
    Ended,
    Failed,
    Gone,
    Noted,
    Order,
    Progressed,
    Work,
    WorkState,
    now,
)
from freeda_studio.work.folder import WorkFolder
from freeda_studio.work.inputs import LearningWanted, WorkWanted
from freeda_studio.work.running import LOG, Message, Runner, Running
from freeda_studio.work.states import Place, end_of, state_after, turn_of
from freeda_studio.work.uploads import Intake
from freeda_studio.writing import Writing

logger = logging.getLogger(__name__)

MOST_WORKS = 500
"""That are kept; those done longest ago are forgotten."""

_GRACE = 10.0
"""Seconds that a batch in hand gets when the server ends; then its process is ended at once."""
_KEEP_EVERY = 2.0
"""Seconds between two writings of how far a work is."""
_ELSEWHERE = "Another studio of this bank is open and does its work; use that one, or end it."


class Works(Closeable):
    """The long work of one bank.

    Use it in a ``with`` block, which goes on with what was not done.

    Args:
        folder: where they are kept.
        writing: the right to write to the bank.
        runner: does them.
        place: where.
    """

    def __init__(self, folder: WorkFolder, writing: Writing, runner: Runner, place: Place) -> None:
        self._folder, self._writing, self._runner, self._place = folder, writing, runner, place
        self._changed = threading.Condition()
        self._works: dict[str, Work] = {}
        self._running: Running | None = None
        self._thread: threading.Thread | None = None
        self._elsewhere = ""
        self._looked = -_KEEP_EVERY
        self.closing = False

    def refusal(self) -> str:
        """Why no work can be asked for here, in words for the page; empty where it can."""
        if self._elsewhere:  # that studio may have ended
            self._begin()
        return self._writing.refusal or self._elsewhere

    @override
    def __enter__(self) -> Self:
        if self._folder.path.is_dir():  # there may be what was not done
            self._begin()
        return self

    def no_drawing(self) -> str:
        """Why only labelled pictures can be asked for, where the preset draws nothing; else empty."""
        return self._place.no_drawing()

    def _begin(self) -> None:
        """Become the one that does the works of the folder, unless another studio is."""
        with self._changed:
            if self._writing.refusal or self._thread is not None or self.closing:
                return
            try:
                held = self._folder.hold()
            except StorageError as error:
                self._elsewhere = str(error)
                return
            self._elsewhere = "" if held else _ELSEWHERE
            if held:
                self._folder.sweep()
                self._works = {work.id: work for work in self._folder.load()}
                self._take_up()
                self._thread = threading.Thread(target=self._go, name="freeda-work", daemon=True)
                self._thread.start()

    def _take_up(self) -> None:
        """Put right what a server that ended left."""
        for work in list(self._works.values()):
            if work.state is WorkState.RUNNING:
                self._set(work.id, state=WorkState.WAITING, note="")
            elif work.state is WorkState.STOPPING:
                self._set(work.id, state=WorkState.STOPPED, note="", ended=now())
            elif work.state is WorkState.DONE:
                self._folder.empty(work.id)

    def say_goodbye(self) -> None:
        """Begin to close: what runs ends after its batch in hand, and who listens is let go."""
        with self._changed:
            if not self.closing:
                self.closing = True
                if self._running is not None:
                    self._running.stop()
                self._changed.notify_all()

    @override
    def close(self) -> None:
        """End what runs after its batch in hand; it goes on with the next start. Closing twice is fine."""
        self.say_goodbye()
        if self._thread is not None:
            self._thread.join(_GRACE)
            with self._changed:
                if self._running is not None:
                    self._running.kill()
            self._thread.join()
        self._folder.let_go()

    def all(self) -> list[Work]:
        """What runs or waits, in its order; then what ended, the last first."""
        with self._changed:
            self._look()
            works = list(self._works.values())
        busy = sorted((work for work in works if work.state not in ENDED), key=turn_of)
        over = sorted((work for work in works if work.state in ENDED), key=end_of, reverse=True)
        return busy + over

    def find(self, id_: str) -> Work:
        """A work as it is now.

        Raises:
            MissingError: there is none.
        """
        with self._changed:
            self._look()
            return self._found(id_)

    def add(self, wanted: WorkWanted) -> Work:
        """Put work at the end of the queue.

        Raises:
            ReadOnlyStudioError: none can be done here.
            RequestError, OptionError, TooLargeError: what was sent cannot be used.
            StorageError: it cannot be kept.
        """
        self._require()
        if not isinstance(wanted, LearningWanted) and (why := self.no_drawing()):
            raise RequestError(why)
        id_ = secrets.token_hex(8)
        inputs = self._folder.inputs(id_)
        try:
            with storing(inputs):
                inputs.mkdir(parents=True, mode=0o700)
            intake = Intake(max(0, self._place.most_bytes - self._folder.bytes()))
            prepared = wanted.prepare(inputs, intake)
            time_ = now()
            work = Work(id=id_, name=prepared.name, task=prepared.task, created=time_, queued=time_)
            with self._changed:
                self._keep(work)
                self._forget_old()
                self._changed.notify_all()
        except BaseException:
            self._folder.remove(id_)
            raise
        return work

    def stop(self, id_: str) -> Work:
        """Have work end after its batch in hand; what has ended already stays as it is.

        Raises:
            MissingError: there is none.
            ReadOnlyStudioError: this studio does none.
        """
        self._require()
        with self._changed:
            work = self._found(id_)
            if work.state is WorkState.WAITING:
                return self._set(id_, state=WorkState.STOPPED, ended=now())
            if work.state is WorkState.RUNNING:
                work = self._set(id_, state=WorkState.STOPPING)
                assert self._running is not None
                self._running.stop()
            return work

    def stop_at_once(self, id_: str) -> Work:
        """End work now; its batch in hand is done again when it goes on.

        Raises:
            MissingError: there is none.
            ReadOnlyStudioError: this studio does none.
        """
        self._require()
        with self._changed:
            work = self.stop(id_)
            if work.state is WorkState.STOPPING and self._running is not None:
                self._running.kill()
            return work

    def go_on(self, id_: str) -> Work:
        """Put work that was stopped or failed at the end of the queue again.

        Raises:
            MissingError: there is none.
            ReadOnlyStudioError: this studio does none.
            RequestError: it is done.
        """
        self._require()
        with self._changed:
            work = self._found(id_)
            if work.state is WorkState.DONE:
                raise RequestError(f"{work.name} is done; there is nothing to go on with.")
            if work.state in ENDED:
                work = self._set(id_, state=WorkState.WAITING, error="", note="", queued=now(), ended=None)
                self._changed.notify_all()
            return work

    def forget(self, id_: str) -> None:
        """Remove work that has ended, and what was sent for it; what it put into the bank stays.

        Raises:
            MissingError: there is none.
            ReadOnlyStudioError: this studio does none.
            RequestError: it has not ended.
        """
        self._require()
        with self._changed:
            work = self._found(id_)
            if work.state not in ENDED:
                raise RequestError(f"{work.name} is {work.state}; stop it before you forget it.")
            del self._works[id_]
            self._folder.remove(id_)

    def _require(self) -> None:
        self._begin()
        refusal = self.refusal()
        if refusal:
            raise ReadOnlyStudioError(refusal)

    def _look(self) -> None:
        """Where another studio does the works: see what it keeps of them, now and then."""
        if self._thread is None and time.monotonic() - self._looked >= _KEEP_EVERY:
            self._looked = time.monotonic()
            self._works = {work.id: work for work in self._folder.load()}

    def _found(self, id_: str) -> Work:
        work = self._works.get(id_)
        if work is None:
            raise MissingError("this work is no longer here; it was forgotten.")
        return work

    def _keep(self, work: Work) -> Work:
        self._folder.keep(work)
        self._works[work.id] = work
        return work

    def _set(self, id_: str, **fields: Any) -> Work:
        return self._keep(self._works[id_].model_copy(update=fields))

    def _forget_old(self) -> None:
        over = sorted((work for work in self._works.values() if work.state is WorkState.DONE), key=end_of)
        for work in over[: max(0, len(self._works) - MOST_WORKS)]:
            del self._works[work.id]
            self._folder.remove(work.id)

    def _go(self) -> None:
        """Do what waits, until the server ends."""
        while (id_ := self._next()) is not None:
            try:
                with self._writing.during(f"The work '{self.find(id_).name}'"):
                    last = self._do(id_)
                if last is not None:  # what has ended does not hold the bank any more
                    self._over(id_, last)
            except MissingError:  # it was stopped and forgotten before its turn
                continue
            except Exception as error:  # the thread must live; what it met is shown
                logger.exception("work %s failed", id_)
                self._failed(id_, error)

    def _next(self) -> str | None:
        with self._changed:
            while not self.closing:
                waiting = [work for work in self._works.values() if work.state is WorkState.WAITING]
                if waiting:
                    return min(waiting, key=turn_of).id
                self._changed.wait()
        return None

    def _do(self, id_: str) -> Message | None:
        """Do what waits; how it ended, or None where it was stopped before."""
        running = self._start(id_)
        if running is None:
            return None
        kept, last = time.monotonic(), None
        for message in running.told():
            if not isinstance(message, Progressed | Noted):
                last = message
                continue
            with self._changed:
                self._works[id_] = self._so_far(id_, message)
                if time.monotonic() - kept >= _KEEP_EVERY:
                    kept = time.monotonic()
                    self._keep(self._works[id_])
        return last

    def _start(self, id_: str) -> Running | None:
        """Start what waits; None where it was stopped meanwhile."""
        with self._changed:
            work = self._found(id_)
            if work.state is not WorkState.WAITING or self.closing:
                return None
            self._set(id_, state=WorkState.RUNNING, started=work.started or now(), progress=None)
            inputs = str(self._folder.inputs(id_).absolute())
            place = self._place
            order = Order(
                bank=place.bank, preset=place.preset, device=place.device, folder=inputs, task=work.task
            )
            self._running = self._runner.start(order, self._folder.of(id_) / LOG)
            return self._running

    def _so_far(self, id_: str, message: Progressed | Noted) -> Work:
        if isinstance(message, Noted):
            return self._works[id_].model_copy(update={"note": message.text})
        return self._works[id_].model_copy(update={"progress": message.progress, "note": ""})

    def _over(self, id_: str, message: Message) -> None:
        """Take down how a process ended."""
        with self._changed:
            self._running = None
            stopping = self._works[id_].state is WorkState.STOPPING
            state = state_after(message, stopping=stopping, closing=self.closing)
            fields: dict[str, Any] = {"state": state, "note": ""}
            if state in ENDED:
                fields["ended"] = now()
            if isinstance(message, Ended):
                fields["report"] = message.report
            elif state is WorkState.FAILED and isinstance(message, Failed | Gone):
                fields["error"] = message.error
            self._set(id_, **fields)
            if state is WorkState.DONE:
                self._folder.empty(id_)

    def _failed(self, id_: str, error: Exception) -> None:
        """Show an error of the server's own, such as a full disk, even where it cannot be kept."""
        told = (
            str(error) if isinstance(error, FreedaError | OSError) else f"unexpected {type(error).__name__}"
        )
        with self._changed:
            if self._running is not None:
                self._running.kill()
                self._running = None
            if id_ in self._works:
                fields = {"state": WorkState.FAILED, "error": told, "ended": now()}
                self._works[id_] = self._works[id_].model_copy(update=fields)
