"""Learning from pictures: a thing that a person marked becomes prototypes of its class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from freeda_learn import (
    Example,
    Learner,
    LearnOptions,
    LearnReport,
    Marks,
    RegionLimits,
    UnlabelledPicture,
    new_bank,
    open_learner,
)
from freeda_learn.examples import class_name

if TYPE_CHECKING:
    from freeda_models.presets import Preset
    from freeda_models.protocols import BoolArray, ImageArray

__all__ = [
    "Example",
    "LearnOptions",
    "LearnReport",
    "Learner",
    "Marks",
    "RegionLimits",
    "UnlabelledPicture",
    "learn",
    "learn_unlabelled",
    "new_bank",
    "open_learner",
]


def learn(
    picture: ImageArray | str | Path,
    name: str,
    *,
    bank: str | Path,
    at: Sequence[tuple[int, int]] = (),
    boxes: Sequence[tuple[int, int, int, int]] = (),
    not_at: Sequence[tuple[int, int]] = (),
    mask: BoolArray | None = None,
    whole: bool = False,
    preset: str | Preset | None = None,
    device: str = "auto",
    options: LearnOptions | None = None,
) -> LearnReport:
    """Teach a bank what a class looks like, by what is marked in one picture.

    For several pictures, :func:`open_learner` opens bank and networks once.

    Args:
        picture: a path, or uint8 (H, W, 3) RGB.
        name: of the class.
        bank: a folder or the name of a profile; :func:`new_bank` makes one.
        at: columns and rows of pixels; the region under each is meant.
        boxes: left, top, right, bottom; what fills each is meant.
        not_at: pixels in regions that are not meant.
        mask: bool (H, W), what is meant.
        whole: the whole picture is meant.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        options: who, message, thumbnails.

    Raises:
        MarkError: nothing is marked.
        FreedaError: the name, the bank or its networks; see :func:`open_learner`.
    """
    marks = Marks(tuple(at), tuple(boxes), tuple(not_at), mask, whole=whole)
    place = Path(picture) if isinstance(picture, str | Path) else picture
    example = Example(place, class_name(name), marks)
    with open_learner(bank, preset, device=device) as learner:
        return learner.learn([example], options or LearnOptions())


def learn_unlabelled(
    pictures: Sequence[ImageArray | str | Path | UnlabelledPicture],
    *,
    bank: str | Path,
    limits: RegionLimits | None = None,
    preset: str | Preset | None = None,
    device: str = "auto",
    options: LearnOptions | None = None,
) -> LearnReport:
    """Keep the regions of pictures without a name, for retrieval from regions.

    No class name finds them; with ``retrieval="both"`` or ``"regions"`` they are among a region's neighbours.

    Args:
        pictures: paths, or uint8 (H, W, 3) RGB; what cannot be read is counted and named in the report.
        bank: a folder or the name of a profile; :func:`new_bank` makes one.
        limits: which regions of a picture are kept; the largest 20 of at least 1 % of it if None.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        options: who, message, thumbnails.

    Raises:
        FreedaError: the bank or its networks; see :func:`open_learner`.
    """
    items = [Path(each) if isinstance(each, str) else each for each in pictures]
    with open_learner(bank, preset, device=device) as learner:
        chosen = options or LearnOptions()
        return learner.learn_unlabelled(items, chosen, limits=limits or RegionLimits())
