"""The installed version."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("freeda")
except PackageNotFoundError:  # a checkout on the path, never installed
    __version__ = "0+unknown"
