"""Second tries: a server that is away for a while is waited for, with growing pauses and up to a limit.

Everything freeda asks of a server may be asked twice. Ids are made of content, so a point or a row that is
written again replaces itself; settings, aliases and metadata are set to a value, never moved by a step.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

logger = logging.getLogger(__name__)

FIRST_CONTACT_SECONDS = 10.0
"""For a server that has not answered yet: more often than away it is somewhere else."""
_LONGEST_PAUSE = 20.0
_QUIET_SECONDS = 60.0
_WORTH_SAYING = 0.1
T = TypeVar("T")


@dataclass(frozen=True)
class Trouble:
    """Why something failed, where another try may succeed.

    Attributes:
        words: what the server did, as in "http://host:6333 refused the connection".
        pause: seconds that the server asks to wait; None when it does not say.
        sure: the server itself says that it is a matter of time.
    """

    words: str
    pause: float | None = None
    sure: bool = False


class GaveUpError(Exception):
    """All tries failed; the last failure is the cause.

    Attributes:
        seconds: how long it was tried.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"gave up after {seconds:.0f} s")
        self.seconds = seconds

    @property
    def tried_for(self) -> str:
        """A sentence to add to a message, with a blank before it; empty where there was one try."""
        return f" It was tried for {span(round(self.seconds, 1))}." if self.seconds >= _WORTH_SAYING else ""


class Patience:
    """How long one server is waited for. Threads may share it.

    Args:
        seconds: from the first failure of a call to its last try; 0 for no second try.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answered = False
        self._last_logged = float("-inf")
        self._pauses = wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE, min=0.1)

    def call(self, work: Callable[[], T], judge: Callable[[BaseException], Trouble | None]) -> T:
        """Do some work until it succeeds, fails for good, or the time is over.

        Args:
            work: may be done twice.
            judge: the trouble behind a failure; None when another try is no use.

        Raises:
            GaveUpError: the time is over; the cause is what ``work`` raised last.
            Exception: what ``work`` raised, where another try is no use.
        """
        troubles: list[Trouble] = []
        start = time.monotonic()

        def hopeful(error: BaseException) -> bool:
            trouble = judge(error)
            if trouble is not None:
                troubles.append(trouble)
            return trouble is not None

        def left() -> float:
            return start + self._limit(troubles[-1]) - time.monotonic()

        def pause(state: RetryCallState) -> float:
            wanted = max(self._pauses(state), troubles[-1].pause or 0.0)
            return max(0.0, min(wanted, left()))

        def give_up(state: RetryCallState) -> T:
            raise GaveUpError(time.monotonic() - start) from _failure(state)

        tries = Retrying(
            retry=retry_if_exception(hopeful),
            wait=pause,
            stop=lambda _: left() <= 0,
            before_sleep=lambda _: self._log_outage(troubles[-1]),
            retry_error_callback=give_up,
        )
        result = tries(work)
        self._answered = True
        if troubles:
            logger.info("the server answers again after %.1f s", time.monotonic() - start)
        return result

    def _limit(self, trouble: Trouble) -> float:
        known = self._answered or trouble.sure
        return self._seconds if known else min(self._seconds, FIRST_CONTACT_SECONDS)

    def _log_outage(self, trouble: Trouble) -> None:
        """One line for an outage, however many tries and threads it meets."""
        with self._lock:
            now = time.monotonic()
            new, self._last_logged = now - self._last_logged > _QUIET_SECONDS, now
        level = logging.WARNING if new else logging.INFO
        logger.log(level, "%s; trying again for up to %s.", trouble.words, span(self._limit(trouble)))


def _failure(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def span(seconds: float) -> str:
    """``10 s``, ``5 min``."""
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
