"""Why a region has its label: scores of the best classes, and the prototypes behind them.

The scores of a region are means over its pixels of what decided their labels: the local and global
similarity of every class, averaged over the windows that cover a pixel (before any refinement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import BoolArray, FloatArray, IndexArray
from freeda_models.unit_vectors import normalised
from freeda_segment.errors import OptionError
from freeda_segment.pixels.labelling import BACKGROUND, LabelRequest
from freeda_segment.regions.sampling import axis_samples
from freeda_segment.regions.similarity import WindowScores
from freeda_segment.regions.windows import central_window
from freeda_store.records import PrototypeInfo

if TYPE_CHECKING:
    from freeda_segment.result import Evidence, RegionPlace, Segmentation
    from freeda_store.retrieval import PrototypeVectors

SHOWN = 12


class VectorSource(Protocol):
    """What explaining needs of a bank: the visual vectors of prototypes, to compare them with a region."""

    def vectors(self, ids: Sequence[UUID], /) -> PrototypeVectors:
        """Vectors of prototypes, in the order asked for."""


@dataclass(frozen=True)
class PrototypeEvidence:
    """One prototype behind a class.

    Attributes:
        info: what the bank knows of it.
        text: the text of the class that retrieved it.
        similarity: cosine of its text key with that text.
        likeness: cosine of its visual vector with the region's feature; None when no bank was asked.
    """

    info: PrototypeInfo
    text: str
    similarity: float
    likeness: float | None


@dataclass(frozen=True)
class ClassEvidence:
    """How one class fits a region.

    Attributes:
        index, name: of the class.
        local: similarity of the region with the class's prototypes, sigmoid of cosine, joined with what its
            neighbours say and with what CLIP sees in it.
        global_score: cosine of the picture (its windows) with the class's text.
        score: alpha * local + (1 - alpha) * global_score.
        prototypes: those that look most like the region, or without a bank those whose text keys
            are most similar, first; not all.
        total: how many there are.
        seen: cosine of what CLIP sees in the region with the class's text; None where it was not asked.
    """

    index: int
    name: str
    local: float
    global_score: float
    score: float
    prototypes: tuple[PrototypeEvidence, ...]
    total: int
    seen: float | None = None


@dataclass(frozen=True)
class OtherEvidence:
    """What competes with the classes and fits a region best.

    Attributes:
        name: of the bank's noun that the region looks most like.
        local: similarity of the region with it, sigmoid of cosine.
        global_score: the highest of what competes, or that of the class that the picture speaks of most.
        score: alpha * local + (1 - alpha) * global_score.
    """

    name: str
    local: float
    global_score: float
    score: float


@dataclass(frozen=True)
class NeighbourEvidence:
    """A prototype that looks like a region.

    Attributes:
        info: what the bank knows of it.
        likeness: cosine of its visual vector with the region's feature.
    """

    info: PrototypeInfo
    likeness: float


@dataclass(frozen=True)
class RetrievalEvidence:
    """What both directions of retrieval say of a region.

    Attributes:
        by_classes: name of the class whose own prototypes, with the picture as a whole, score highest.
        by_regions: name of the class that the region's neighbours speak for; "" where they speak for none.
        share: how much of the region they give it, 0..1.
        decided: ``classes`` or ``regions``, whose class has the joined score's first place; ``both`` where
            they agree, ``neither`` where the sum lifted a third.
        neighbours: the prototypes that look most like the region, the most alike first; not all.
    """

    by_classes: str
    by_regions: str
    share: float
    decided: str
    neighbours: tuple[NeighbourEvidence, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a region has its label.

    Attributes:
        place: the region; its label is -1 for a pixel in no superpixel.
        mask: bool (h, w) at working size, its pixels.
        box_xyxy: around it in the original picture, in pixels, stops excluded.
        area: its share of the picture, 0..1.
        label: of most of its pixels in the label map, -1 for background.
        label_name: name of that class, "" for background.
        best: the class with the highest score; differs from ``label`` where background or
            refinement decided.
        runner_up: the class with the next score; None when there is only one class.
        other: what competes and is no class; None where nothing does.
        retrieval: what the region's neighbours say; None where retrieval starts at the classes alone.
    """

    place: RegionPlace
    mask: BoolArray
    box_xyxy: tuple[int, int, int, int]
    area: float
    label: int
    label_name: str
    best: ClassEvidence
    runner_up: ClassEvidence | None
    other: OtherEvidence | None = None
    retrieval: RetrievalEvidence | None = None

    @property
    def margin(self) -> float | None:
        """How far the best class leads the runner-up; None without one."""
        return None if self.runner_up is None else self.best.score - self.runner_up.score


def region_mask(request: LabelRequest, place: RegionPlace) -> BoolArray:
    """Pixels of a superpixel that it has in the merged region map: bool (h, w) at working size."""
    box, window = request.boxes[place.window], request.windows[place.window]
    mask = np.zeros(request.working_hw, dtype=np.bool_)
    nearest = central_window(request.working_hw, request.boxes)[box.slices]
    mask[box.slices] = (window.labels == place.label) & (nearest == place.window)
    return mask


def explain_pixels(
    segmentation: Segmentation, place: RegionPlace, mask_hw: BoolArray, bank: VectorSource | None, shown: int
) -> Explanation:
    """Explain a set of pixels; use ``Segmentation.explain`` or ``explain_at`` instead.

    Args:
        segmentation: the result that they belong to.
        place: the superpixel that they lie in.
        mask_hw: bool (h, w) at working size, at least one pixel.
        bank: where visual vectors come from; None leaves out likeness.
        shown: prototypes per class at most.

    Raises:
        OptionError: the result kept no evidence.
    """
    evidence, request = segmentation.evidence, segmentation.request
    if evidence is None:
        raise OptionError(
            "this result kept no evidence to explain; segment the picture again with keep_evidence=True."
        )
    rows, columns = np.nonzero(mask_hw)
    local, global_score = _mean_scores(request, rows, columns)
    scores = request.alpha * local + (1 - request.alpha) * global_score
    feature, seen = _features(evidence, request.windows[place.window], place, rows, columns)
    first, *rest = np.argsort(-scores[: request.classes], kind="stable")[:2]

    def of_class(index: int) -> ClassEvidence:
        known = _prototypes(evidence, index, feature, bank)
        numbers = float(local[index]), float(global_score[index]), float(scores[index])
        return ClassEvidence(
            index,
            segmentation.class_names[index],
            *numbers,
            prototypes=tuple(known[:shown]),
            total=len(known),
            seen=None if seen is None else float(seen[index]),
        )

    other, competitors = None, evidence.prototypes.competitors
    if competitors is not None:
        numbers = float(local[-1]), float(global_score[-1]), float(scores[-1])
        other = OtherEvidence(competitors.nearest(feature), *numbers)
    original, box = _in_original(mask_hw, segmentation.size_hw)
    label = _majority(segmentation.labels[original], len(segmentation.class_names))
    return Explanation(
        place=place,
        mask=mask_hw,
        box_xyxy=box,
        area=float(mask_hw.mean()),
        label=label,
        label_name="" if label == BACKGROUND else segmentation.class_names[label],
        best=of_class(int(first)),
        runner_up=of_class(int(rest[0])) if rest else None,
        other=other,
        retrieval=_retrieval(
            segmentation, evidence, place, feature, (rows, columns), global_score, int(first), shown
        ),
    )


def _retrieval(
    segmentation: Segmentation,
    evidence: Evidence,
    place: RegionPlace,
    feature: FloatArray,
    pixels: tuple[IndexArray, IndexArray],
    global_score: NDArray[np.float64],
    best: int,
    shown: int,
) -> RetrievalEvidence | None:
    """What the neighbours of a region say, or of the patch at its middle where it has no feature."""
    asked, request = evidence.asked, segmentation.request
    if asked is None or asked.neighbours is None:
        return None
    votes, queries = asked.votes[place.window], asked.neighbours.windows[place.window]
    if votes is None:
        return None
    if place.label >= 0 and queries.regions[place.label] >= 0:
        row, shares = int(queries.regions[place.label]), votes.regions[place.label]
    else:
        where = _patch(evidence, request.windows[place.window], place, *pixels)
        row, shares = int(queries.tokens[where]), votes.tokens[where]
    names = segmentation.class_names
    local = 1 / (1 + np.exp(-evidence.prototypes.local_cosines(feature[None])[0].astype(np.float64)))
    own = int((request.alpha * local + (1 - request.alpha) * global_score[: len(names)]).argmax())
    spoken = not np.isnan(shares[0]) and shares[: len(names)].max() > 0
    theirs = int(shares[: len(names)].argmax()) if spoken else -1
    found = asked.neighbours.found
    alike = [
        NeighbourEvidence(found.infos[at], float(likeness))
        for at, likeness in zip(found.rows[row], found.similarities[row], strict=True)
        if at >= 0
    ]
    return RetrievalEvidence(
        by_classes=names[own],
        by_regions=names[theirs] if spoken else "",
        share=float(shares[theirs]) if spoken else 0.0,
        decided=_DECIDED[own == best, theirs == best],
        neighbours=tuple(alike[:shown]),
    )


_DECIDED = {
    (True, True): "both",
    (True, False): "classes",
    (False, True): "regions",
    (False, False): "neither",
}


def _mean_scores(
    request: LabelRequest, rows: IndexArray, columns: IndexArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local and global similarity, float64 (C,), mean over pixels and their windows; the last is that of what
    competes, where something does."""
    counts = np.zeros(request.working_hw)
    for box in request.boxes:
        counts[box.slices] += 1
    weights = 1 / counts[rows, columns] / len(rows)
    classes = len(request.windows[0].global_score)
    local, global_score = np.zeros(classes), np.zeros(classes)
    for box, window in zip(request.boxes, request.windows, strict=True):
        inside = (rows >= box.top) & (rows < box.bottom) & (columns >= box.left) & (columns < box.right)
        if inside.any():
            here = weights[inside]
            local += _weighted_local(window, rows[inside] - box.top, columns[inside] - box.left, here)
            global_score += here.sum() * window.global_score
    return local, global_score


def _weighted_local(
    window: WindowScores, rows: IndexArray, columns: IndexArray, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted sum over pixels of the local similarity: regions where covered, else patches, bilinear."""
    labels = window.labels[rows, columns]
    covered = np.append(window.covered, False)[labels]
    total = np.bincount(labels[covered], weights[covered], minlength=len(window.covered)) @ window.regions
    height, width = window.labels.shape
    y = axis_samples(window.tokens.shape[0], height).at(rows[~covered])
    x = axis_samples(window.tokens.shape[1], width).at(columns[~covered])
    for row, row_weight in ((y.low, 1 - y.weight), (y.high, y.weight)):
        for column, column_weight in ((x.low, 1 - x.weight), (x.high, x.weight)):
            total = total + (weights[~covered] * row_weight * column_weight) @ window.tokens[row, column]
    return np.asarray(total, dtype=np.float64)


def _features(
    evidence: Evidence, window: WindowScores, place: RegionPlace, rows: IndexArray, columns: IndexArray
) -> tuple[FloatArray, FloatArray | None]:
    """Of the region, or of the patch at its middle where it has none: its feature, float32 (D,), and cosines
    of what CLIP sees there with the classes' texts, float32 (C,), if that was asked.
    """
    encoded = evidence.encoded[place.window]
    has_own = place.label >= 0 and window.covered[place.label]
    patch = None if has_own else _patch(evidence, window, place, rows, columns)

    def there(regions_sd: FloatArray, tokens_hwd: FloatArray) -> FloatArray:
        found: FloatArray = regions_sd[place.label] if patch is None else tokens_hwd[patch]
        return found

    feature = there(encoded.regions.vectors, encoded.tokens)
    if encoded.seen is None:
        return feature, None
    seen = there(encoded.seen.regions, encoded.seen.tokens)
    return feature, evidence.prototypes.global_cosines(seen[None])[0]


def _patch(
    evidence: Evidence, window: WindowScores, place: RegionPlace, rows: IndexArray, columns: IndexArray
) -> tuple[int, int]:
    """Row and column of the patch at the middle of some pixels."""
    encoded = evidence.encoded[place.window]
    height, width = window.labels.shape
    middle_y, middle_x = rows.mean() - encoded.box.top, columns.mean() - encoded.box.left
    row = round(middle_y / max(height - 1, 1) * (encoded.tokens.shape[0] - 1))
    column = round(middle_x / max(width - 1, 1) * (encoded.tokens.shape[1] - 1))
    return row, column


def _prototypes(
    evidence: Evidence, index: int, feature: FloatArray, bank: VectorSource | None
) -> list[PrototypeEvidence]:
    """All prototypes of a class, each once (with the text it is nearest to), the most similar first."""
    found: dict[UUID, tuple[float, str, PrototypeInfo]] = {}
    for support in evidence.prototypes.support[index]:
        for id_, similarity, info in zip(support.ids, support.similarities, support.infos, strict=True):
            if id_ not in found or similarity > found[id_][0]:
                found[id_] = float(similarity), support.text, info
    likeness: dict[UUID, float] = {}
    if bank is not None:
        cosines = normalised(bank.vectors(list(found)).visuals) @ feature
        likeness = dict(zip(found, map(float, cosines), strict=True))
    made = [
        PrototypeEvidence(info, text, similarity, likeness.get(id_))
        for id_, (similarity, text, info) in found.items()
    ]
    order = {each.info.id: likeness.get(each.info.id, each.similarity) for each in made}
    return sorted(made, key=lambda each: (-order[each.info.id], each.info.id))


def _in_original(mask_hw: BoolArray, size_hw: tuple[int, int]) -> tuple[BoolArray, tuple[int, int, int, int]]:
    """The mask at the original size, each pixel taking the nearest, and the box around it."""
    rows = np.minimum(np.arange(size_hw[0]) * mask_hw.shape[0] // size_hw[0], mask_hw.shape[0] - 1)
    columns = np.minimum(np.arange(size_hw[1]) * mask_hw.shape[1] // size_hw[1], mask_hw.shape[1] - 1)
    original: BoolArray = mask_hw[np.ix_(rows, columns)]
    if not original.any():  # smaller than a pixel of the original
        row, column = (int(values.mean()) for values in np.nonzero(mask_hw))
        original[row * size_hw[0] // mask_hw.shape[0], column * size_hw[1] // mask_hw.shape[1]] = True
    high, wide = np.flatnonzero(original.any(axis=1)), np.flatnonzero(original.any(axis=0))
    return original, (int(wide[0]), int(high[0]), int(wide[-1]) + 1, int(high[-1]) + 1)


def _majority(labels: NDArray[np.int16], classes: int) -> int:
    counts = np.bincount(labels - BACKGROUND, minlength=classes + 1)
    return int(counts.argmax()) + BACKGROUND
