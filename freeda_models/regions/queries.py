"""EoMT: the masks of a fixed number of queries (Kerssies et al., CVPR 2025, arXiv 2503.19108).

Pixels go to the query that wins them as in transformers' panoptic post-processing, but in the resolution of
the decoder, and without classes: a query's logit there is how far it is ahead of the others, or its own where
that is less. The weights are trained on COCO's panoptic masks, so results with them on COCO's pictures and
classes are not training-free.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from freeda_models.pixels import check_images
from freeda_models.protocols import ImageArray, MaskProposals
from freeda_models.regions.network import RegionNetwork, kept_logits
from freeda_models.regions.options import EomtOptions


class QueryProposer(RegionNetwork[EomtOptions]):
    """A :class:`~freeda_models.protocols.MaskProposer` around EoMT of transformers.

    Args:
        model: on its device, in evaluation mode.
        processor: transformers' ``EomtImageProcessor``; it keeps the picture's aspect.
        identity: which model this is.
        options: which queries count.
    """

    @torch.inference_mode()
    def propose(self, image_hwc: ImageArray) -> MaskProposals:
        """Masks of one picture, uint8 (H, W, 3) RGB.

        Raises:
            InputError: another dtype or shape.
        """
        check_images(image_hwc[None])
        model = self._model
        side = int(model.config.image_size)
        prepared = self._processor(
            image_hwc, input_data_format="channels_last", do_pad=False, return_tensors="pt"
        )
        pixels = prepared["pixel_values"]
        height, width = pixels.shape[2:]
        answer = model(pixel_values=self._padded(pixels, side).to(model.device, model.dtype))
        certainty, classes = answer.class_queries_logits[0].float().softmax(-1).max(-1)
        objects = (classes < answer.class_queries_logits.shape[-1] - 1) & (
            certainty > self._options.threshold
        )
        logits = answer.masks_queries_logits[0][objects].float()
        scale = answer.masks_queries_logits.shape[-1] / side
        extent_hw = (height * scale, width * scale)
        inside = logits[:, : math.ceil(extent_hw[0]), : math.ceil(extent_hw[1])]
        masks, kept = settle(inside, certainty[objects], self._options)
        return MaskProposals(
            kept_logits(masks).numpy(),
            certainty[objects][kept].cpu().numpy(),
            extent_hw,
        )

    def _padded(self, pixels: torch.Tensor, side: int) -> torch.Tensor:
        """A picture, already normalised, on a black square: (1, 3, side, side)."""
        height, width = pixels.shape[2:]
        mean, std = (torch.tensor(part) for part in (self._processor.image_mean, self._processor.image_std))
        black = (-mean / std).view(1, 3, 1, 1).expand(1, 3, side, side).clone()
        black[:, :, :height, :width] = pixels
        return black


def settle(
    logits: torch.Tensor, certainty: torch.Tensor, options: EomtOptions
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give each place to one query at most, and drop queries that lose most of their mask to others.

    Args:
        logits: float32 (Q, h, w), of the masks.
        certainty: float32 (Q,), of the classes.
        options: thresholds.

    Returns:
        logits float32 (n, h, w), above 0 where a query both wins and reaches ``mask_threshold``; and which of
        the queries these are, int64 (n,).
    """
    if not len(logits):
        return logits, torch.zeros(0, dtype=torch.int64, device=logits.device)
    strength = F.logsigmoid(logits) + certainty.log()[:, None, None]
    first, second = _best_two(strength)
    ahead = strength - torch.where(strength == first, second, first)
    own = logits - torch.logit(torch.tensor(options.mask_threshold))
    mine = strength.argmax(0)[None] == torch.arange(len(logits), device=logits.device)[:, None, None]
    share = mine.sum(dim=(1, 2)) / (own >= 0).sum(dim=(1, 2)).clamp_min(1)
    shown = (mine & (own >= 0)).any(dim=2).any(dim=1)
    kept = torch.nonzero(shown & (share > options.overlap_mask_area_threshold))[:, 0]
    return torch.minimum(own, ahead)[kept], kept


def _best_two(strength: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest and the second largest of each place, float32 (h, w); one alone is far ahead."""
    if len(strength) == 1:
        return strength[0], torch.full_like(strength[0], -torch.inf)
    best = strength.topk(2, dim=0).values
    return best[0], best[1]
