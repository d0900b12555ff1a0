"""The formats by name, and writing a result in several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from freeda_segment.errors import OptionError
from freeda_segment.outputs.geojson import write_geojson
from freeda_segment.outputs.labels import write_labels
from freeda_segment.outputs.npz import write_npz
from freeda_segment.outputs.overlay import write_overlay
from freeda_segment.outputs.preview import write_preview
from freeda_segment.outputs.report import write_report
from freeda_segment.outputs.result import Result
from freeda_segment.outputs.rle import write_rle


@dataclass(frozen=True)
class OutputFormat:
    """A format: what its files end with, and how one is written."""

    suffix: str
    write: Callable[[Path, Result], None]


FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {
        "overlay": OutputFormat(".overlay.png", write_overlay),
        "png": OutputFormat(".labels.png", write_labels),
        "rle": OutputFormat(".coco.json", write_rle),
        "geojson": OutputFormat(".geojson", write_geojson),
        "npz": OutputFormat(".npz", write_npz),
        "preview": OutputFormat(".picture.jpg", write_preview),
        "report": OutputFormat(".json", write_report),
    }
)
"""Formats by name."""

DEFAULT_FORMATS: tuple[str, ...] = ("overlay", "png", "report")


def write_outputs(
    folder: str | Path, stem: str, result: Result, formats: Sequence[str] = DEFAULT_FORMATS
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
    paths = output_paths(folder, stem, formats)
    for name, path in paths.items():
        FORMATS[name].write(path, result)
    return paths


def output_paths(folder: str | Path, stem: str, formats: Iterable[str]) -> dict[str, Path]:
    """Where each format of a picture is written.

    Raises:
        OptionError: a format is unknown.
    """
    names = list(formats)
    for name in names:
        if name not in FORMATS:
            raise OptionError(f"unknown output format '{name}'; choose from {', '.join(FORMATS)}.")
    return {name: Path(folder) / f"{stem}{FORMATS[name].suffix}" for name in names}
