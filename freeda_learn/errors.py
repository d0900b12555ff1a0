"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class LearnError(FreedaError):
    """Base of all errors raised by ``freeda_learn``."""


class MarkError(LearnError, ValueError):
    """A mark does not lie in its picture, or nothing is marked."""

    exit_code = 2


class OptionError(LearnError, ValueError):
    """An option is out of its range, or two contradict each other."""

    exit_code = 2


class LabelsError(LearnError):
    """A file of labels cannot be read, or is none."""

    exit_code = 2


class UnusableExampleError(LearnError):
    """Nothing can be learned from an example: its mask is empty, or too small for the backbone to see."""
