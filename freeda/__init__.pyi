from .banks import Bank, BankStats, Filter, PrototypeInfo, open_bank, parse_filter
from .errors import FreedaError
from .ingesting import Ingestor, IngestReport, RunOptions, devices_executor, open_ingestor, ray_executor
from .segmenting import (
    Background,
    ClassShare,
    Comparison,
    Explanation,
    GivenRegions,
    Refinement,
    RegionProvider,
    Segmentation,
    Segmenter,
    SegmentSettings,
    open_segmenter,
    retire_and_compare,
    segment,
)
from .version import __version__

__all__ = [
    "Background",
    "Bank",
    "BankStats",
    "ClassShare",
    "Comparison",
    "Explanation",
    "Filter",
    "FreedaError",
    "GivenRegions",
    "IngestReport",
    "Ingestor",
    "PrototypeInfo",
    "Refinement",
    "RegionProvider",
    "RunOptions",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "__version__",
    "devices_executor",
    "open_bank",
    "open_ingestor",
    "open_segmenter",
    "parse_filter",
    "ray_executor",
    "retire_and_compare",
    "segment",
]
