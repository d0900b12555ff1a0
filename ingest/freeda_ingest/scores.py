"""Scores that let a person or a filter judge a prototype later, without drawing anything again.

Curation matters more than retrieval (ReME, ICCV 2025). Contrast and area come with the mask
(:mod:`freeda_ingest.masks`), CLIP's view of the masked crop is here. The distance to the noun's other
prototypes depends on all of them, so it is the bank that fills it in, when a revision is committed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freeda_models.protocols import BoolArray, FloatArray, ImageArray, TextImageEncoder

CROP_SIDE = 224
CROP_MARGIN = 0.1
NEUTRAL_RGB = (122, 116, 104)
"""The mean colour that CLIP's preprocessing subtracts: what it covers says nothing to CLIP."""
AGREEMENT_TEMPLATE = "a photo of a {}."


def masked_crop(image_hwc: ImageArray, mask_hw: BoolArray) -> ImageArray:
    """The masked thing alone: the rest painted neutral, cut to a square around the mask.

    Args:
        image_hwc: uint8 (H, W, 3).
        mask_hw: bool (H, W) with at least one pixel inside.

    Returns:
        uint8 (CROP_SIDE, CROP_SIDE, 3). The square is centred on the mask's bounding box, a tenth
        longer than its longer side, and neutral where it leaves the picture.
    """
    from PIL import Image

    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = int(np.ceil(max(bottom - top, right - left) * (1 + CROP_MARGIN)))
    y = int(top + bottom - side) // 2
    x = int(left + right - side) // 2
    painted = Image.fromarray(np.where(mask_hw[..., None], image_hwc, np.array(NEUTRAL_RGB, dtype=np.uint8)))
    square = Image.new("RGB", (side, side), NEUTRAL_RGB)
    square.paste(painted, (-x, -y))
    return np.asarray(square.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC))


def clip_agreements(
    encoder: TextImageEncoder, semantics: FloatArray, crop_n: Sequence[int], nouns: Sequence[str]
) -> FloatArray:
    """Cosines of masked crops with their nouns.

    Args:
        encoder: CLIP.
        semantics: float32 (M, D_clip), its embeddings of the crops from :func:`masked_crop`.
        crop_n: for each noun, which crop shows it; nouns may share a crop.
        nouns: N keys, put into "a photo of a ...".

    Returns:
        float32 (N,), -1..1.
    """
    if not nouns:
        return np.zeros(0, dtype=np.float32)
    words = sorted(set(nouns))
    texts = encoder.encode_texts([AGREEMENT_TEMPLATE.format(word) for word in words])
    text_of = {word: row for row, word in enumerate(words)}
    pairs = semantics[list(crop_n)] * texts[[text_of[noun] for noun in nouns]]
    agreements: FloatArray = np.clip(pairs.sum(axis=1, dtype=np.float64), -1, 1).astype(np.float32)
    return agreements
