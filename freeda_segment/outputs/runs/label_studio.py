"""Label Studio: tasks with predictions, as brush masks or as polygons, and the labelling interface for them.

Pictures are named as Label Studio's local storage serves them: ``/data/local-files/?d=`` and their place in
the run's root, which is the storage's document root.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from freeda_segment.outputs.instances import Instance
from freeda_segment.outputs.palette import hex_colours
from freeda_segment.outputs.runs.folder import ExportFolder
from freeda_segment.outputs.runs.pictures import Run, RunPicture
from freeda_store.files.own_files import GENERATOR, JSON_KEY

NAME = "tasks.json"
INTERFACE = "interface.xml"
_WORD_BITS = 8
_RUN_BITS = (3, 4, 8, 16)
"""Numbers of bits in which the length of a run may be written; a block says which of the four."""

Regions = Callable[[RunPicture, Run], Iterator[dict[str, Any]]]


def label_studio_files(run: Run) -> list[str]:
    """What :func:`write_label_studio` and :func:`write_label_studio_polygons` write."""
    del run
    return [NAME, INTERFACE]


def write_label_studio(folder: ExportFolder, run: Run) -> None:
    """Write ``tasks.json`` with a brush mask for each class of a picture, and ``interface.xml``.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    _write(folder, run, "BrushLabels", _brushes)


def write_label_studio_polygons(folder: ExportFolder, run: Run) -> None:
    """Write ``tasks.json`` with a polygon for each connected area, and ``interface.xml``.

    Raises:
        OutputError: a file cannot be written, or a label map cannot be read.
    """
    _write(folder, run, "PolygonLabels", _polygons)


def _write(folder: ExportFolder, run: Run, control: str, regions: Regions) -> None:
    with (
        folder.written_whole(NAME) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        between = "[\n"
        for picture in run.pictures:
            file.write(between + json.dumps(_task(picture, run, regions), ensure_ascii=False))
            between = ",\n"
        file.write("\n]\n")
    folder.write_text(INTERFACE, interface(run.names, control))


def interface(names: tuple[str, ...], control: str) -> str:
    """The labelling interface of a project, for its settings.

    Args:
        names: of the classes.
        control: ``BrushLabels`` or ``PolygonLabels``.
    """
    colours = hex_colours(len(names))
    labels = "".join(
        f'    <Label value={quoteattr(name)} background="{colour}"/>\n'
        for name, colour in zip(names, colours, strict=True)
    )
    return (
        f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <{control} name="label" toName="image">\n{labels}  </{control}>\n</View>\n'
    )


def _task(picture: RunPicture, run: Run, regions: Regions) -> dict[str, Any]:
    bank = run.provenance["bank"]
    known = [score for score in picture.scores if score is not None]
    placed = Placed("label", "image", (picture.height, picture.width), picture.sha256[:8])
    return {
        "meta": {JSON_KEY: GENERATOR},
        "data": {"image": f"/data/local-files/?d={quote(run.place(picture), errors='surrogateescape')}"},
        "predictions": [
            {
                "model_version": model_version(bank["address"], bank["revision"]),
                "score": sum(known) / len(known) if known else 0.0,
                "result": [placed.region(n, each) for n, each in enumerate(regions(picture, run))],
            }
        ],
    }


def model_version(bank: str, revision: int | None) -> str:
    """What Label Studio shows and keeps of where predictions come from."""
    return f"{GENERATOR} {bank}@{revision}"


@dataclass(frozen=True)
class Placed:
    """Where regions belong.

    Attributes:
        from_name, to_name: names of the tag of the labels and of the picture's, in the labelling interface.
        size_hw: of the picture, upright.
        ids: what the ids of the regions begin with.
    """

    from_name: str
    to_name: str
    size_hw: tuple[int, int]
    ids: str

    def region(self, number: int, kind_and_value: Mapping[str, Any]) -> dict[str, Any]:
        """A region, numbered within its picture, with what :func:`brush` or :func:`polygon` gave."""
        return {
            "id": f"{self.ids}-{number}",
            "from_name": self.from_name,
            "to_name": self.to_name,
            "original_width": self.size_hw[1],
            "original_height": self.size_hw[0],
            "image_rotation": 0,
            **kind_and_value,
        }


def brush(mask_hw: NDArray[np.bool_], label: str) -> dict[str, Any]:
    """A mask as a brush stroke: type and value of a region."""
    value = {"format": "rle", "rle": brush_rle(mask_hw), "brushlabels": [label]}
    return {"type": "brushlabels", "value": value}


def polygon(instance: Instance, size_hw: tuple[int, int], label: str) -> dict[str, Any]:
    """A connected area as a polygon: type and value of a region."""
    percent = instance.polygon() * (100 / size_hw[1], 100 / size_hw[0])
    points = np.round(np.clip(percent, 0, 100), 4).tolist()
    return {"type": "polygonlabels", "value": {"points": points, "closed": True, "polygonlabels": [label]}}


def _brushes(picture: RunPicture, run: Run) -> Iterator[dict[str, Any]]:
    labels = picture.labels()
    for index in np.unique(labels[labels >= 0]).tolist():
        yield brush(labels == index, run.names[index])


def _polygons(picture: RunPicture, run: Run) -> Iterator[dict[str, Any]]:
    for each in run.instances(picture):
        yield polygon(each, (picture.height, picture.width), run.names[each.label])


def brush_rle(mask_hw: NDArray[np.bool_]) -> list[int]:
    """A mask as Label Studio packs it: the RGBA bytes of its picture, run-length encoded bit by bit.

    The layout is that of thi.ng's rle-pack: 32 bits of the number of bytes, 5 of the word's size less one, 4
    times 4 of the sizes in which lengths are written less one; then for each run a 1, 2 bits that name the
    size, the length less one, and the byte.

    Args:
        mask_hw: bool (H, W).

    Returns:
        Bytes, 0..255.
    """
    flat = mask_hw.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = 4 * np.diff(np.concatenate([starts, [flat.size]]))
    values = np.where(flat[starts], 255, 0)
    most = 1 << _RUN_BITS[-1]
    pieces = -(-lengths // most)
    values = np.repeat(values, pieces)
    lasts = np.cumsum(pieces) - 1
    sizes = np.full(len(values), most)
    sizes[lasts] = lengths - (pieces - 1) * most
    kinds = np.searchsorted([1 << bits for bits in _RUN_BITS], sizes)
    bits = np.array(_RUN_BITS)[kinds]
    words = (0b100 | kinds) << bits | (sizes - 1)
    words = words << _WORD_BITS | values
    count = bits + 3 + _WORD_BITS
    header = np.unpackbits(np.array([4 * flat.size], dtype=">u4").view(np.uint8))
    widths = [(_WORD_BITS - 1, 5), *((each - 1, 4) for each in _RUN_BITS)]
    header = np.concatenate([header, *(_bits(number, width) for number, width in widths)])
    return [int(byte) for byte in np.packbits(np.concatenate([header, _packed(words, count)]))]


def _bits(number: int, width: int) -> NDArray[np.uint8]:
    return np.array([number >> place & 1 for place in reversed(range(width))], dtype=np.uint8)


def _packed(words: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The lowest bits of numbers below 2**32, so many of each, one after another."""
    aligned = (words << (32 - count)).astype(">u4")
    bits = np.unpackbits(aligned.view(np.uint8)).reshape(-1, 32)
    chosen: NDArray[np.uint8] = bits[np.arange(32) < count[:, None]]
    return chosen
