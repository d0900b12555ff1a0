"""The same two pictures, labelled in every format that is read."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from learn_fakes import SIZE_HW, scene
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = SIZE_HW
BOX = (8, 6, 24, 22)
"""Left, top, right, bottom of the labelled square, stops excluded."""

CORNERS = [8, 6, 24, 6, 24, 22, 8, 22]


def square() -> NDArray[np.bool_]:
    mask = np.zeros(SIZE_HW, dtype=np.bool_)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    return mask


@dataclass(frozen=True)
class Labelled:
    """Where pictures and labels are."""

    pictures: Path
    labels: Path
    classes: Path | None = None


def write_pictures(folder: Path, names: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        Image.fromarray(scene("red", "green", noise=5, seed=seed)).save(folder / name)
    return folder


def _coco(segmentation: Any, tmp: Path) -> Labelled:
    images = [
        {
            "id": number,
            "file_name": name,
            "height": HEIGHT,
            "width": WIDTH,
            "license": 1,
            "coco_url": f"https://x.org/{name}",
        }
        for number, name in enumerate(("a.png", "b.png"))
    ]
    annotations = [
        {"id": 70 + number, "image_id": number, "category_id": 3, "segmentation": segmentation, "iscrowd": 0}
        for number in range(2)
    ]
    values = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "box"}],
        "licenses": [{"id": 1, "name": "CC0"}],
    }
    (tmp / "coco.json").write_text(json.dumps(values))
    return Labelled(write_pictures(tmp / "pictures"), tmp / "coco.json")


def coco_polygons(tmp: Path) -> Labelled:
    return _coco([CORNERS], tmp)


def coco_text_runs(tmp: Path) -> Labelled:
    runs = coco_mask.encode(np.asfortranarray(square().astype(np.uint8)))
    return _coco({"size": list(SIZE_HW), "counts": runs["counts"].decode()}, tmp)


def coco_number_runs(tmp: Path) -> Labelled:
    flat = square().T.ravel()
    borders = np.flatnonzero(np.diff(flat.astype(int))) + 1
    counts = np.diff([0, *borders, flat.size]).tolist()
    return _coco({"size": list(SIZE_HW), "counts": counts}, tmp)


def coco_panoptic(tmp: Path) -> Labelled:
    ids = np.where(square(), 70_001, 5)
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    (tmp / "panoptic").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(rgb).save(tmp / "panoptic" / name)
    values = {
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for number, name in enumerate(("a.png", "b.png"))
        ],
        "annotations": [
            {"image_id": number, "file_name": name, "segments_info": [{"id": 70_001, "category_id": 3}]}
            for number, name in enumerate(("a.png", "b.png"))
        ],
        "categories": [{"id": 3, "name": "box"}],
    }
    (tmp / "panoptic.json").write_text(json.dumps(values))
    return Labelled(write_pictures(tmp / "pictures"), tmp / "panoptic.json")


def indexed(tmp: Path) -> Labelled:
    (tmp / "masks").mkdir()
    for name in ("a_labels.png", "b.png"):
        picture = Image.fromarray(np.where(square(), 1, 0).astype(np.uint8), mode="P")
        picture.putpalette([0, 0, 0, 200, 0, 0])
        picture.save(tmp / "masks" / name)
    (tmp / "classes.txt").write_text("background\nbox\n")
    return Labelled(write_pictures(tmp / "pictures"), tmp / "masks")


def labelme(tmp: Path) -> Labelled:
    (tmp / "labels").mkdir()
    crop = io.BytesIO()
    Image.fromarray(np.full((16, 16), 255, dtype=np.uint8)).save(crop, "PNG")
    shapes = {
        "a": {"label": "box", "points": [[8, 6], [24, 6], [24, 22], [8, 22]], "shape_type": "polygon"},
        "b": {
            "label": "box",
            "points": [[8, 6], [23, 21]],
            "shape_type": "mask",
            "mask": base64.b64encode(crop.getvalue()).decode(),
        },
    }
    for name, shape in shapes.items():
        values = {
            "shapes": [shape],
            "imagePath": f"..\\x\\{name}.png",
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        (tmp / "labels" / f"{name}.json").write_text(json.dumps(values))
    return Labelled(write_pictures(tmp / "pictures"), tmp / "labels")


def yolo(tmp: Path) -> Labelled:
    (tmp / "labels").mkdir()
    shares = [value / (WIDTH, HEIGHT)[place % 2] for place, value in enumerate(CORNERS)]
    for name in "ab":
        (tmp / "labels" / f"{name}.txt").write_text(f"1 {' '.join(map(str, shares))}\n\n")
    (tmp / "data.yaml").write_text("train: images\nnames:\n  0: lawn\n  1: box\n")
    return Labelled(write_pictures(tmp / "pictures"), tmp / "labels")


def pack_brush(mask: NDArray[np.bool_], *, same: bool = True) -> list[int]:
    """A mask as Label Studio packs brush strokes."""
    values = np.repeat(mask.ravel().astype(int) * 255, 4)
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in (3, 4, 8, 16))]
    place = 0
    while place < len(values):
        stop = place + 1
        while same and stop < len(values) and values[stop] == values[place] and stop - place < 2**16:
            stop += 1
        if not same:
            stop = min(place + 5, len(values))
        length = stop - place - 1
        kind, size = (0, 3) if length < 8 else (3, 16)
        told = [values[place]] if same else values[place:stop]
        bits += [str(int(same)), f"{kind:02b}", f"{length:0{size}b}", *(f"{value:08b}" for value in told)]
        place = stop
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


def label_studio(tmp: Path) -> Labelled:
    percents = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in zip(CORNERS[::2], CORNERS[1::2], strict=True)]
    values: dict[str, dict[str, Any]] = {
        "a": {"points": percents, "polygonlabels": ["box"]},
        "b": {"format": "rle", "rle": pack_brush(square()), "brushlabels": ["box"]},
    }
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0af3-{name}.png"},
            "annotations": [
                {
                    "result": [
                        {"id": "r1", "original_width": WIDTH, "original_height": HEIGHT, "value": value},
                        {"type": "choices", "value": {"choices": ["good"]}},
                    ]
                }
            ],
        }
        for number, (name, value) in enumerate(values.items())
    ]
    (tmp / "export.json").write_text(json.dumps(tasks))
    return Labelled(write_pictures(tmp / "pictures"), tmp / "export.json")


FORMATS: dict[str, Callable[[Path], Labelled]] = {
    made.__name__: made
    for made in (
        coco_polygons,
        coco_text_runs,
        coco_number_runs,
        coco_panoptic,
        indexed,
        labelme,
        yolo,
        label_studio,
    )
}
