"""The rows of the offline table: what each changes in the tiny preset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.coarse import COARSE
from freeda_models.presets import Preset

SENTENCES = "all-MiniLM-L6-v2"
Changes = Mapping[str, Mapping[str, Any]]
"""Table of a preset to its fields that differ, as a ``.toml`` would say it."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        group: what is varied.
        name: what it is called.
        changes: fields that differ from the preset's, by table.
        seed: base seed of the pictures.
    """

    group: str
    name: str
    changes: Changes = field(default_factory=dict)
    seed: int = 0

    def preset(self, base: Preset) -> Preset:
        """The changed preset, checked as one that was read from a file."""
        return changed(base, self.changes)


def changed(base: Preset, changes: Changes) -> Preset:
    """A preset with some fields changed, checked as one that was read from a file."""
    document = base.model_dump()
    for table, fields in changes.items():
        document[table] |= fields
    return Preset.model_validate(document)


PLAIN: Changes = {
    "generator": {"steps": 25},
    "segment": {
        "superpixel_options": COARSE,
        "refinement": "none",
    },
}
"""How a table is measured that compares banks: many steps, and labels whose borders nothing mends."""


def fingerprint(preset: Preset, seed: int, *, without: Sequence[str] = ()) -> str:
    """Name of a preset's results: equal for equal settings."""
    text = preset.model_dump_json(exclude=set(without) | {"name", "description"}, exclude_defaults=True)
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()[:24]


def joined(rows: Sequence[Row]) -> Changes:
    """All the changes of some rows together."""
    together: dict[str, dict[str, Any]] = {}
    for row in rows:
        for table, fields in row.changes.items():
            together.setdefault(table, {}).update(fields)
    return together


DEFAULT = Row("default", "the preset's offline stage")
OTHER_SEED = 1
KEYS = "keys"
"""How the groups of key strategies start; the key space follows."""

STRATEGIES = ("template_mean", "span_in_caption", "noun_and_caption")
SIMILARITIES: Mapping[str, tuple[float | None, ...]] = {
    "clip": (0.95, 0.9, 0.8, 0.6, None),
    SENTENCES: (0.95, 0.8, 0.6, 0.4, None),
}


def threshold_rows() -> list[Row]:
    """Every threshold strategy, with several parameters."""
    tried = [
        *(("fixed", value) for value in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
        *(("otsu", value) for value in (0.0, 0.1)),
        *(("mean_std", value) for value in (0.5, 1.0, 1.5)),
    ]
    return [
        Row("threshold", f"{name} {value:g}", {"ingest": {"threshold": name, "threshold_value": value}})
        for name, value in tried
    ]


def weighting_rows() -> list[Row]:
    """Tokens weighed by covered area, against a mean over pixels."""
    return [Row("weighting", name, {"ingest": {"weighting": name}}) for name in ("token", "pixel")]


def sharpening_rows() -> list[Row]:
    """Self-attention at each resolution of the tiny UNet, applied several times.

    Sharpened maps are smoother, so that one threshold cuts larger masks of them: higher ones are
    tried too.
    """
    tried = [
        *((side, power, 0.6) for side in (16, 8) for power in (1, 2, 4)),
        *((16, power, value) for power in (1, 2) for value in (0.7, 0.8)),
    ]
    return [
        Row(
            "sharpening",
            f"{side} x {side}, power {power}, fixed {value:g}",
            {
                "generator": {"sharpen_power": power, "sharpen_side": side},
                "ingest": {"threshold": "fixed", "threshold_value": value},
            },
        )
        for side, power, value in tried
    ]


def gate_rows() -> list[Row]:
    """Each quality gate alone."""
    tried = [
        *(("min_contrast", value) for value in (1.5, 2.0, 3.0)),
        *(("min_agreement", value) for value in (0.2, 0.4, 0.6)),
        *(("min_area", value) for value in (0.0, 0.02)),
        *(("max_area", value) for value in (0.6, 1.0)),
    ]
    return [Row("gate", f"{name} = {value:g}", {"ingest": {name: value}}) for name, value in tried]


def key_rows() -> list[Row]:
    """Every key strategy in either key space, each with several similarity thresholds of retrieval."""
    return [
        Row(
            f"{KEYS} {encoder}",
            f"{strategy}, similarity >= {'none' if least is None else f'{least:g}'}",
            {
                "keys": {"encoder": encoder, "strategy": strategy},
                "segment": {"similarity_threshold": least},
            },
        )
        for encoder, thresholds in SIMILARITIES.items()
        for strategy in STRATEGIES
        for least in thresholds
    ]


def all_rows() -> list[Row]:
    """Every row that depends on no other row's result."""
    return [
        DEFAULT,
        *threshold_rows(),
        *weighting_rows(),
        *sharpening_rows(),
        *gate_rows(),
        *key_rows(),
    ]
