"""Names of classes written into their regions, where there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from freeda_segment.pixels.labelling import BACKGROUND

if TYPE_CHECKING:
    from PIL import Image

_INK, _HALO = (255, 255, 255), (25, 25, 25)
_LEAST_AREA = 0.02
"""Share of the picture from which a region is named."""
_LONGEST_SIDE = 512
"""Places are looked for at this size; a pixel more or less does not matter."""


@dataclass(frozen=True)
class Place:
    """Where a region is widest.

    Attributes:
        label: of its class.
        centre_xy: the point farthest from the region's outline, in pixels of the label map.
    """

    label: int
    centre_xy: tuple[int, int]


def draw_names(
    picture: Image.Image, labels: NDArray[np.int16], names: Sequence[str], *, font_size: int
) -> None:
    """Write the name of each large region into it, in place; names that would leave it are left out.

    Args:
        picture: RGB, of the size of the label map.
        labels: int16 (H, W), -1 for pixels of no class.
        names: by label.
        font_size: in pixels.
    """
    from PIL import ImageDraw

    from freeda_store.views.fonts import font_for

    pen = ImageDraw.Draw(picture)
    for place in widest_places(labels):
        name = names[place.label]
        font = font_for([name], font_size)
        box = pen.textbbox(place.centre_xy, name, font, anchor="mm", stroke_width=2)
        if _inside(labels, place.label, box):
            pen.text(place.centre_xy, name, _INK, font, anchor="mm", stroke_width=2, stroke_fill=_HALO)


def widest_places(labels: NDArray[np.int16]) -> Iterator[Place]:
    """For each large connected region of a class, the point that is farthest from its outline."""
    from scipy import ndimage
    from skimage.measure import label as connected

    step = max(1, -(-max(labels.shape) // _LONGEST_SIDE))
    small = labels[step // 2 :: step, step // 2 :: step] if step > 1 else labels
    if not small.size:
        return
    inner = np.pad(~outlines(small), 1)
    depth = ndimage.distance_transform_edt(inner)[1:-1, 1:-1]
    regions = connected(small, background=BACKGROUND, connectivity=1)
    sizes = np.bincount(regions.ravel())
    large = [int(region) for region in np.flatnonzero(sizes >= _LEAST_AREA * small.size) if region]
    for row, column in ndimage.maximum_position(depth, regions, large) if large else ():
        yield Place(int(small[row, column]), (int(column) * step + step // 2, int(row) * step + step // 2))


def outlines(labels: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour has another label: bool (H, W)."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge


def _inside(labels: NDArray[np.int16], label: int, box: tuple[float, float, float, float]) -> bool:
    """Whether a box of text lies in the picture and over one class."""
    left, top, right, bottom = (round(side) for side in box)
    height, width = labels.shape
    if left < 0 or top < 0 or right > width or bottom > height:
        return False
    return bool((labels[top:bottom, left:right] == label).all())
