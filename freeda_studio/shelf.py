"""The pictures that a studio shows: those it was started with, and those that were dropped on its page.

Dropped ones are files in a folder of the studio's, named by their content, so that the same picture twice is
one, and a page that is loaded again, or a server that is started again, finds them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from freeda_segment.errors import ImageError
from freeda_segment.images import Picture, read_picture, upright_size
from freeda_store.files.whole_files import replaced
from freeda_studio.errors import MissingError, TooLargeError
from freeda_studio.memory import ByteCache

VIEW_SIDE = 1600
"""Longest side of a picture, and of its label map, as the page shows it."""

_VIEWS_BYTES = 64 * 2**20
_ID = re.compile(r"[0-9a-f]{24}")
_PLAIN = re.compile(r"[^\w.\- ]+")


@dataclass(frozen=True)
class ShelfPicture:
    """A picture by which requests name it.

    Attributes:
        id: 24 hex digits.
        name: of its file, for people.
        path: of its file.
        dropped: it came through the page, and goes when room is needed.
    """

    id: str
    name: str
    path: Path
    dropped: bool


class Shelf:
    """The pictures of a studio.

    Args:
        pictures: files shown from the start.
        folder: for those that are dropped; made when the first one is.
        most_bytes: of the dropped ones together.
    """

    def __init__(self, pictures: Sequence[Path], folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._lock = threading.Lock()
        self._last_ns = 0
        self._given = {each.id: each for each in map(_given, pictures)}
        self._views: ByteCache[tuple[str, int], bytes] = ByteCache(_VIEWS_BYTES)

    def all(self) -> list[ShelfPicture]:
        """Those given, in their order, then those dropped, the last one last."""
        return [*self._given.values(), *self._dropped()]

    def find(self, id_: str) -> ShelfPicture:
        """The picture of an id.

        Raises:
            MissingError: there is none.
        """
        known = self._given.get(id_)
        if known is None and _ID.fullmatch(id_):
            known = next((each for each in self._dropped() if each.id == id_), None)
        if known is None:
            raise MissingError("this picture is no longer here; drop it again.")
        return known

    def add(self, name: str, content: bytes) -> ShelfPicture:
        """Keep a picture that was dropped.

        Args:
            name: of its file where it came from.
            content: of the file.

        Raises:
            ImageError: it is no picture, is broken, or has too many pixels; it is not kept.
            TooLargeError: it alone takes more than all may.
        """
        if len(content) > self._most_bytes:
            raise TooLargeError(
                f"{name} has {len(content) / 2**20:.0f} MiB, and dropped pictures may take "
                f"{self._most_bytes / 2**20:.0f} MiB together; make it smaller."
            )
        place = self._folder / hashlib.sha256(content).hexdigest()[:24]
        path = place / plain_name(name)
        with self._lock:
            kept = next(iter(_files(place)), None)
            if kept is None:
                self._keep(path, name, content)
                kept = path
            self._touch(place)
        return ShelfPicture(place.name, kept.name, kept, dropped=True)

    def remove(self, id_: str) -> None:
        """Take a dropped picture away; those given at the start stay.

        Raises:
            MissingError: there is none.
        """
        picture = self.find(id_)
        if not picture.dropped:
            raise MissingError(f"{picture.name} was given at the start and stays; start without it.")
        with self._lock:
            shutil.rmtree(picture.path.parent, ignore_errors=True)
        self._views.forget(lambda key: key[0] == id_)

    def read(self, id_: str) -> Picture:
        """A picture to be segmented.

        Raises:
            MissingError: there is none.
            ImageError: it cannot be read.
        """
        return read_picture(self.find(id_).path)

    def size_hw(self, picture: ShelfPicture) -> tuple[int, int]:
        """Height and width, upright, by its header.

        Raises:
            ImageError: it cannot be read.
        """
        return upright_size(picture.path)

    def view(self, id_: str, side: int = VIEW_SIDE) -> bytes:
        """The picture as a browser shows it, WebP.

        Args:
            id_: of the picture.
            side: its longest side at most, up to :data:`VIEW_SIDE`.

        Raises:
            MissingError: there is none.
            ImageError: it cannot be read.
        """
        side = min(max(side, 16), VIEW_SIDE)
        return self._views.get((id_, side), lambda: _as_webp(self.read(id_), side))

    def _dropped(self) -> Iterator[ShelfPicture]:
        for place in _in_order(self._folder):
            for path in _files(place):
                yield ShelfPicture(place.name, path.name, path, dropped=True)

    def _keep(self, path: Path, name: str, content: bytes) -> None:
        """Write a picture that can be read; what was dropped first goes, only once it is known to be one."""
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        try:
            with replaced(path) as part:
                part.write_bytes(content)
                _check(part, name)
                self._make_room(len(content))
        except ImageError:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise

    def _touch(self, place: Path) -> None:
        """Make a picture the last one, also within a tick of the file system's clock."""
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        os.utime(place, ns=(self._last_ns, self._last_ns))

    def _make_room(self, wanted: int) -> None:
        """Take away what was dropped first, until this fits."""
        kept = [(each, each.path.stat().st_size) for each in self._dropped()]
        total = sum(size for _, size in kept) + wanted
        for each, size in kept:
            if total <= self._most_bytes:
                return
            shutil.rmtree(each.path.parent, ignore_errors=True)
            total -= size


def _as_webp(picture: Picture, side: int) -> bytes:
    image = Image.fromarray(picture.pixels)
    image.thumbnail((side, side), reducing_gap=3.0)
    buffer = BytesIO()
    image.save(buffer, format="WEBP", quality=88, method=2)
    return buffer.getvalue()


def view_size(size_hw: tuple[int, int], side: int = VIEW_SIDE) -> tuple[int, int]:
    """Height and width at which a picture, or its label map, is shown."""
    scale = min(1.0, side / max(size_hw))
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def plain_name(name: str) -> str:
    """A file name that is safe to keep, like the one given."""
    last = re.split(r"[/\\]", name)[-1]
    plain = _PLAIN.sub("_", last).strip(" .")[-80:].strip(" .")
    return plain or "picture"


def _given(path: Path) -> ShelfPicture:
    told = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]
    return ShelfPicture(told, os.fsencode(path.name).decode(errors="replace"), path, dropped=False)


def _check(path: Path, name: str) -> None:
    """Read a picture, and tell of it by the name it came with."""
    try:
        read_picture(path)
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), name)) from error


def _in_order(folder: Path) -> list[Path]:
    """The folders of dropped pictures, that of the first one first; without those that go meanwhile."""
    places: list[tuple[int, str, Path]] = []
    with suppress(OSError):  # none was dropped yet
        for place in folder.iterdir():
            with suppress(OSError):
                places.append((place.stat().st_mtime_ns, place.name, place))
    return [place for _, _, place in sorted(places)]


def _files(place: Path) -> Iterator[Path]:
    """The picture in a folder of a dropped one; nothing where it is not there whole."""
    if _ID.fullmatch(place.name):
        with suppress(OSError):
            yield from [path for path in place.iterdir() if not path.name.startswith(".")][:1]
