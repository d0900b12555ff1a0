"""NumPy archive: the label map and its scores, for programs.

``np.load(path)`` gives ``labels`` int16 (H, W), -1 for pixels of no class; ``scores`` float32
(H, W), the score of the best class, also where background won; ``class_names`` (C,); and
``class_areas`` and ``class_scores`` float64 (C,), NaN where a class has nothing. No pickles.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from freeda_segment.outputs.files import written_whole
from freeda_segment.outputs.result import Result
from freeda_segment.pixels.labelling import label_bands
from freeda_store.files.own_files import ZIP_COMMENT

if TYPE_CHECKING:
    from freeda_segment.result import Segmentation


def write_npz(path: Path, result: Result) -> None:
    """Write the archive, compressed.

    Raises:
        OutputError: it cannot be written.
    """
    segmentation = result.segmentation
    scores = [np.nan if share.score is None else share.score for share in segmentation.shares]
    arrays = {
        "labels": segmentation.labels,
        "class_names": np.array(segmentation.class_names, dtype=np.str_),
        "class_areas": np.array([share.area for share in segmentation.shares]),
        "class_scores": np.array(scores),
    }
    with written_whole(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = ZIP_COMMENT
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)
        with archive.open("scores.npy", "w", force_zip64=True) as member:
            _write_scores(member, segmentation)


def _write_scores(member: IO[bytes], segmentation: Segmentation) -> None:
    """The scores, made and written a band of rows at a time: whole they are larger than the picture."""
    header = {"descr": "<f4", "fortran_order": False, "shape": segmentation.size_hw}
    npy.write_array_header_1_0(member, header)
    for band in label_bands(segmentation.request):
        member.write(np.ascontiguousarray(band.scores, dtype="<f4").data.cast("B"))
