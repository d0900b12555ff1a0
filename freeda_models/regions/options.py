"""What may be set of each network that proposes masks. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from freeda_models.options import number, with_numbers


@dataclass(frozen=True)
class PointOptions:
    """A grid of points, each a prompt; names and defaults are those of SAM 2's own mask generator.

    For speed, CorrCLIP uses 8 points per side, both thresholds 0.4 and one mask per point.

    Attributes:
        points_per_side: rows and columns of the grid.
        points_per_batch: how many are decoded together (64 there); changes memory, not the result.
        pred_iou_thresh: masks whose quality the network itself rates lower are dropped.
        stability_score_thresh: masks whose parts over logit 1 and logit -1 overlap less (IoU) are dropped.
        box_nms_thresh: of two masks whose boxes overlap more (IoU), the one of lower quality is dropped.
        multimask_output: 1 for three masks per point, of different extent; 0 for one.
        max_area: masks that cover a larger share of the picture are dropped, for they draw no border.
    """

    points_per_side: int = number(32, least=1, most=256)
    points_per_batch: int = number(16, least=1, most=65536, compare=False)
    pred_iou_thresh: float = number(0.8, least=0, most=1)
    stability_score_thresh: float = number(0.95, least=0, most=1)
    box_nms_thresh: float = number(0.7, least=0, most=1)
    multimask_output: int = number(1, least=0, most=1)
    max_area: float = number(0.95, above=0, most=1)


@dataclass(frozen=True)
class Sam2Options(PointOptions):
    """The options of SAM 2; see :class:`PointOptions`."""

    name: ClassVar[str] = "sam2"


@dataclass(frozen=True)
class EdgeTamOptions(PointOptions):
    """The options of EdgeTAM; see :class:`PointOptions`."""

    name: ClassVar[str] = "edgetam"


@dataclass(frozen=True)
class EomtOptions:
    """A fixed number of queries, each with a class and a mask; names and defaults are those of transformers.

    Attributes:
        threshold: queries whose class is less certain are dropped.
        mask_threshold: probability from which a pixel may belong to a query's mask.
        overlap_mask_area_threshold: masks of which others win more than the rest of this share are dropped.
    """

    name: ClassVar[str] = "eomt"
    threshold: float = number(0.8, least=0, most=1)
    mask_threshold: float = number(0.5, above=0, most=0.999999)
    overlap_mask_area_threshold: float = number(0.8, least=0, most=1)


RegionOptions = Sam2Options | EdgeTamOptions | EomtOptions

REGION_NETWORKS: Mapping[str, type[RegionOptions]] = MappingProxyType(
    {kind.name: kind for kind in (Sam2Options, EdgeTamOptions, EomtOptions)}
)
"""Options by the name of a network."""


def region_options(name: str, numbers: Mapping[str, float] = MappingProxyType({})) -> RegionOptions:
    """The options of a network by its name.

    Raises:
        ValueError: there is no such network or option, or a number lies outside its range.
    """
    if name not in REGION_NETWORKS:
        raise ValueError(f"unknown region network '{name}'; choose one of {', '.join(REGION_NETWORKS)}.")
    return with_numbers(REGION_NETWORKS[name], name, numbers)
