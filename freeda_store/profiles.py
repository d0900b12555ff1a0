"""Whether an address is a folder or a profile, decided without loading the settings library."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeda_store.settings import Profile

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLES = "FREEDA_PROFILES"


def settings_path() -> Path:
    """The settings file: FREEDA_SETTINGS, or ``~/.config/freeda/settings.toml``."""
    moved = os.environ.get("FREEDA_SETTINGS")
    return Path(moved).expanduser() if moved else Path.home() / ".config" / "freeda" / "settings.toml"


def find_profile(folder: Path) -> Profile | None:
    """The profile that an address names: only a bare name can, and a folder of that name wins.

    Raises:
        SettingsError: the settings cannot be read.
    """
    name = str(folder)
    if not _NAME.fullmatch(name) or folder.exists():
        return None
    from_environment = any(variable.upper().startswith(_VARIABLES) for variable in os.environ)
    if not (from_environment or settings_path().is_file() or os.environ.get("FREEDA_SETTINGS")):
        return None
    from freeda_store.settings import load_profile

    return load_profile(name)
