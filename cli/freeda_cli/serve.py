"""``freeda serve``: the studio, a bank in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli import segment_options as o
from freeda_cli.options import DEFAULT_BANK, MACHINE, BankOption, DeviceOption, PresetOption
from freeda_cli.presets import (
    SEGMENT_ROLES,
    announce_download,
    asked_regions,
    bank_line,
    open_bank_and_preset,
)
from freeda_cli.segment_settings import SettingChanges
from freeda_cli.setting_options import with_segment_options

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = "Example: freeda serve photos/ --bank flowers"
SERVER = "The server"
DEFAULT_PORT = 8765


@with_segment_options
def serve(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PICTURE|FOLDER|PATTERN]...", help="Pictures that the page shows at once."),
    ] = None,
    classes: o.ClassesOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where to listen; another address than this lets others in, who need the token.",
            rich_help_panel=SERVER,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="0 takes any free one.", rich_help_panel=SERVER
        ),
    ] = DEFAULT_PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A further name by which browsers reach it; may be repeated.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody change the bank.", rich_help_panel=SERVER)
    ] = False,
    memory: Annotated[
        int,
        typer.Option(
            "--memory",
            metavar="MB",
            min=16,
            max=1_000_000,
            help="For encoded and labelled pictures, which are remembered.",
            rich_help_panel=MACHINE,
        ),
    ] = 1024,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FOLDER",
            show_default="one of the bank's own in ~/.local/state/freeda",
            help="Where dropped pictures and long work are kept.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    label_studio: Annotated[
        str | None,
        typer.Option(
            "--label-studio",
            metavar="URL",
            help="A Label Studio whose tasks' pictures are fetched, with the key in LABEL_STUDIO_API_KEY.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    *,
    changes: SettingChanges,
    device: DeviceOption = "auto",
) -> None:
    """Open a bank in a browser: segment pictures, see why, and correct.

    Prints the address to open, with the token that this start asks for. FREEDA_TOKEN sets the token, for
    programs that must know it. Ctrl-C ends it.
    """
    from freeda_cli.pictures import find_pictures
    from freeda_segment import SegmentSettings

    require_extra()
    from freeda_studio.serving import bind, page_address
    from freeda_studio.serving import serve as run
    from freeda_studio.settings import (
        LABEL_STUDIO_KEY,
        MEGABYTE,
        Access,
        LabelStudioAccess,
        Limits,
        StudioSettings,
    )
    from freeda_studio.studio import open_studio

    labelling = None
    if label_studio is not None:
        labelling = LabelStudioAccess(label_studio, os.environ.get(LABEL_STUDIO_KEY, "").strip())
    found = find_pictures(pictures) if pictures else None
    if found is not None and found.skipped:
        console.note(f"left out: {found.told()}")
    bound = bind(host, port)
    with bound, open_bank_and_preset(bank, preset) as source:
        segment = changes.change(SegmentSettings.of(source.preset.segment))
        opened, chosen = source.bank, source.preset
        console.note(bank_line(bank, source.preset, segment.where))
        announce_download(chosen, SEGMENT_ROLES, bank=opened, regions=asked_regions(segment))
        access = Access(host=host, port=bound.getsockname()[1], names=tuple(allow_host or ()))
        settings = StudioSettings(
            bank=bank,
            pictures=tuple(found.pictures) if found is not None else (),
            read_only=read_only,
            state=state,
            limits=Limits(memory_bytes=memory * MEGABYTE),
            classes=",".join(classes or ()),
            label_studio=labelling,
        )
        with open_studio(settings, access, opened, chosen, device=device, segment=segment) as studio:
            if studio.writing.refusal:
                console.note(studio.writing.refusal)
            run(studio, bound, lambda: console.say(page_address(access)))


def require_extra() -> None:
    """Refuse where the packages of the extra are not installed.

    Raises:
        PackageMissingError: names the first, and how to install them all.
    """
    from importlib.util import find_spec

    from freeda_models.errors import PackageMissingError

    missing = [name for name in needed() if find_spec(name) is None]
    if missing:
        raise PackageMissingError(
            f"the studio needs {missing[0]}, which is not installed; run `pip install 'freeda[serve]'`."
        )


def needed() -> Sequence[str]:
    """The packages of the extra ``serve``, as they are imported."""
    return "fastapi", "uvicorn", "python_multipart", "cachetools", "defusedxml"
