"""Fetch the two emoji sets that the world is drawn with, from the npm registry.

Fluent 3D: Microsoft, MIT (npm ``@lobehub/fluent-emoji-3d``). Noto: Google, Apache-2.0
(npm ``emoji-datasource-google``). Only the drawings that the world names are kept.

Usage: ``python -m training.fetch_sprites``
"""

from __future__ import annotations

import io
import tarfile
import urllib.request
from pathlib import Path

from training.paths import SPRITES_DIR
from training.world import OBJECTS

SOURCES = {
    "fluent": (
        "https://registry.npmjs.org/@lobehub/fluent-emoji-3d/-/fluent-emoji-3d-1.1.0.tgz",
        "package/assets/{}.webp",
    ),
    "noto": (
        "https://registry.npmjs.org/emoji-datasource-google/-/emoji-datasource-google-16.0.0.tgz",
        "package/img/google/64/{}.png",
    ),
}


def fetch(sprites_dir: Path = SPRITES_DIR) -> None:
    """Download both archives and write the sprites named by the world into ``sprites_dir``."""
    for name, (url, pattern) in SOURCES.items():
        wanted = {pattern.format(kind.codepoint) for kind in OBJECTS}
        folder = sprites_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        if len(list(folder.iterdir())) == len(wanted):
            continue
        with urllib.request.urlopen(url) as response:
            packed = io.BytesIO(response.read())
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            for member in archive:
                data = archive.extractfile(member) if member.name in wanted else None
                if data is not None:
                    (folder / Path(member.name).name).write_bytes(data.read())
        print(f"{name}: {len(list(folder.iterdir()))} sprites in {folder}")


if __name__ == "__main__":
    fetch()
