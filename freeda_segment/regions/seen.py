"""What CLIP sees in each region itself, with no bank between (method, online stage 5c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import FloatArray

if TYPE_CHECKING:
    from freeda_segment.retrieval.prototypes import ClassPrototypes


@dataclass(frozen=True, eq=False)
class SeenRegions:
    """CLIP's own features of one window.

    Attributes:
        regions: float32 (S, D_clip), L2-normalised, of its regions; zero for those that no patch touches.
        tokens: float32 (h, w, D_clip), L2-normalised, of its patches, on the backbone's grid.
    """

    regions: FloatArray
    tokens: FloatArray


@dataclass(frozen=True, eq=False)
class Sight:
    """What CLIP says of some places of a window, and how much that counts.

    Attributes:
        features: float32 (N, D_clip), L2-normalised.
        weight: 0..1, against what the bank says of the same places.
    """

    features: FloatArray
    weight: float

    def classes(self, cosines_nc: FloatArray, prototypes: ClassPrototypes) -> FloatArray:
        """``(1 - weight) * cosine + weight * seen``, float32 (N, C): what is seen of a class is the cosine of
        CLIP's feature with the class's text.
        """
        return self._joined(cosines_nc, prototypes.global_cosines(self.features))

    def others(self, cosines_nj: FloatArray, prototypes: ClassPrototypes) -> FloatArray:
        """The same with what competes, float32 (N, J): what has no name for CLIP is seen as much as the class
        that is seen most.
        """
        if prototypes.competitors is None:
            return cosines_nj
        most = prototypes.global_cosines(self.features).max(axis=1)
        return self._joined(cosines_nj, prototypes.competitors.spoken_of(self.features, most))

    def _joined(self, known: FloatArray, seen: FloatArray) -> FloatArray:
        joined: FloatArray = ((1 - self.weight) * known + self.weight * seen).astype(np.float32)
        return joined
