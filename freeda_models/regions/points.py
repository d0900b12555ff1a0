"""SAM 2 and EdgeTAM: masks at a grid of points (Ravi et al. 2024, Zhou et al. 2025).

The picture is encoded once, points are decoded in batches. What is kept follows SAM 2's own mask generator:
the network's estimate of quality, stability under a moved threshold, and non-maximum suppression of boxes.
Masks stay in the decoder's resolution, a quarter of the picture that the network sees, each cut to its box
until all are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.ops import masks_to_boxes, nms

from freeda_models.pixels import check_images
from freeda_models.protocols import BoolArray, ImageArray, MaskProposals
from freeda_models.regions.network import LIMIT, RegionNetwork, kept_logits
from freeda_models.regions.options import PointOptions

_OFFSET = 1.0
"""How far the threshold of 0 is moved for stability."""


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Masks of one batch that were good enough.

    Attributes:
        crops: float16, logits inside each box.
        boxes: int64 (n, 4): left, top, right, bottom, the last two excluded.
        quality: float32 (n,).
    """

    crops: list[torch.Tensor]
    boxes: torch.Tensor
    quality: torch.Tensor


class PointProposer(RegionNetwork[PointOptions]):
    """A :class:`~freeda_models.protocols.MaskProposer` around ``Sam2Model`` or ``EdgeTamModel``.

    Args:
        model: on its device, in evaluation mode.
        processor: transformers' ``Sam2ImageProcessor``.
        identity: which model this is.
        options: the grid, and which masks are kept.
    """

    _encoded: tuple[ImageArray, list[torch.Tensor], tuple[int, int]] | None = None

    @torch.inference_mode()
    def propose(self, image_hwc: ImageArray) -> MaskProposals:
        """Masks of one picture, uint8 (H, W, 3) RGB, best first.

        Raises:
            InputError: another dtype or shape.
        """
        check_images(image_hwc[None])
        model, options = self._model, self._options
        prepared = self._processor(image_hwc, input_data_format="channels_last", return_tensors="pt")
        pixels = prepared["pixel_values"].to(model.device, model.dtype)
        embeddings = model.get_image_embeddings(pixels)
        sides_hw = (pixels.shape[2], pixels.shape[3])
        grid = _grid(options.points_per_side, sides_hw)
        starts = range(0, len(grid), options.points_per_batch)
        found = [self._decode(embeddings, grid[start : start + options.points_per_batch]) for start in starts]
        height, width = embeddings[0].shape[-2:]
        return _best(found, (height, width), options.box_nms_thresh)

    def at_point(self, image_hwc: ImageArray, point_xy: tuple[int, int]) -> BoolArray:
        """The mask at a pixel, bool (H, W); of the three that the network gives, the one it rates best."""
        middle = torch.tensor(point_xy, dtype=torch.float32) + 0.5
        return self._prompted(image_hwc, points_n2=middle[None])

    def in_box(self, image_hwc: ImageArray, box: tuple[int, int, int, int]) -> BoolArray:
        """The mask that fills a box: columns and rows of its first and last pixel."""
        corners = torch.tensor([[box[0], box[1]], [box[2] + 1, box[3] + 1]], dtype=torch.float32)
        return self._prompted(image_hwc, corners_22=corners)

    @torch.inference_mode()
    def _prompted(
        self,
        image_hwc: ImageArray,
        points_n2: torch.Tensor | None = None,
        corners_22: torch.Tensor | None = None,
    ) -> BoolArray:
        """The best mask of points or of a box, given in pixels of the picture as x and y."""
        model = self._model
        embeddings, sides_hw = self._encoded_once(image_hwc)
        height, width = image_hwc.shape[:2]
        scale = torch.tensor([sides_hw[1] / width, sides_hw[0] / height])
        prompts: dict[str, torch.Tensor] = {}
        if points_n2 is not None:
            prompts["input_points"] = (points_n2 * scale)[None, None].to(model.device, model.dtype)
            prompts["input_labels"] = torch.ones(1, 1, len(points_n2), dtype=torch.int, device=model.device)
        if corners_22 is not None:
            prompts["input_boxes"] = (corners_22 * scale).reshape(1, 1, 4).to(model.device, model.dtype)
        answer = model(
            image_embeddings=list(embeddings),
            multimask_output=points_n2 is not None,
            **prompts,
        )
        best = int(answer.iou_scores.flatten().argmax())
        logits = answer.pred_masks.flatten(0, 2)[best][None, None].float()
        mask = F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)[0, 0] > 0
        found: BoolArray = mask.cpu().numpy()
        return found

    def _encoded_once(self, image_hwc: ImageArray) -> tuple[list[torch.Tensor], tuple[int, int]]:
        """What the network sees of a picture, and the sides it sees; that of the last array is remembered."""
        if self._encoded is None or self._encoded[0] is not image_hwc:
            check_images(image_hwc[None])
            prepared = self._processor(image_hwc, input_data_format="channels_last", return_tensors="pt")
            pixels = prepared["pixel_values"].to(self._model.device, self._model.dtype)
            sides_hw = (pixels.shape[2], pixels.shape[3])
            self._encoded = (image_hwc, list(self._model.get_image_embeddings(pixels)), sides_hw)
        return self._encoded[1], self._encoded[2]

    def _decode(self, embeddings: list[torch.Tensor], points_n2: torch.Tensor) -> _Candidates:
        """The masks at some points that are good enough."""
        model, options = self._model, self._options
        prompts = points_n2[None, :, None].to(model.device, model.dtype)
        answer = model(
            image_embeddings=list(embeddings),
            input_points=prompts,
            input_labels=torch.ones(prompts.shape[:3], dtype=torch.int, device=model.device),
            multimask_output=bool(options.multimask_output),
        )
        quality = answer.iou_scores.float().flatten()
        logits = answer.pred_masks.flatten(0, 2)
        good = quality >= options.pred_iou_thresh
        logits, quality = logits[good].float(), quality[good]
        steady = _stability(logits) >= options.stability_score_thresh
        area = (logits > 0).float().mean(dim=(1, 2))
        good = steady & (area > 0) & (area <= options.max_area)
        logits, quality = logits[good], quality[good]
        boxes = _boxes(logits > 0)
        kept = kept_logits(logits)
        crops = [
            mask[top:bottom, left:right].clone()
            for mask, (left, top, right, bottom) in zip(kept, boxes.tolist(), strict=True)
        ]
        return _Candidates(crops, boxes, quality.clamp(0, 1).cpu())


def _grid(side: int, size_hw: tuple[int, int]) -> torch.Tensor:
    """Points in the middle of the cells of a grid: float32 (side * side, 2), x and y in pixels."""
    middles = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    y, x = torch.meshgrid(middles * size_hw[0], middles * size_hw[1], indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def _stability(logits: torch.Tensor) -> torch.Tensor:
    """IoU of the masks at a higher and at a lower threshold: float32 (n,); 0 where the lower one is empty."""
    inner = (logits > _OFFSET).sum(dim=(1, 2)).float()
    outer = (logits > -_OFFSET).sum(dim=(1, 2)).float()
    return inner / outer.clamp_min(1)


def _boxes(masks: torch.Tensor) -> torch.Tensor:
    """int64 (n, 4) of masks that are not empty."""
    if not len(masks):
        return torch.zeros(0, 4, dtype=torch.int64)
    boxes: torch.Tensor = masks_to_boxes(masks).long().cpu()
    boxes[:, 2:] += 1
    return boxes


def _best(found: list[_Candidates], grid_hw: tuple[int, int], most_overlap: float) -> MaskProposals:
    """Non-maximum suppression over all batches; of equal quality the one found first comes first."""
    boxes = torch.cat([each.boxes for each in found])
    quality = torch.cat([each.quality for each in found])
    crops = [crop for each in found for crop in each.crops]
    best = nms(boxes.float(), quality, most_overlap).tolist()
    logits = np.full((len(best), *grid_hw), -LIMIT, dtype=np.float16)  # outside the boxes
    for place, index in enumerate(best):
        left, top, right, bottom = boxes[index].tolist()
        logits[place, top:bottom, left:right] = crops[index].numpy()
    return MaskProposals(logits, quality[best].numpy(), (float(grid_hw[0]), float(grid_hw[1])))
