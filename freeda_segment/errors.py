"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class SegmentError(FreedaError):
    """Base of all errors raised by ``freeda_segment``."""


class OptionError(SegmentError, ValueError):
    """A setting is unknown, of a wrong type, or outside its range."""

    exit_code = 2


class ClassesError(SegmentError, ValueError):
    """The list of classes is empty or cannot be read."""

    exit_code = 2


class ImageError(SegmentError):
    """A picture cannot be read, is broken, or is too large."""


class NoPrototypesError(SegmentError):
    """The bank, or what a filter leaves of it, has nothing usable for a class."""


class ModelOutputError(SegmentError):
    """A network gave values that are not numbers, or vectors of an unexpected length."""


class OutputError(SegmentError):
    """A result cannot be written, or a written one cannot be read back."""


class DatasetError(SegmentError):
    """An evaluation data set is missing or does not look as it should."""


class TruthUnreadableError(DatasetError):
    """A label map of a data set cannot be read; others may be."""


class EvaluationError(SegmentError):
    """An evaluation was cut short by something outside of it."""
