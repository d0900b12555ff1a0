"""The result of labelling one picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, LabelArray
from freeda_segment.classes import ClassName
from freeda_segment.encoding import EncodedWindow
from freeda_segment.errors import OptionError
from freeda_segment.explain.explanation import SHOWN, Explanation, VectorSource, explain_pixels, region_mask
from freeda_segment.images import Picture
from freeda_segment.outputs import DEFAULT_FORMATS, Result, picture_place, result_stems, write_fresh
from freeda_segment.outputs.detections import to_detections
from freeda_segment.outputs.overlay import OverlayStyle, draw_overlay
from freeda_segment.outputs.rle import coco_document
from freeda_segment.pixels.background import OTHER
from freeda_segment.pixels.confidence import Sureness, sureness
from freeda_segment.pixels.labelling import BACKGROUND, LabelledPixels, LabelMap, LabelRequest, label_pixels
from freeda_segment.regions.similarity import WindowScores
from freeda_segment.regions.windows import Box, central_window
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_store.files.own_files import file_ids

if TYPE_CHECKING:
    from PIL import Image
    from supervision import Detections

    from freeda_segment.neighbourhood import Asked

Setting = str | int | float | None

_COUNTED_PIXELS = 500_000
_SHOWN_CLASSES = 8
_TOLD = 0.25
_NOTEBOOK = OverlayStyle(least_side=480, most_side=960)


@dataclass(frozen=True)
class ClassShare:
    """What one class got of a picture.

    Attributes:
        index: its label.
        name: what it is called.
        pixels: how many it won.
        area: their share of the picture, 0..1.
        score: mean final score over them; None when it won none.
    """

    index: int
    name: str
    pixels: int
    area: float
    score: float | None


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Attributes:
        bank: address of the bank.
        revision: number of the revision it showed, None before its first commit.
        committed_at: when that revision was committed; distinguishes a bank from one remade in its place.
        models: model names by role.
        settings: every setting that shaped the result.
    """

    bank: str = ""
    revision: int | None = None
    committed_at: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What explaining needs beyond the scores; kept only when asked for.

    Attributes:
        prototypes: the classes with the prototypes behind them.
        encoded: the windows' features, in the order of the request; shared with the encoded picture.
        asked: what the neighbours of regions said; None where they were not asked.
    """

    prototypes: ClassPrototypes
    encoded: tuple[EncodedWindow, ...]
    asked: Asked | None = None


@dataclass(frozen=True)
class RegionPlace:
    """One superpixel: its window, and its label there (-1 when the pixel is in no superpixel)."""

    window: int
    label: int


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """A labelled picture.

    Attributes:
        picture: that was labelled; its pixels are those that were given, not a copy.
        labels: int16 (H, W) at the original size; index into ``class_names``, -1 for background.
        classes: by label.
        shares: what each class got, by label.
        background_area: share of the picture that no class got, 0..1.
        region_map: int32 (h, w) at working size; regions numbered through all windows, each
            pixel taking that of the window in which it lies most centrally; -1 for none.
        request: what was labelled: the scores per superpixel and per patch, from which scores of pixels
            are made when they are asked for.
        evidence: for explaining; None unless it was asked for with ``keep_evidence``.
        provenance: bank, revision, models and settings.
        notes: what a person should know, e.g. classes that the preset's models do not know.
    """

    picture: Picture
    labels: LabelMap
    classes: tuple[ClassName, ...]
    shares: tuple[ClassShare, ...]
    background_area: float
    region_map: LabelArray
    request: LabelRequest
    evidence: Evidence | None = None
    provenance: Provenance = Provenance()
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return tuple(each.name for each in self.classes)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self.labels.shape[0], self.labels.shape[1]

    @cached_property
    def sureness(self) -> Sureness | None:
        """How sure the labels are; made when first asked for. None where the bank gives no measure of it."""
        return sureness(self.request)

    @property
    def doubt(self) -> str:
        """That most of the picture is a guess, and why, as a sentence; empty where it is not."""
        return "" if self.sureness is None else self.sureness.doubt(self.labels)

    @cached_property
    def scores(self) -> FloatArray:
        """float32 (H, W), score of the best class, also where background won; made when first asked for."""
        return label_pixels(self.request).scores

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and the doubt where there is one."""
        return (*self.notes, *filter(None, [self.doubt]))

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where a class is, or with ``other`` where none is, unless a class is called so: bool (H, W).

        Raises:
            OptionError: there is no such class.
        """
        if name == OTHER and name not in self.class_names:
            none: NDArray[np.bool_] = self.labels == BACKGROUND
            return none
        if name not in self.class_names:
            raise OptionError(
                f"there is no class '{name}'; the classes are {', '.join(self.class_names)}, and "
                f"'{OTHER}' for no class."
            )
        found: NDArray[np.bool_] = self.labels == self.class_names.index(name)
        return found

    def overlay(self, style: OverlayStyle | None = None) -> Image.Image:
        """The picture under the colours of its classes, with a legend: an RGB Pillow picture."""
        return draw_overlay(Result(self), style or OverlayStyle())

    def save(
        self,
        folder: str | Path,
        formats: Sequence[str] = DEFAULT_FORMATS,
        *,
        name: str | None = None,
        force: bool = False,
    ) -> dict[str, Path]:
        """Write the result as files, its report always with them.

        Args:
            folder: made if it does not exist.
            formats: names of :data:`freeda_segment.outputs.FORMATS`.
            name: of the files, without their endings; by default that of the picture's file, or one like
                it where results of another picture have it.
            force: replace also files that freeda did not write.

        Returns:
            Where each format was written.

        Raises:
            OptionError: a format is unknown; the picture came from no file and no name is given; the name
                is a path.
            OverwriteError: a file of somebody else is in the place of one; nothing is written.
            OutputError: a file cannot be written.
        """
        source = self.picture.source
        if name is None and not source:
            raise OptionError(
                "the picture came from no file; name its results, as in save(folder, name='street')."
            )
        if name is not None and (not name or Path(name).name != name):
            raise OptionError(f"'{name}' is no name of files; give one without folders, such as 'street'.")
        stem = result_stems(folder, [Path(source)])[0] if name is None else name
        result = Result(self, file=picture_place(source, folder) if source else "")
        return write_fresh(folder, stem, result, formats, force=force, inputs=file_ids([source]))

    def to_coco(self) -> dict[str, Any]:
        """A COCO document as JSON values, one run-length encoded mask for each class that the picture has."""
        return coco_document(Result(self))

    def to_supervision(self) -> Detections:
        """``supervision.Detections``: mask, box and score of each class that the picture has.

        Raises:
            PackageMissingError: supervision is not installed.
        """
        return to_detections(self)

    def summary(self) -> str:
        """``grass 43.1%, sky 30.0%, red car 12.5% (31% guessed)``, the largest first."""
        found = sorted((share for share in self.shares if share.pixels), key=lambda share: -share.pixels)
        parts = [f"{share.name} {share.area:.1%}" for share in found[:_SHOWN_CLASSES]]
        more = len(found) - _SHOWN_CLASSES
        if more > 0:
            parts.append(f"and {more} more {'class' if more == 1 else 'classes'}")
        if self.background_area:
            parts.append(f"{OTHER} {self.background_area:.1%}")
        return ", ".join(parts) + self._guesses()

    def _guesses(self) -> str:
        """How much is unsure, where it is worth a word."""
        if self.sureness is None:
            return ""
        shares = {"unlike anything in the bank": self.sureness.unlike}
        shares["guessed"] = self.sureness.guessed(self.labels)
        told = [f"{share:.0%} {what}" for what, share in shares.items() if share >= _TOLD]
        return f" ({', '.join(told)})" if told else ""

    def __repr__(self) -> str:
        height, width = self.size_hw
        revision = "" if self.provenance.revision is None else f" revision {self.provenance.revision}"
        told = f"<Segmentation {width} x {height}: {self.summary()}; bank {self.provenance.bank}{revision}>"
        return " ".join(told.split())

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.overlay(_NOTEBOOK).save(buffer, format="PNG")
        return buffer.getvalue()

    def region_at(self, x: int, y: int) -> RegionPlace:
        """The superpixel at a pixel of the original picture.

        Raises:
            OptionError: the pixel lies outside.
        """
        row, column = self._working_pixel(x, y)
        window = int(central_window(self._working_hw, self.request.boxes)[row, column])
        box = self.request.boxes[window]
        return RegionPlace(window, int(self.request.windows[window].labels[row - box.top, column - box.left]))

    def explain(
        self, region: RegionPlace, bank: VectorSource | None = None, shown: int = SHOWN
    ) -> Explanation:
        """Why a superpixel has its label: scores, runner-up, and the prototypes behind both.

        Args:
            region: as :meth:`region_at` or :meth:`largest_regions` give it.
            bank: when given, the visual similarity of the region and each prototype is computed.
            shown: prototypes per class at most.

        Raises:
            OptionError: the region has no pixel, or is none (use :meth:`explain_at` for a pixel), or the
                result kept no evidence.
        """
        known = 0 <= region.window < len(self.request.windows) and region.label >= 0
        mask = region_mask(self.request, region) if known else None
        if mask is None or not mask.any():
            raise OptionError(f"there is no region {region}; ask region_at for one, or explain_at a pixel.")
        return explain_pixels(self, region, mask, bank, shown)

    def explain_at(self, x: int, y: int, bank: VectorSource | None = None, shown: int = SHOWN) -> Explanation:
        """Why the superpixel at a pixel of the original picture has its label; a pixel that is in no
        superpixel is explained alone.

        Raises:
            OptionError: the pixel lies outside, or the result kept no evidence.
        """
        return explain_pixels(self, self.region_at(x, y), self.mask_at(x, y), bank, shown)

    def mask_at(self, x: int, y: int) -> BoolArray:
        """The superpixel at a pixel of the original picture, or that pixel alone: bool (h, w), working size.

        Raises:
            OptionError: the pixel lies outside.
        """
        place = self.region_at(x, y)
        if place.label >= 0:
            return region_mask(self.request, place)
        mask = np.zeros(self._working_hw, dtype=np.bool_)
        mask[self._working_pixel(x, y)] = True
        return mask

    def largest_regions(self, most: int) -> list[tuple[int, int]]:
        """A pixel (x, y) in the largest region of each class that the picture has, largest class first.

        Without superpixels it is a pixel of the class; where the picture has no class, one of other.

        Args:
            most: how many classes at most.
        """
        present = sorted((share for share in self.shares if share.pixels), key=lambda share: -share.pixels)
        return [
            self._telling_pixel(index) for index in [share.index for share in present[:most]] or [BACKGROUND]
        ]

    def _telling_pixel(self, index: int) -> tuple[int, int]:
        rows, columns = np.nonzero(self.labels == index)
        height, width = self.size_hw
        high, wide = self._working_hw
        regions = self.region_map[rows * high // height, columns * wide // width]
        largest = int(np.bincount(regions + 1).argmax()) - 1
        inside = np.flatnonzero(regions == largest)
        middle = inside[len(inside) // 2]
        return int(columns[middle]), int(rows[middle])

    @property
    def _working_hw(self) -> tuple[int, int]:
        return self.region_map.shape[0], self.region_map.shape[1]

    def _working_pixel(self, x: int, y: int) -> tuple[int, int]:
        """Row and column of the working picture under a pixel of the original.

        Raises:
            OptionError: the pixel lies outside.
        """
        height, width = self.size_hw
        if not (0 <= x < width and 0 <= y < height):
            raise OptionError(
                f"pixel {x},{y} lies outside the picture of {width} x {height}; choose another."
            )
        rows, columns = self._working_hw
        return min(y * rows // height, rows - 1), min(x * columns // width, columns - 1)


class ShareCount:
    """Counts what each class gets, a band at a time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._counts = np.zeros(len(names) + 1, dtype=np.int64)
        self._sums = np.zeros(len(names) + 1)

    def add(self, band: LabelledPixels) -> None:
        """Count some rows."""
        rows = max(1, _COUNTED_PIXELS // band.labels.shape[1])
        for start in range(0, band.labels.shape[0], rows):
            shifted = band.labels[start : start + rows].ravel() - np.int16(BACKGROUND)
            scores = band.scores[start : start + rows].ravel()
            self._counts += np.bincount(shifted, minlength=len(self._counts))
            self._sums += np.bincount(shifted, weights=scores, minlength=len(self._counts))

    def shares(self) -> tuple[ClassShare, ...]:
        """What each class got, by label."""
        total = self._counts.sum()
        return tuple(
            ClassShare(
                index=index,
                name=name,
                pixels=int(self._counts[index + 1]),
                area=float(self._counts[index + 1] / total),
                score=float(self._sums[index + 1] / self._counts[index + 1])
                if self._counts[index + 1]
                else None,
            )
            for index, name in enumerate(self._names)
        )

    def background_area(self) -> float:
        """The share of the picture that no class got."""
        return float(self._counts[0] / self._counts.sum())


def count_shares(
    bands: Iterable[LabelledPixels], size_hw: tuple[int, int], names: tuple[str, ...]
) -> tuple[LabelMap, ShareCount]:
    """The label map of a picture's bands, int16 (H, W), and what each class got."""
    labels, count = np.empty(size_hw, dtype=np.int16), ShareCount(names)
    for band in bands:
        labels[band.rows] = band.labels
        count.add(band)
    return labels, count


def merge_regions(
    size_hw: tuple[int, int], boxes: tuple[Box, ...], windows: tuple[WindowScores, ...]
) -> LabelArray:
    """One map of the regions of all windows; see ``Segmentation.region_map``."""
    nearest = central_window(size_hw, boxes)
    merged = np.full(size_hw, -1, dtype=np.int32)
    first = 0
    for index, (box, window) in enumerate(zip(boxes, windows, strict=True)):
        here = (nearest[box.slices] == index) & (window.labels >= 0)
        merged[box.slices][here] = window.labels[here] + first
        first += len(window.covered)
    return merged
