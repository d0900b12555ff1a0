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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from freeda_segment.errors import ImageError
from freeda_segment.images import Picture, read_picture, upright_size
from freeda_store.files.whole_files import replaced
from freeda_studio.errors import MissingError
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
        """
        place = self._folder / hashlib.sha256(content).hexdigest()[:24]
        path = place / plain_name(name)
        with self._lock:
            kept = next(iter(_files(place)), None)
            if kept is None:
                self._make_room(len(content))
                place.mkdir(parents=True, mode=0o700, exist_ok=True)
                with replaced(path) as part:
                    part.write_bytes(content)
                kept = path
            os.utime(place)
        try:
            read_picture(kept)
        except ImageError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise ImageError(str(error).replace(str(kept), name)) from error
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
        try:
            places = sorted(self._folder.iterdir(), key=lambda place: (place.stat().st_mtime_ns, place.name))
        except OSError:  # none was dropped yet, or one is being taken away
            return
        for place in places:
            for path in _files(place):
                yield ShelfPicture(place.name, path.name, path, dropped=True)

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


def _files(place: Path) -> Iterator[Path]:
    """The picture in a folder of a dropped one; nothing where it is not there whole."""
    if _ID.fullmatch(place.name) and place.is_dir():
        yield from (path for path in place.iterdir() if not path.name.startswith("."))
