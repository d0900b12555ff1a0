"""Errors of this package. Each message is one sentence or two and ends with what to do."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors raised by ``freeda_models``."""


class PresetError(ModelError):
    """A preset is unknown or its file does not hold what it must."""


class ModelMissingError(ModelError):
    """Weights are neither on this machine nor may they be fetched."""


class DeviceError(ModelError):
    """The device asked for is not on this machine."""
