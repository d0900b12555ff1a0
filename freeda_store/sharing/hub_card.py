"""The card of a published bank: what it holds, under which licences, and how to get it."""

from __future__ import annotations

import re

from freeda_store.sharing.layout import INDEX_NAME, Index

_BEGIN = "<!-- freeda: written anew at every publish -->"
_END = "<!-- freeda: end -->"
_LICENSES_SHOWN = 30
_REVISIONS_SHOWN = 20

_HEAD = """---
pretty_name: {pretty}
license: other
tags:
- freeda
- image-segmentation
- open-vocabulary
configs:
- config_name: prototypes
  data_files: revisions/*/*/prototypes.parquet
- config_name: generations
  data_files: revisions/*/*/generations.parquet
---

"""


def make_card(name: str, index: Index, old: str | None = None) -> str:
    """The README of a repository.

    Args:
        name: ``OWNER/NAME``.
        index: of the bank.
        old: the README that is there. What people wrote around our section stays; one without our
            section stays as it is.
    """
    section = f"{_BEGIN}\n{_section(name, index)}\n{_END}"
    if old is None:
        return _HEAD.format(pretty=name.rpartition("/")[2]) + section + "\n"
    before, begin, rest = old.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return before + section + after if begin and end else old


def _section(name: str, index: Index) -> str:
    manifest = index.manifest
    added = sum(revision.prototypes_added for revision in index.revisions)
    captions = sum(revision.generations for revision in index.revisions)
    models = [f"| {role} | {_cell(str(model))} |" for role, model in manifest.models().items()]
    settings = {"key strategy": manifest.key_strategy, "templates": manifest.templates}
    settings |= {str(key): str(value) for key, value in manifest.threshold.items()}
    lines = [
        f"# {name.rpartition('/')[2]}",
        "",
        "A bank of visual prototypes for open-vocabulary segmentation with freeda: "
        f"{_count(added, 'prototype')} from {_count(captions, 'drawn caption')}, "
        f"in {_count(len(index.revisions), 'revision')}.",
        "",
        "```console",
        f"$ freeda bank fetch {name} --bank my-bank",
        "```",
        "",
        "The same command later adds the revisions that are new.",
        "",
        "## Made with",
        "",
        *_table("role", "model", models),
        "",
        *_table(
            "setting", "value", [f"| {_cell(key)} | {_cell(value)} |" for key, value in settings.items()]
        ),
        "",
        "## Licences of the captions",
        "",
        *_table("licence", "captions", _licenses(index)),
        "",
        "Pictures are drawn by the generator above from these captions; its licence applies to them too.",
        "",
        "## Revisions",
        "",
        *_table("revision", "message", _revisions(index)),
        "",
        f"`{INDEX_NAME}` lists every file with its SHA-256.",
    ]
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(first: str, second: str, rows: list[str]) -> list[str]:
    return [f"| {first} | {second} |", "|---|---|", *rows]


def _licenses(index: Index) -> list[str]:
    counts = list(index.licenses().items())
    rows = [f"| {_cell(name) or 'unknown'} | {number:,} |" for name, number in counts[:_LICENSES_SHOWN]]
    rest = sum(number for _, number in counts[_LICENSES_SHOWN:])
    return [*rows, f"| others | {rest:,} |"] if rest else rows


def _revisions(index: Index) -> list[str]:
    names: dict[int, list[str]] = {}
    for tag, number in sorted(index.tags.items()):
        names.setdefault(number, []).append(tag)
    shown = index.revisions[-_REVISIONS_SHOWN:][::-1]
    return [
        f"| {' '.join([str(revision.number), *names.get(revision.number, ())])} | {_cell(revision.message)} |"
        for revision in shown
    ]


def _cell(text: str) -> str:
    """Text that stays in its table cell and is no markup."""
    line = " ".join(text.split())[:200]
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", line)
