"""Writes ``docs/presets.md`` from the model of a preset, or checks that it is up to date.

``python -m docs.presets_reference`` writes; ``--check`` only compares, and exits with 1 when it is stale.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from docs.generated import write_or_check
from freeda_models.presets import Preset, load_preset, preset_names
from freeda_models.regions.options import REGION_NETWORKS
from freeda_segment.regions.superpixels import ALGORITHMS

PAGE = Path(__file__).with_name("presets.md")
_KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "texts",
    "object": "table",
    "boolean": "`true` or `false`",
}
_LONGEST_TEXT = 4096
_HEAD = """# Presets

Written by `make docs` from `freeda_models/presets.py`; change the descriptions there, not this page.

A preset names the models of a bank, and the settings that go with them, in one TOML file. Commands take it
by name or by path: `--preset sd21`, `--preset mine.toml`. A bank's manifest records the models, and a bank is
refused with others; the settings under `[segment]` may change from command to command. `freeda models check
PRESET` says which of its models are on this machine, which would be downloaded, and how to get others.

## Bundled
"""
_OWN = """
## Your own

A file may hold only what differs from a bundled preset, and a name of its own:

```toml
extends = "sd21"
name = "sd21-small-gpu"

[generator]
offload = "model"       # one network at a time on the GPU
batch_size = 1
```

A table with another `model`, `pretrained` or `encoder` than the bundled preset's takes everything else from
there but `revision`, `variant` and `download_mb`, which say which files of a model to take. Unknown fields,
wrong types and values out of range are refused by name, with the field that was meant or the table where it
belongs. `freeda models show sd21` prints a whole preset as such a file. A bank keeps the preset that made it,
so that its file need not be given again.

This is all of `sd21`:

```toml
{sd21}
```

## Every field
"""


def reference() -> str:
    """The whole page."""
    sd21 = (resources.files("freeda_models") / "presets" / "sd21.toml").read_text(encoding="utf-8").strip()
    parts = [
        _HEAD,
        *_bundled(),
        _OWN.replace("{sd21}", sd21),
        *_fields(Preset.model_json_schema()),
        *_numbers("Superpixel options", "superpixel", ALGORITHMS),
        *_numbers("Region options", "region", REGION_NETWORKS),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _bundled() -> Iterator[str]:
    yield "| name | generator | backbone | CLIP | text keys | download |"
    yield "|---|---|---|---|---|---|"
    for preset in (load_preset(name) for name in preset_names()):
        drawing = preset.generator
        models = (preset.clip, preset.backbone, drawing)
        size = sum(each.download_mb for each in models if each is not None)
        yield _row(
            f"`{preset.name}`",
            "none" if drawing is None else f"`{drawing.model}`, {drawing.image_size} px",
            f"`{preset.backbone.model}`, {preset.backbone.image_size} px",
            f"`{preset.clip.model}`",
            f"`{preset.keys.encoder}`",
            f"{size / 1000:.1f} GB" if size else "none",
        )


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """A table of the plain fields, then one for each TOML table."""
    tables: dict[str, Mapping[str, Any]] = {"": schema}
    for name, field in schema["properties"].items():
        reference = _table_of(field)
        if reference:
            tables[name] = schema["$defs"][reference.rpartition("/")[2]]
    for name, table in tables.items():
        yield f"### `[{name}]`\n" if name else "### At the top\n"
        if name:
            yield _plain(table["description"]) + "\n"
        yield "| field | takes | default | meaning |"
        yield "|---|---|---|---|"
        for own, field in table["properties"].items():
            if not _table_of(field):
                required = own in table.get("required", ())
                yield _row(f"`{own}`", _takes(field), _default(field, required), field["description"])
        yield ""


def _table_of(field: Mapping[str, Any]) -> str:
    """Where a field's table is defined; empty where it is none."""
    kinds = (field, *field.get("anyOf", ()))
    return next((kind["$ref"] for kind in kinds if "$ref" in kind), "")


def _numbers(title: str, kind: str, options: Mapping[str, type[Any]]) -> Iterator[str]:
    """A table of the options of each algorithm or network; their meanings stand in the docstrings."""
    yield f"## {title}\n"
    yield f"For `{kind}_options` of a preset, and `--{kind}-option OPTION=NUMBER` of a command.\n"
    yield f"| {kind}s | option | takes | default | meaning |"
    yield "|---|---|---|---|---|"
    for name, own in options.items():
        documented = [inspect.getdoc(each) or "" for each in own.__mro__ if dataclasses.is_dataclass(each)]
        text = re.sub(r"\n {8}", " ", "\n".join(documented))
        meanings = dict(re.findall(r"^ {4}(\w+): (.+?)\.?$", text, re.MULTILINE))
        for option in dataclasses.fields(own):
            above, least, most = (option.metadata[limit] for limit in ("above", "least", "most"))
            whole = "whole number" if isinstance(option.default, int) else "number"
            takes = f"{whole} above {above}" if above is not None else f"{whole} from {least}"
            takes += f" to {most}" if kind == "region" else ""
            yield _row(f"`{name}`", f"`{option.name}`", takes, f"`{option.default}`", meanings[option.name])
    yield ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(docstring: str) -> str:
    """A docstring as Markdown."""
    return docstring.replace("``", "`").replace(":class:", "").replace(":data:", "")


def _takes(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_takes(each) for each in field["anyOf"] if each["type"] != "null")
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    parts = [_KINDS[field["type"]]]
    if "minimum" in field:
        parts.append(f"{field['minimum']:,} to {field['maximum']:,}")
    if "multipleOf" in field:
        parts.append(f"a multiple of {field['multipleOf']}")
    if 0 < field.get("maxLength", _LONGEST_TEXT) < _LONGEST_TEXT:
        parts.append(f"at most {field['maxLength']} characters")
    return ", ".join(parts)


def _default(field: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    value = field.get("default")
    return "none" if value in (None, "", [], {}) else f"`{json.dumps(value)}`"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, or check it."""
    write_or_check(PAGE, reference(), arguments)


if __name__ == "__main__":
    main()
