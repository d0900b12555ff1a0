"""What is known of a bank as a whole, laid out for people."""

from __future__ import annotations

from collections.abc import Mapping

from freeda_store.manifest import UNPUBLISHED
from freeda_store.views.amounts import count, size
from freeda_store.views.stats import BankStats

_SHOWN = 12
"""Sources, and licences, that are named."""


def stats_facts(address: str, stats: BankStats, default_filter: str | None) -> list[tuple[str, str]]:
    """What a bank holds, as names and values for people.

    Args:
        address: of the bank, as it was given.
        stats: its counts.
        default_filter: the filter of its preset, "" for none; None where it is not known.
    """
    revision = "none yet" if stats.revision is None else f"{stats.revision} of {stats.revisions}"
    facts = [
        ("bank", address),
        ("preset", stats.preset),
        ("revision", revision),
        ("prototypes", f"{stats.prototypes:,}"),
        ("nouns", f"{stats.nouns:,}"),
        *_unlabelled(stats),
        *_drawn(stats),
        ("sources", _shares(stats.by_source, stats.other_sources)),
        ("licences", _shares(stats.by_license, stats.other_licenses)),
        ("on disk", _room(stats)),
    ]
    if default_filter:
        facts.append(("segmented", f"with {default_filter}, the preset's filter; --where none takes all"))
    if stats.without_semantic:
        lacking = f"{stats.without_semantic:,} without CLIP's view of their region"
        facts.append(("incomplete", f"{lacking}; `freeda bank complete` fills in what it can"))
    if stats.unfinished_runs:
        facts.append(("unfinished", f"{count(stats.unfinished_runs, 'run')}; run the same command to go on"))
    facts.append(("models", "\n".join(f"{role}: {model}" for role, model in stats.models.items())))
    return facts


def _room(stats: BankStats) -> str:
    """How much room each part takes, and all together where each is known."""
    parts = {
        "vectors": stats.bytes_vectors,
        "thumbnails": stats.bytes_thumbnails,
        "database": stats.bytes_sql,
    }
    told = ", ".join(f"{name} {'not known' if n is None else size(n)}" for name, n in parts.items())
    known = [number for number in parts.values() if number is not None]
    return f"{size(sum(known))}: {told}" if len(known) == len(parts) else told


def _unlabelled(stats: BankStats) -> list[tuple[str, str]]:
    """How many prototypes only regions find; nothing where there is none."""
    told = f"{count(stats.unlabelled, 'prototype')} of regions that nobody named, for retrieval from regions"
    return [("unlabelled", told)] if stats.unlabelled else []


def _drawn(stats: BankStats) -> list[tuple[str, str]]:
    """What prototypes came from. Imported ones have neither captions nor pictures."""
    if stats.models["generator"].id == UNPUBLISHED:
        return [("imported", f"{count(stats.generations, 'file')}, without captions and pictures")]
    return [("captions", f"{stats.captions:,}"), ("pictures", f"{stats.generations:,}")]


def _shares(counts: Mapping[str, int], others: int) -> str:
    """The largest shares first; ``""`` stands for unknown, ``others`` are prototypes that no name counts."""
    shown = [f"{name or 'unknown'} {number:,}" for name, number in list(counts.items())[:_SHOWN]]
    rest = len(counts) - _SHOWN
    if others:
        hidden = sum(list(counts.values())[_SHOWN:]) + others
        shown.append(f"and others {hidden:,}")
    elif rest > 0:
        shown.append(f"and {rest:,} more")
    return ", ".join(shown) or "none"
