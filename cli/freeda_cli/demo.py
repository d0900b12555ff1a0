"""``freeda demo``: a labelled picture at once from a small bank, then the real ingestion."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from freeda_cli import console
from freeda_cli.bank import stats
from freeda_cli.errors import UsageError
from freeda_cli.ingest import ingest

EPILOG = "Example: freeda demo"
PRESET = "tiny"
CLASSES = "red car,tree,grass,sky"
PICTURE = "car-and-tree.png"
CAPTIONS = "captions.jsonl"
SMALL_BANK = "small-bank.zip"
"""64 of the example captions, ingested; ``python -m training.small_bank`` makes it."""

FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Where the demonstration's banks and pictures go.")
]
SmallOption = Annotated[
    bool, typer.Option("--small", help="Stop at the first picture, before captions are drawn.")
]
OpenOption = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open",
        show_default="if there is a screen",
        help="Open the labelled pictures in a viewer.",
    ),
]


def demo(
    folder: FolderArgument = Path("freeda-demo"), small: SmallOption = False, show: OpenOption = None
) -> None:
    """Segment an example picture at once, then make the bank for it from captions.

    The first picture is labelled from a small bank that is installed with freeda. Then 242 captions are
    drawn, their prototypes kept in a bank of your own, and the picture labelled from that. Run the same
    command again to go on where it was stopped.
    """
    examples = examples_folder()
    picture = examples / PICTURE
    first = _import(examples / SMALL_BANK, folder / "small-bank")
    _segment(picture, first, folder / "small-out", show=show)
    if small:
        return
    console.say("")
    console.say("Now the whole bank, from captions:")
    bank = str(folder / "bank")
    ingest([str(examples / CAPTIONS)], bank=bank, preset=PRESET)
    _segment(picture, bank, folder / "out", show=show)
    stats(bank)
    console.say("")
    console.say("Look into it:")
    console.say(f"  freeda explain {picture} -c '{CLASSES}' --at 64,96 --bank {bank}")
    console.say(f"  freeda bank show car --bank {bank}")


def examples_folder() -> Path:
    """The examples: inside the package when it is installed, beside it in a checkout.

    Raises:
        UsageError: they are missing.
    """
    from freeda_store.files.shipped import shipped_folder

    folder = shipped_folder("freeda_cli", "examples", "../../examples")
    if not (folder / SMALL_BANK).is_file():
        raise UsageError(f"{folder} is missing from the installation; install freeda again.")
    return folder


def _import(archive: Path, bank: Path) -> str:
    from freeda_store import import_bank

    import_bank(archive, str(bank))
    return str(bank)


def _segment(picture: Path, bank: str, out: Path, *, show: bool | None) -> None:
    from freeda_segment import open_segmenter

    with open_segmenter(bank, preset=PRESET) as segmenter:
        segmentation = segmenter.segment(picture, CLASSES)
    files = segmentation.save(out)
    console.say(f"{picture.name}: {segmentation.summary()}")
    console.say(f"  {files['overlay']}")
    if _has_screen() if show is None else show:
        typer.launch(str(files["overlay"]))


def _has_screen() -> bool:
    """Whether a person looks on: a terminal, on a machine with a screen."""
    screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return screen and sys.stdout.isatty()
