"""``freeda models``: which models there are, and what of them is on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli.errors import FAILURE
from freeda_cli.options import JsonOption

if TYPE_CHECKING:
    from freeda_models.check import ComponentCheck
    from freeda_models.presets import Preset

app = typer.Typer(
    no_args_is_help=True,
    help="List the models of presets, and what of them is on this machine.",
    epilog="Example: freeda models check sd21",
)


@app.command("list", epilog="Example: freeda models list")
def list_presets(as_json: JsonOption = False) -> None:
    """List the bundled presets, sets of models that make and read a bank, and what may propose regions."""
    from freeda_models.presets import load_preset, preset_names
    from freeda_models.regions.options import REGION_NETWORKS

    presets = [load_preset(name) for name in preset_names()]
    if as_json:
        console.emit_json([preset.model_dump(mode="json") for preset in presets])
        return
    rows = ((preset.name, preset.description, preset.license) for preset in presets)
    console.show_table(("preset", "what it is", "licence"), rows)
    console.say("")
    networks = ((name, presets[0].region_network(name)) for name in REGION_NETWORKS)
    console.show_table(
        ("--regions", "model", "licence", "download#"),
        [(name, each.model, each.license, console.size(each.download_mb * 10**6)) for name, each in networks],
    )


@app.command(epilog="Example: freeda models show sd21 > mine.toml")
def show(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="A bundled preset, or a preset FILE.toml.")],
    as_json: JsonOption = False,
) -> None:
    """Show every field of a preset with its value, as a file that can be changed and used as a preset."""
    from freeda_models.presets import load_preset

    chosen = load_preset(preset)
    if as_json:
        console.emit_json(chosen.model_dump(mode="json"))
        return
    for line in preset_lines(chosen):
        console.say(line)


def preset_lines(preset: Preset) -> Iterator[str]:
    """A preset as lines of TOML."""
    values = preset.model_dump(mode="json")
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, value in values.items():
        if name not in tables:
            yield f"{name} = {_toml('none' if value is None else value)}"
    for table, fields in tables.items():
        yield ""
        yield f"[{table}]"
        for name, value in fields.items():
            yield f"{name} = {_toml(value)}" if value is not None else f"# {name} is not set"


def _toml(value: object) -> str:
    """A value of TOML: its strings, numbers and arrays are written as those of JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@app.command(epilog="Example: freeda models check sd21")
def check(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="A bundled preset, or a preset FILE.toml.")],
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="the preset's",
            help="Look also for the network that proposes regions: sam2, edgetam or eomt.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which models of a preset are here, how large a download would be, and what is missing.

    Downloads nothing. Files that are here are looked into: whether they are whole, and whether the networks
    fit each other. The exit code is 1 when a model does not fit, or is missing and no download brings it.
    """
    from freeda_models.check import ComponentState, check_preset
    from freeda_segment.regions.providers import SUPERPIXELS
    from freeda_segment.settings import parse_regions

    parse_regions(regions or SUPERPIXELS, {})
    found = check_preset(preset, regions)
    if as_json:
        components = [asdict(component) for component in found.components]
        console.emit_json({"preset": found.name, "ready": found.ready, "components": components})
    else:
        rows = ((part.role, part.model, part.state.value, _megabytes(part)) for part in found.components)
        console.show_table(("role", "model", "state", "size#"), rows)
        for part in found.components:
            if part.remedy and (part.role, part.model) != ("keys", "clip"):  # the same as of the role clip
                console.say(f"{part.role}: {part.remedy}")
        if found.ready:
            console.say(f"preset {found.name} is ready")
        elif found.download_mb:
            megabytes = console.size(round(found.download_mb * 1e6))
            console.say(f"preset {found.name} would download {megabytes} at its first use")
    if any(part.state in (ComponentState.MISSING, ComponentState.UNFIT) for part in found.components):
        raise typer.Exit(FAILURE)


def _megabytes(part: ComponentCheck) -> str:
    return console.size(round(part.size_mb * 1e6)) if part.size_mb else ""
