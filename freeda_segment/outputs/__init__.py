"""Files that a segmentation becomes: one format a module, joined in :data:`FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from freeda_segment.errors import OptionError
from freeda_segment.outputs.labels import LabelMap, read_labels, write_labels
from freeda_segment.outputs.overlay import write_overlay
from freeda_segment.outputs.report import write_report
from freeda_segment.outputs.result import Result

__all__ = [
    "FORMATS",
    "LabelMap",
    "OutputFormat",
    "Result",
    "read_labels",
    "write_outputs",
]


@dataclass(frozen=True)
class OutputFormat:
    """A format: what its files end with, and how one is written."""

    suffix: str
    write: Callable[[Path, Result], None]


FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {
        "overlay": OutputFormat(".overlay.png", write_overlay),
        "labels": OutputFormat(".labels.png", write_labels),
        "report": OutputFormat(".json", write_report),
    }
)
"""Formats by name."""


def write_outputs(
    folder: str | Path, stem: str, result: Result, formats: Sequence[str] = tuple(FORMATS)
) -> dict[str, Path]:
    """Write a result in several formats, each file whole or not at all.

    Args:
        folder: made if it does not exist.
        stem: file name without its ending.
        result: what to write.
        formats: names of :data:`FORMATS`.

    Returns:
        Where each format was written.

    Raises:
        OptionError: a format is unknown.
        OutputError: a file cannot be written.
    """
    for name in formats:
        if name not in FORMATS:
            raise OptionError(f"unknown output format '{name}'; choose from {', '.join(FORMATS)}.")
    paths = {name: Path(folder) / f"{stem}{FORMATS[name].suffix}" for name in formats}
    for name, path in paths.items():
        FORMATS[name].write(path, result)
    return paths
