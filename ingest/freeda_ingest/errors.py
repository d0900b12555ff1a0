"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class IngestError(FreedaError):
    """Base of all errors raised by ``freeda_ingest``."""


class CaptionsError(IngestError):
    """The captions cannot be read at all: no such file, a folder, no permission."""

    exit_code = 2


class RejectedCaptionError(IngestError):
    """A line is no caption, and the run was asked to be strict."""


class OptionError(IngestError):
    """An option is out of its range, or names a strategy that does not exist."""

    exit_code = 2


class ModelOutputError(IngestError):
    """A model gave arrays of another shape than its protocol promises."""


class WorkerError(IngestError):
    """A worker process was lost again and again, or cannot make its networks."""


class ClusterError(IngestError):
    """Ray is not installed, cannot be reached, or has no room for a worker."""


class DeviceMemoryError(IngestError):
    """Not even one picture fits the device's memory."""


class NothingDrawnError(IngestError):
    """The generator drew many pictures in a row, and none can be used."""
