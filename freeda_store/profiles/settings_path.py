"""Where the settings file lies."""

from __future__ import annotations

import os
from pathlib import Path


def settings_path() -> Path:
    """The settings file: FREEDA_SETTINGS, or ``~/.config/freeda/settings.toml``."""
    moved = os.environ.get("FREEDA_SETTINGS")
    if moved:
        return Path(os.path.expanduser(moved))  # noqa: PTH111 - the home of nobody stays as it is
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry, as in containers: there is no such file then
        home = Path("~")
    return home / ".config" / "freeda" / "settings.toml"
