"""NumPy archive: the label map and its scores, for programs.

``np.load(path)`` gives ``labels`` int32 (H, W), -1 for pixels of no class; ``scores`` float32
(H, W), the score of the best class, also where background won; ``class_names`` (C,); and
``class_areas`` and ``class_scores`` float64 (C,), NaN where a class has nothing. No pickles.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.result import Result


def write_npz(path: Path, result: Result) -> None:
    """Write the archive, compressed.

    Raises:
        OutputError: it cannot be written.
    """
    segmentation = result.segmentation
    scores = [np.nan if share.score is None else share.score for share in segmentation.shares]
    with written_whole(path) as part, part.open("wb") as file:
        np.savez_compressed(
            file,
            labels=segmentation.labels,
            scores=segmentation.scores,
            class_names=np.array(segmentation.class_names, dtype=np.str_),
            class_areas=np.array([share.area for share in segmentation.shares]),
            class_scores=np.array(scores),
        )
