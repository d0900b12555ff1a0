"""Pictures of the shelf in the formats of the command line, by the same writers.

All is made in a temporary folder, and what is sent is a file without a name: nothing is left of it, whoever
stops whenever, and nothing is written beside a person's pictures.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import quote

from freeda_segment.classes import ClassList
from freeda_segment.errors import ImageError
from freeda_segment.images import picture_hash
from freeda_segment.outputs.formats import FORMATS, write_outputs
from freeda_segment.outputs.names import result_stems
from freeda_segment.outputs.report import report
from freeda_segment.outputs.result import Result
from freeda_segment.outputs.resume import REPORT
from freeda_segment.outputs.runs import LABELS, RUN_FORMATS, Run, RunPicture, write_run
from freeda_segment.outputs.runs.folder import LIST_NAME, ExportFolder
from freeda_studio.engine import Engine
from freeda_studio.errors import BusyError, RequestError
from freeda_studio.shelf import ShelfPicture, plain_name

PICTURES = "pictures"
"""Folder of the pictures in an archive of a format that refers to them."""

FAILED = "failed.txt"
"""What an archive says of pictures that are not in it."""

LABELS_OF_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "overlay": "Overlay with legend (PNG)",
        "png": "Label map (PNG)",
        "rle": "COCO masks (JSON)",
        "geojson": "Outlines (GeoJSON)",
        "npz": "Labels and scores (NumPy)",
        "preview": "Picture (JPEG)",
        "report": "Report (JSON)",
        "coco": "COCO instances (ZIP)",
        "coco-panoptic": "COCO panoptic (ZIP)",
        "yolo": "YOLO segmentation (ZIP)",
        "labelme": "LabelMe (ZIP)",
        "label-studio": "Label Studio, brush masks (ZIP)",
        "label-studio-polygons": "Label Studio, polygons (ZIP)",
        "mmseg": "MMSegmentation (ZIP)",
    }
)
"""What formats are called on the page."""

_MEDIA_TYPES = MappingProxyType(
    {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".json": "application/json",
        ".geojson": "application/geo+json",
        ".zip": "application/zip",
    }
)
_HOLD_PICTURES = frozenset({"yolo", "mmseg"})
"""Formats whose own folder has the pictures."""

_CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class Download:
    """A file to be sent.

    Attributes:
        name: of the file.
        file: open at its beginning; it has no name on disk, and is gone once it is closed.
        size: in bytes.
    """

    name: str
    file: IO[bytes]
    size: int

    @property
    def headers(self) -> dict[str, str]:
        """Length, type and name, for an answer."""
        kind = _MEDIA_TYPES.get(Path(self.name).suffix, "application/octet-stream")
        return {
            "content-type": kind,
            "content-length": str(self.size),
            "content-disposition": attachment(self.name),
        }

    def chunks(self) -> Iterator[bytes]:
        """Its bytes; it is closed in the end."""
        with self.file:
            while chunk := self.file.read(_CHUNK):
                yield chunk


def attachment(name: str) -> str:
    """``Content-Disposition`` of a file, its name in ASCII for old readers and in UTF-8 (RFC 6266, 8187)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


class Downloads:
    """Writes pictures of a shelf.

    Args:
        engine: that labels them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def one(self, picture: str, classes: ClassList, format_: str, client: str = "") -> Download:
        """A picture in a format: the format's file, or an archive for a format of a whole run.

        Raises:
            RequestError: there is no such format.
            MissingError, ImageError, NoPrototypesError, OutputError: it cannot be labelled or written.
        """
        _require_known(format_)
        with tempfile.TemporaryDirectory(prefix="freeda-") as folder:
            run = _Written(Path(folder), format_)
            run.add(self._engine, self._engine.shelf.find(picture), classes, client)
            if format_ in RUN_FORMATS:
                return run.archive(f"{run.pictures[0].stem}-{format_}.zip")
            return run.single()

    def all(self, classes: ClassList, format_: str, client: str = "") -> Download:
        """All pictures of the shelf in a format, as an archive; it tells of those that cannot be labelled.

        Raises:
            RequestError: there is no such format, or no picture.
            ImageError: not one of the pictures can be read.
            NoPrototypesError, OutputError: they cannot be labelled or written.
        """
        _require_known(format_)
        pictures = self._engine.shelf.all()
        if not pictures:
            raise RequestError("there are no pictures yet; choose or drop some first.")
        failed: list[ImageError] = []
        with tempfile.TemporaryDirectory(prefix="freeda-") as folder:
            run = _Written(Path(folder), format_)
            for picture in pictures:
                try:
                    run.add(self._engine, picture, classes, client)
                except ImageError as error:
                    failed.append(ImageError(str(error).replace(str(picture.path), picture.name)))
            if len(failed) == len(pictures):
                raise failed[0]
            return run.archive(f"freeda-{format_}.zip", [str(error) for error in failed])


@dataclass(eq=False)
class _Written:
    """Pictures that were written in one format into a temporary folder.

    Attributes:
        folder: the folder.
        format: the format.
        files: of the format, for one of single pictures.
        pictures: for a format of a run.
        told: report of the last picture.
    """

    folder: Path
    format: str
    files: list[Path] = field(default_factory=list)
    pictures: list[RunPicture] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def add(self, engine: Engine, picture: ShelfPicture, classes: ClassList, client: str) -> None:
        """Label a picture and write it.

        Raises:
            BusyError: the bank shows another revision than for the first one.
        """
        made = engine.segment(picture.id, classes, client)
        path, out = self._linked(picture), self.folder / "out"
        (stem,) = result_stems(out, [path])
        name = LABELS if self.format in RUN_FORMATS else self.format
        named = replace(made, picture=replace(made.picture, source=path.name))
        result = Result(named, picture_hash(picture.path), (name,), file=path.name)
        told = report(result)
        if self.told and self.told["bank"] != told["bank"]:
            raise BusyError("the bank changed while the pictures were labelled; download them again.")
        self.told = told
        written = write_outputs(out, stem, result, [name, REPORT])[name]
        self.files.append(written)
        self.pictures.append(RunPicture.of(path, stem, written, told))

    def single(self) -> Download:
        """The only file."""
        file = _nameless_file()
        file.write(self.files[0].read_bytes())
        return _sent(self.files[0].name, file)

    def archive(self, name: str, failed: Sequence[str] = ()) -> Download:
        """All that was written, and what was not."""
        file = _nameless_file()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for path, place in self._packed():
                packed.write(path, place)
            if failed:
                packed.writestr(FAILED, "".join(f"{reason}\n" for reason in failed))
        return _sent(name, file)

    def _packed(self) -> Iterator[tuple[Path, str]]:
        """What belongs into the archive, with its places there."""
        if self.format not in RUN_FORMATS:
            yield from ((path, path.name) for path in self.files)
            return
        list(write_run(self.folder, Run.of(self.pictures, self.told, told=PICTURES), [self.format]))
        folders = [self.format] if self.format in _HOLD_PICTURES else [self.format, PICTURES]
        for folder in folders:
            for path in sorted((self.folder / folder).rglob("*")):
                if path.is_file() and path.name != LIST_NAME:
                    yield path, path.relative_to(self.folder).as_posix()

    def _linked(self, picture: ShelfPicture) -> Path:
        """The picture in a folder with the others, under a name that no other has."""
        folder, given = self.folder / PICTURES, Path(plain_name(picture.name))
        names = chain([given.name], (f"{given.stem}-{number}{given.suffix}" for number in count(2)))
        taken = {each.path.name.casefold() for each in self.pictures}
        name = next(name for name in names if name.casefold() not in taken)
        ExportFolder(folder).link(name, picture.path)
        return folder / name


def _nameless_file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _sent(name: str, file: IO[bytes]) -> Download:
    size = file.tell()
    file.seek(0)
    return Download(name, file, size)


def _require_known(format_: str) -> None:
    if format_ not in FORMATS and format_ not in RUN_FORMATS:
        known = ", ".join([*FORMATS, *RUN_FORMATS])
        raise RequestError(f"unknown output format '{format_[:40]}'; choose from {known}.")
