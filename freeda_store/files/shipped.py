"""Folders that are installed inside a package, and lie elsewhere in a checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_folder(package: str, name: str, in_checkout: str) -> Path:
    """A folder that goes with a package; it need not be there.

    By place and not by name, since a user's own project may hold a folder of that name.

    Args:
        package: its name.
        name: of the folder inside the package, when it is installed.
        in_checkout: where it lies otherwise, as seen from the package.
    """
    with resources.as_file(resources.files(package)) as place:
        inside, beside = place / name, place.joinpath(in_checkout).resolve()
    return inside if inside.is_dir() else beside
