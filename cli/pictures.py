"""From what a person types to picture files: files, folders and glob patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from cli.errors import UsageError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
"""What counts as a picture in a folder. A file that is named is tried whatever its name."""


def find_pictures(arguments: Sequence[str]) -> list[Path]:
    """The pictures that are meant, each once, in the order given and by name in a folder.

    Args:
        arguments: files, folders (their own pictures, not those of folders in them), or glob
            patterns such as ``photos/**/*.jpg``.

    Raises:
        UsageError: one of them names no picture.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        for path in _expand(argument):
            found.setdefault(path)
    return list(found)


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        pictures = sorted(file for file in path.iterdir() if _is_picture(file))
        if not pictures:
            raise UsageError(f"folder {argument} holds no picture; give files, or another folder.")
        return pictures
    if path.exists():
        return [path]
    if glob.has_magic(argument):
        matches = map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207 - absolute patterns
        files = [match for match in matches if match.is_file()]
        if not files:
            raise UsageError(f"no picture matches {argument}; quote the pattern, or give files.")
        return files
    raise UsageError(f"there is no picture {argument}; give a file, a folder or a pattern.")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
