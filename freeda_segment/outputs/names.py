"""What the results of a picture are called.

A picture's own stem, where it is free: ``car.png`` becomes ``car.overlay.png``. A name belongs to the
picture that the report there names, so ``car.jpg``, segmented later into the same folder, becomes
``car-jpg.overlay.png``, and both keep their names whatever is segmented after them. A JSON file that is
no report of ours is left alone, and its name with it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from freeda_segment.errors import ImageError
from freeda_segment.images import picture_hash
from freeda_segment.outputs.formats import FORMATS, output_paths
from freeda_segment.outputs.report import read_report
from freeda_segment.outputs.resume import REPORT

_EXPLAINED = ".explain"
"""``freeda explain`` writes ``car.explain.json`` beside the report ``car.json``."""

_SHADOWING = (
    _EXPLAINED,
    *(
        longer.suffix.removesuffix(shorter.suffix)
        for longer in FORMATS.values()
        for shorter in FORMATS.values()
        if longer is not shorter and longer.suffix.endswith(shorter.suffix)
    ),
)
"""Ends of stems that make one picture's file another's: the report of ``car.coco.png`` would be
``car.coco.json``, which is the RLE file of ``car.png``."""


def result_stems(folder: str | Path, pictures: Sequence[Path]) -> list[str]:
    """A name for the results of each picture, without the formats' endings.

    The name that a report in the folder says is the picture's: that of the same file, or else of the
    same content. Without one, the picture's stem if no report has it and no other picture of the call;
    otherwise the stem and the ending (``car-jpg``), and a number where that is not enough
    (``car-jpg-2``). Names that differ only in case count as equal, as on some file systems.

    Args:
        folder: where the results go; it need not exist.
        pictures: their files, each once.
    """
    times = Counter(picture.stem.casefold() for picture in pictures)
    stems: dict[int, str] = {}
    taken: set[str] = set()

    def take(index: int, stem: str) -> None:
        stems[index] = stem
        taken.add(stem.casefold())

    for owns in (_is_of_file, _is_of_content):
        for index, picture in enumerate(pictures):
            if index not in stems:
                for stem, report in _recorded(folder, picture):
                    if stem.casefold() not in taken and owns(report, picture, folder):
                        take(index, stem)
                        break
    for index, picture in enumerate(pictures):
        if index not in stems:
            alone = times[picture.stem.casefold()] == 1
            names = (name for name in _names(picture) if alone or name != picture.stem or not picture.suffix)
            free = (n for n in names if n.casefold() not in taken and not _report_path(folder, n).exists())
            take(index, next(free))
    return [stems[index] for index in range(len(pictures))]


def explanation_stem(folder: str | Path, picture: Path, results: str = "") -> str:
    """A name for the explanation of a picture, without ``.explain.html``.

    The name of its last explanation in the folder, or else of its results there, so that they lie side
    by side; a new one is neither another picture's explanation nor another picture's results.

    Args:
        folder: where the explanation goes; it need not exist.
        picture: its file.
        results: the name of its results there, where it is known.
    """
    for place in (_explanation_path, _report_path):
        if place is _report_path and results and not _explanation_path(folder, results).exists():
            return results
        for owns in (_is_of_file, _is_of_content):
            for stem, told in _recorded(folder, picture, place):
                free = place is _explanation_path or not _explanation_path(folder, stem).exists()
                if free and owns(told, picture, folder):
                    return stem
    places = (_explanation_path, _report_path)
    return next(n for n in _names(picture) if not any(place(folder, n).exists() for place in places))


def picture_place(picture: str | Path, folder: str | Path) -> str:
    """Where a picture lies as seen from the folder of its results: both may be moved together."""
    path, base = Path(os.path.realpath(picture)), Path(os.path.realpath(folder))
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def _names(picture: Path) -> Iterator[str]:
    """The names that a picture's results may have, the best first; never the end of them."""
    ending = picture.suffix.lstrip(".")
    long = f"{picture.stem}-{ending}" if ending else picture.stem
    if not picture.stem.casefold().endswith(_SHADOWING):
        yield picture.stem
    if long != picture.stem:
        yield long
    for number in count(2):
        yield f"{long}-{number}"


def _report_path(folder: str | Path, stem: str) -> Path:
    return output_paths(folder, stem, [REPORT])[REPORT]


def _explanation_path(folder: str | Path, stem: str) -> Path:
    return Path(folder) / f"{stem}{_EXPLAINED}.json"


def _recorded(
    folder: str | Path, picture: Path, place: Callable[[str | Path, str], Path] = _report_path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names that have a report, with what it says of its picture."""
    for number, stem in enumerate(_names(picture)):
        path = place(folder, stem)
        report = read_report(path)
        told = report.get("picture") if report is not None else None
        if isinstance(told, dict):
            yield stem, told
        elif number > 1 and not path.exists():
            return


def _is_of_file(told: Mapping[str, Any], picture: Path, folder: str | Path) -> bool:
    """Reports of older versions say only how the picture was named when it was segmented."""
    if told.get("file"):
        return bool(told["file"] == picture_place(picture, folder))
    return bool(told.get("source") == str(picture))


def _is_of_content(told: Mapping[str, Any], picture: Path, folder: str | Path) -> bool:
    del folder
    try:
        return bool(told.get("sha256")) and told["sha256"] == picture_hash(picture)
    except ImageError:  # whoever opens the picture will say so
        return False
