"""How exactly datumaro reads the COCO formats of a run: overlap with the label maps, class by class.

It needs an environment of its own, for datumaro asks for an older Pillow than freeda::

    python -m venv /tmp/datumaro && /tmp/datumaro/bin/pip install datumaro
    freeda segment photos/ -c "red car,tree,grass,sky" --bank demo-bank --out out --format coco,coco-panoptic
    /tmp/datumaro/bin/python benchmarks/read_by_datumaro.py out photos
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LAYOUTS = {
    "coco": ("coco/annotations.json", "instances_default"),
    "coco-panoptic": ("coco-panoptic/panoptic.json", "panoptic_default"),
}


def main(out: Path, photos: Path) -> None:
    for format_, (document, name) in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            items = read(Path(folder), out / document, photos, name)
            inside, all_ = np.zeros(2, dtype=np.int64)
            for stem, masks in items:
                labels, names = truth(out / f"{stem}.labels.png")
                for index, class_ in enumerate(names):
                    mask = masks.get(class_, np.zeros(labels.shape, bool))
                    inside += (mask & (labels == index)).sum()
                    all_ += (mask | (labels == index)).sum()
            print(f"{format_}: {len(items)} pictures, overlap {inside / all_:.4f}")


def read(folder: Path, document: Path, photos: Path, name: str) -> list[tuple[str, dict[str, Any]]]:
    """The layout that datumaro finds by itself, read: masks by class for each picture."""
    import datumaro
    from pycocotools import mask as rle

    (folder / "annotations").mkdir()
    (folder / "images").symlink_to(photos.resolve())
    shutil.copy(document, folder / "annotations" / f"{name}.json")
    if (document.parent / "panoptic").is_dir():
        shutil.copytree(document.parent / "panoptic", folder / "annotations" / name)
    found = datumaro.Dataset.import_from(str(folder), "coco")
    classes = [each.name for each in found.categories()[datumaro.AnnotationType.label]]
    items = []
    for item in found:
        height, width = item.media.size
        masks: dict[str, Any] = {}
        for each in item.annotations:
            if each.type == datumaro.AnnotationType.polygon:
                mask = rle.decode(rle.merge(rle.frPyObjects([each.points], height, width))).astype(bool)
            elif each.type == datumaro.AnnotationType.mask:
                mask = np.asarray(each.image, dtype=bool)
            else:
                continue
            class_ = classes[each.label]
            masks[class_] = masks.get(class_, False) | mask
        items.append((Path(item.id).name, masks))
    return items


def truth(path: Path) -> tuple[Any, list[str]]:
    with Image.open(path) as picture:
        return np.asarray(picture), json.loads(picture.text["freeda:classes"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
