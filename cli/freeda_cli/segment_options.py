"""The options of ``freeda segment`` and ``freeda explain`` that are no settings of segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeda_cli.defaults import without_file
from freeda_cli.options import FILES

DEFAULT_OUT = "freeda-out"
DEFAULT_OPACITY = 0.5
DEFAULT_MIN_AREA = 0.0005

CLASSES_FILE_HELP = (
    "A text file with one class per line, whose place is its label: 'car|automobile' is one class with two "
    "names, commas are refused, '#' at the start or after a space begins a comment."
)
"""What ``segment --classes-file`` and ``evaluate --names`` take."""

PicturesArgument = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Pictures, folders of pictures, or patterns such as 'in/**/*.jpg'."),
]
ClassesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        "-c",
        metavar="NAMES",
        show_default=False,
        callback=without_file,
        help="Class names between commas; 'car|automobile' is one class with two names.",
    ),
]
ClassesFileOption = Annotated[
    Path | None,
    typer.Option(
        "--classes-file",
        metavar="FILE",
        help=f"{CLASSES_FILE_HELP} Classes of --classes come after them.",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where results go.")]
FormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAMES",
        show_default="overlay,png",
        help="What to write, between commas. For each picture: overlay, png (label map), rle (COCO JSON), "
        "geojson (outlines), npz (label map and scores). For the whole run, in a folder of that name: coco, "
        "coco-panoptic, yolo, labelme, label-studio (brush masks), label-studio-polygons, mmseg. A JSON "
        "report is always written.",
    ),
]
LabelOffsetOption = Annotated[
    int,
    typer.Option(
        "--label-offset",
        metavar="0|1",
        min=0,
        max=1,
        help="Number of the first class in label maps (png); 255 is no class.",
        rich_help_panel=FILES,
    ),
]
MinAreaOption = Annotated[
    float,
    typer.Option(
        "--min-area",
        metavar="0..1",
        min=0,
        max=1,
        help="Share of the picture below which a connected area is no object of coco, yolo, labelme and "
        "label-studio-polygons.",
        rich_help_panel=FILES,
    ),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Of folders, take also the pictures of the folders in them.")
]
LinesOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print a line for each picture, also where there are many.")
]
OpacityOption = Annotated[
    float,
    typer.Option(
        "--opacity",
        metavar="0..1",
        min=0,
        max=1,
        help="How much the colours of an overlay cover.",
        rich_help_panel=FILES,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Make results anew that are up to date, and replace also files that freeda did not write.",
        rich_help_panel=FILES,
    ),
]
