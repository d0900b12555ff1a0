"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class ModelError(FreedaError):
    """Base of all errors raised by ``freeda_models``."""


class PresetError(ModelError):
    """A preset is unknown or its file does not hold what it must."""

    exit_code = 2


class ModelMissingError(ModelError):
    """Weights are neither on this machine nor may they be fetched."""


class PackageMissingError(ModelError):
    """A Python package that a preset's model needs is not installed."""


class UnsupportedModelError(ModelError):
    """The model is of a kind, or stored in a form, that this package does not load."""


class DeviceError(ModelError):
    """The device asked for is not on this machine."""

    exit_code = 2


class InputError(ModelError, ValueError):
    """Pictures, texts or spans given to a model have a wrong shape or type."""
