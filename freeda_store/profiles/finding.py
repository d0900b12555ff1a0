"""Whether an address is a folder or a profile, decided without loading the settings library."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_store.address import DATABASE_NAME
from freeda_store.profiles.settings_path import settings_path

if TYPE_CHECKING:
    from freeda_store.profiles.settings import Profile

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLES = "FREEDA_PROFILES"


def find_profile(folder: Path) -> Profile | None:
    """The profile that an address names: only a bare name can, and a bank in a folder of that name wins.

    Raises:
        SettingsError: the settings cannot be read.
    """
    if not may_be_profile(folder) or (folder / DATABASE_NAME).is_file():
        return None
    from_environment = any(variable.upper().startswith(_VARIABLES) for variable in os.environ)
    if not (from_environment or settings_path().is_file() or os.environ.get("FREEDA_SETTINGS")):
        return None
    from freeda_store.profiles.settings import load_profile

    return load_profile(str(folder))


def may_be_profile(folder: Path) -> bool:
    """Whether an address has the form of a profile's name: no path, no dot."""
    return _NAME.fullmatch(str(folder)) is not None


def hides_profile(folder: Path) -> bool:
    """Whether an address opens a bank in a folder although a profile has the same name.

    Settings that cannot be read hide nothing: the folder opens without them.
    """
    if not may_be_profile(folder) or not (folder / DATABASE_NAME).is_file():
        return False
    start = f"{_VARIABLES}__{folder}__".upper()
    if any(variable.upper().startswith(start) for variable in os.environ):
        return True
    try:
        profiles = tomllib.loads(settings_path().read_text(encoding="utf-8")).get("profiles")
    except (OSError, ValueError):
        return False
    return isinstance(profiles, dict) and str(folder) in profiles
