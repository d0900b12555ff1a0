"""Fetch the two emoji sets that the world is drawn with, as packages of npm, by name and version.

Fluent 3D: Microsoft, MIT (``@lobehub/fluent-emoji-3d``). Noto: Google, Apache-2.0
(``emoji-datasource-google``). Only the drawings that ``drawings.py`` names are kept. Needs ``npm``,
which asks the registry that it is set to.

Usage: ``python -m training.fetch_sprites``
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

from training.drawings import all_kinds
from training.paths import SPRITES_DIR

SOURCES = {
    "fluent": ("@lobehub/fluent-emoji-3d@1.1.0", "package/assets/{}.webp"),
    "noto": ("emoji-datasource-google@16.0.0", "package/img/google/64/{}.png"),
}
"""For each set the package, and where in it a drawing is by its code point."""


def fetch(sprites_dir: Path = SPRITES_DIR) -> None:
    """Write the sprites that ``drawings.py`` names into a folder; a whole set is not fetched again."""
    for name, (package, pattern) in SOURCES.items():
        wanted = {pattern.format(kind.codepoint) for kind in all_kinds()}
        folder = sprites_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        if {Path(member).name for member in wanted} <= {file.name for file in folder.iterdir()}:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            drawings = _read(_pack(package, Path(temporary)), wanted)
        missing = sorted(wanted - drawings.keys())
        if missing:
            raise SystemExit(f"{package} does not hold {missing[0]}; name another version in SOURCES.")
        for member, data in drawings.items():
            (folder / Path(member).name).write_bytes(data)
        print(f"{name}: {len(drawings)} sprites in {folder}")


def _pack(package: str, folder: Path) -> Path:
    """The package's archive, fetched by npm; nothing of the package is run."""
    command = ["npm", "pack", package, "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        raise SystemExit("npm is not installed; install it to fetch the sprites.") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"npm could not fetch {package} (exit code {error.returncode}).") from None
    (archive,) = folder.glob("*.tgz")
    return archive


def _read(archive: Path, wanted: set[str]) -> dict[str, bytes]:
    """The wanted members of an archive, by name."""
    found = {}
    with tarfile.open(archive) as members:
        for member in members:
            data = members.extractfile(member) if member.name in wanted else None
            if data is not None:
                found[member.name] = data.read()
    return found


if __name__ == "__main__":
    fetch()
