"""Small data sets in each documented layout, and a labeller that reads classes off colours."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypedDict

import numpy as np
from PIL import Image

BLOCK = 16
_STEP = 18


def colour_of(index: int) -> tuple[int, int, int]:
    """A colour that survives JPEG well enough for its class to be read back."""
    return (index // 14) * _STEP + _STEP // 2, (index % 14) * _STEP + _STEP // 2, 128


class ColourLabeller:
    """The class that a pixel's colour stands for."""

    def __call__(self, image_hwc: Any) -> Any:
        levels = image_hwc[:, :, :2].astype(int) // _STEP
        return levels[:, :, 0] * 14 + levels[:, :, 1]


@dataclass(frozen=True)
class ColourRecipe:
    """Makes colour labellers, also in other processes."""

    def make(self) -> ColourLabeller:
        return ColourLabeller()


@dataclass
class Mortal:
    """A colour labeller whose process is killed at its n-th picture."""

    lives: int
    labeller: ColourLabeller = field(default_factory=ColourLabeller)

    def __call__(self, image_hwc: Any) -> Any:
        self.lives -= 1
        if self.lives < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.labeller(image_hwc)


@dataclass(frozen=True)
class MortalRecipe:
    """Makes mortal labellers."""

    lives: int

    def make(self) -> Mortal:
        return Mortal(self.lives)


def blocks(values: Sequence[Sequence[Any]]) -> np.ndarray:
    """Each value as a block of pixels."""
    return np.kron(np.array(values), np.ones((BLOCK, BLOCK), dtype=int)).astype(np.uint8)


def write_picture(path: Path, classes: Sequence[Sequence[int]]) -> None:
    """A picture whose colours stand for classes, as JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.stack(
        [blocks([[colour_of(i)[c] for i in row] for row in classes]) for c in range(3)], axis=-1
    )
    options: dict[str, Any] = {"quality": 98, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(pixels).save(path, **options)


def write_truth(path: Path, labels: Sequence[Sequence[int]], *, palette: bool = False) -> None:
    """A label map, grey or with a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(blocks(labels))
    if palette:
        picture.putpalette([channel for index in range(256) for channel in (index, 255 - index, 7)])
    picture.save(path)


@dataclass(frozen=True)
class Layout:
    """One picture of a data set, with what its counts must come to, worked out by hand.

    Attributes:
        dataset: its name.
        image, truth: paths under the root.
        split: the split file and its text, empty for none.
        labels: the numbers of the truth file, a block each.
        seen: the class that the labeller will see in each block.
        iou: of classes by index; those not named have none.
        mean_iou, accuracy: of the whole.
        palette: whether the truth is stored with a palette.
    """

    dataset: str
    image: str
    truth: str
    split: Mapping[str, str]
    labels: Sequence[Sequence[int]]
    seen: Sequence[Sequence[int]]
    iou: Mapping[int, float]
    mean_iou: float
    accuracy: float
    palette: bool = False

    def write(self, root: Path) -> None:
        """Make the data set."""
        write_picture(root / self.image, self.seen)
        write_truth(root / self.truth, self.labels, palette=self.palette)
        for name, text in self.split.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)


class _Files(TypedDict, total=False):
    """Files of a data set that two layouts share."""

    image: Required[str]
    truth: Required[str]
    split: Required[Mapping[str, str]]
    palette: bool


_VOC: _Files = {
    "image": "JPEGImages/2007_000033.jpg",
    "truth": "SegmentationClass/2007_000033.png",
    "split": {"ImageSets/Segmentation/val.txt": "2007_000033\n"},
    "palette": True,
}
_CONTEXT: _Files = {
    "image": "JPEGImages/2008_000002.jpg",
    "truth": "SegmentationClassContext/2008_000002.png",
    "split": {"ImageSets/SegmentationContext/val.txt": "2008_000002\n"},
}

LAYOUTS = (
    # Background and border are not counted; of two counted blocks, both seen as aeroplane, one is.
    Layout(
        "voc20",
        **_VOC,
        labels=[[0, 1], [2, 255]],
        seen=[[5, 0], [0, 3]],
        iou={0: 0.5, 1: 0},
        mean_iou=0.25,
        accuracy=0.5,
    ),
    # Background is class 0: a hit, and a false one on bicycle.
    Layout(
        "voc21",
        **_VOC,
        labels=[[0, 1], [2, 255]],
        seen=[[0, 1], [0, 4]],
        iou={0: 0.5, 1: 1, 2: 0},
        mean_iou=0.5,
        accuracy=2 / 3,
    ),
    # Seen where it is not counted, class 3 has no IoU; class 2, seen and nowhere true, has 0.
    Layout(
        "context59",
        **_CONTEXT,
        labels=[[0, 1], [59, 1]],
        seen=[[3, 0], [58, 2]],
        iou={0: 0.5, 2: 0, 58: 1},
        mean_iou=0.5,
        accuracy=2 / 3,
    ),
    Layout(
        "context60",
        **_CONTEXT,
        labels=[[0, 1], [59, 0]],
        seen=[[0, 1], [59, 1]],
        iou={0: 0.5, 1: 0.5, 59: 1},
        mean_iou=2 / 3,
        accuracy=0.75,
    ),
    # 0 is the first class, 255 is not counted.
    Layout(
        "coco-stuff",
        image="images/val2017/000000000139.jpg",
        truth="annotations/val2017/000000000139_labelTrainIds.png",
        split={},
        labels=[[0, 170], [255, 170]],
        seen=[[0, 170], [1, 0]],
        iou={0: 0.5, 170: 0.5},
        mean_iou=0.5,
        accuracy=2 / 3,
    ),
    Layout(
        "coco-object",
        image="images/val2017/000000000139.jpg",
        truth="annotations/val2017/000000000139_instanceTrainIds.png",
        split={},
        labels=[[0, 1], [80, 0]],
        seen=[[0, 1], [80, 80]],
        iou={0: 0.5, 1: 1, 80: 0.5},
        mean_iou=2 / 3,
        accuracy=0.75,
    ),
    Layout(
        "cityscapes",
        image="leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png",
        truth="gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelTrainIds.png",
        split={},
        labels=[[0, 18], [255, 10]],
        seen=[[0, 18], [3, 18]],
        iou={0: 1, 10: 0, 18: 0.5},
        mean_iou=0.5,
        accuracy=2 / 3,
    ),
    Layout(
        "ade20k",
        image="images/validation/ADE_val_00000001.jpg",
        truth="annotations/validation/ADE_val_00000001.png",
        split={},
        labels=[[0, 1], [150, 2]],
        seen=[[7, 0], [149, 0]],
        iou={0: 0.5, 1: 0, 149: 1},
        mean_iou=0.5,
        accuracy=2 / 3,
    ),
)


def write_stuff(root: Path, pictures: int) -> None:
    """COCO-Stuff of several pictures; the n-th has class n on the left, seen right in its upper half."""
    for number in range(pictures):
        write_picture(root / f"images/val2017/{number:012d}.jpg", [[number, 99], [100, 99]])
        write_truth(
            root / f"annotations/val2017/{number:012d}_labelTrainIds.png", [[number, 99], [number, 99]]
        )
