"""Files that a segmentation becomes: one format per module, joined in :data:`FORMATS`.

Nothing here computes a label or a score.
"""

from freeda_segment.images import picture_hash
from freeda_segment.outputs.formats import (
    DEFAULT_FORMATS,
    FORMATS,
    OutputFormat,
    output_paths,
    write_outputs,
)
from freeda_segment.outputs.index import Index, IndexEntry, NotSegmented, write_index
from freeda_segment.outputs.labels import LabelMap, read_labels
from freeda_segment.outputs.links import INDEX_NAME, explanation_page_of
from freeda_segment.outputs.names import explanation_stem, picture_place, result_stems
from freeda_segment.outputs.result import Result
from freeda_segment.outputs.resume import find_done, made_of, write_fresh

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "INDEX_NAME",
    "Index",
    "IndexEntry",
    "LabelMap",
    "NotSegmented",
    "OutputFormat",
    "Result",
    "explanation_page_of",
    "explanation_stem",
    "find_done",
    "made_of",
    "output_paths",
    "picture_hash",
    "picture_place",
    "read_labels",
    "result_stems",
    "write_fresh",
    "write_index",
    "write_outputs",
]
