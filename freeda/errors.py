"""The base of all errors that freeda raises for a person to read."""

from freeda_errors import FreedaError

__all__ = ["FreedaError"]
