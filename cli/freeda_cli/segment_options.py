"""The options of ``freeda segment`` and ``freeda explain``, in the order of their help."""

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
    typer.Option(
        "--classes-file",
        metavar="FILE",
        help="A text file with a class a line; '#' at the start or after a space begins a comment.",
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
        help="What to write, between commas: overlay, png (label map), rle (COCO JSON), geojson "
        "(outlines), npz (label map and scores). A JSON report is always written.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Make results anew that are up to date, and replace also files that freeda did not write.",
    ),
]
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
    typer.Option(
        "-k",
        metavar="N",
        show_default="the preset's",
        help="Prototypes retrieved per class name.",
    ),
]
SimilarityThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--similarity-threshold",
        metavar="NUMBER",
        show_default="the preset's",
        help="Leave out prototypes whose text key is less similar to the class, -1 to 1; the nearest "
        "always stays.",
    ),
]
AggregationOption = Annotated[
    str | None,
    typer.Option(
        "--aggregation",
        metavar="NAME",
        show_default="mean",
        help="How a class's prototypes speak: mean, weighted_mean (by similarity), kmeans_max or "
        "kmeans_mean (several means, the nearest or all count), knn (the nearest to a region vote).",
    ),
]
PrototypesOption = Annotated[
    int | None,
    typer.Option(
        "--prototypes", metavar="N", show_default="4", help="How many means a class has at most, for kmeans."
    ),
]
NeighboursOption = Annotated[
    int | None,
    typer.Option("--neighbours", metavar="N", show_default="15", help="How many prototypes vote, for knn."),
]
TemplatesOption = Annotated[
    str | None,
    typer.Option(
        "--templates",
        metavar="NAME",
        show_default="the bank's",
        help="Prompt templates of class names: openai_subset, openai_subset_raw (averaged before they are "
        "normalised, as the authors do), imagenet80, single or none.",
    ),
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
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        show_default="the preset's: clip_agreement>=0.2 for tiny, none for photographs",
        help="Use only prototypes that pass, e.g. 'source=coco', 'contrast>=1.5', 'noun=car|bus'; "
        "several must all hold, and the preset's too. 'none' takes the preset's away.",
    ),
]
