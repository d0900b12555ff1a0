"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class StudioError(FreedaError):
    """Base of all errors raised by ``freeda_studio``."""


class RequestError(StudioError, ValueError):
    """What was asked for cannot be read, or cannot be."""

    exit_code = 2


class MissingError(StudioError):
    """There is no such picture, prototype, noun or work."""


class ReadOnlyStudioError(StudioError):
    """The bank cannot be changed from here."""


class BusyError(StudioError):
    """Something else writes to the bank."""


class StaleError(StudioError):
    """The bank shows another revision than the one that was looked at."""


class TooLargeError(StudioError):
    """More was sent than is taken."""


class AddressInUseError(StudioError):
    """The port to listen on is taken or forbidden."""
