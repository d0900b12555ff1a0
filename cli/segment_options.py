"""The options of ``freeda segment``, in the order of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_OUT = "freeda-out"

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
        help="Class names between commas; 'car|automobile' is one class with two names.",
    ),
]
ClassesFileOption = Annotated[
    Path | None,
    typer.Option("--classes-file", metavar="FILE", help="A text file with a class a line, '#' for comments."),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where results go.")]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="STRATEGY",
        show_default="every pixel gets a class",
        help="Leave pixels without a class where this lies below the threshold: constant (the final "
        "score), local (the highest similarity of the region) or winner (that of the winning class).",
    ),
]
BackgroundThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--background-threshold",
        metavar="NUMBER",
        show_default="0.5",
        help="The threshold of the background, 0 to 1; 0.5 is no similarity.",
    ),
]
KOption = Annotated[
    int | None,
    typer.Option("-k", metavar="N", show_default="the preset's", help="How many prototypes a class takes."),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        metavar="NUMBER",
        show_default="the preset's",
        help="Weight of the regions' similarity against the whole picture's, 0 to 1.",
    ),
]
SuperpixelsOption = Annotated[
    str | None,
    typer.Option(
        "--superpixels",
        metavar="NAME",
        show_default="the preset's",
        help="How pictures are divided: felzenszwalb, slic, quickshift, watershed or none.",
    ),
]
SuperpixelNumbersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--superpixel-option",
        metavar="OPTION=NUMBER",
        help="An option of the superpixels, e.g. scale=200 or n_segments=300.",
    ),
]
RefineOption = Annotated[bool, typer.Option("--refine", help="Refine borders along colours (PAMR); slow.")]
