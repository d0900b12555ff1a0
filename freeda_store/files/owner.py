"""The process that opened a bank: what it holds (threads, locks, connections) does not outlive a fork."""

from __future__ import annotations

import os

from freeda_store.errors import ForkedError


class Owner:
    """Remembers the process that it was made in."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is still that process, and no fork of it."""
        return os.getpid() == self._pid

    def require(self, name: object) -> None:
        """Refuse the use of something in a fork, where it would hang or mix up answers.

        Raises:
            ForkedError: this is a fork.
        """
        if not self.is_here:
            raise ForkedError(
                f"the bank in {name} was opened by process {self._pid}, and this is a fork of it; open it "
                "in each process by itself, or start processes by 'spawn' in place of 'fork'."
            )
