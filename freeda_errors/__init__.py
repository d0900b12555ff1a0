"""The base of every error that freeda raises for a person to read.

It lives below all rooms, so that ``except FreedaError`` catches what any of them says, and so that the
exit code of an error is stated once, where the error is defined. ``documents`` has the one sentence for
what is wrong in a document; importing the base alone does not load it.
"""

from __future__ import annotations

from typing import ClassVar


class FreedaError(Exception):
    """Something went wrong; the message says in one sentence what, where, and what to do.

    Attributes:
        exit_code: what the command line ends with: 1 for a failure, 2 where it was asked for something
            that cannot be.
    """

    exit_code: ClassVar[int] = 1
