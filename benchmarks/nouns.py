"""How well the noun extractor finds what a person would label: precision, recall and F1.

``nouns.jsonl`` beside this file holds captions and prompts written for this purpose, each with the
keys that it should give, labelled by these rules before the extractor was run on them:

- ``noun``: every common noun that names something to see, singular and lower case ("jeans" and its
  like stay plural). Left out: proper names, what is denied ("no cars"), and the kinds of words in
  ``freeda_models/data/stop_nouns.txt`` (the picture itself, places in it, amounts, times, ideas).
- ``compound``: nouns before a noun, whole ("fire truck"); the last noun alone is a key of its own
  unless it names another thing ("guinea pig" is no pig). A hyphenated noun ("t-shirt") is one word.
- ``phrase``: the adjectives, colours, materials and participles before a noun; the nearest, and all.

Captions take turns between two splits: mistakes of ``work`` were looked at while the extractor was
mended, those of ``held_out`` were not. ``nouns_web.jsonl`` holds captions in the style of the web (titles,
capitals, hashtags, bars, lists without commas), labelled by the same rules before the extractor was mended
for them: ``web_work`` was looked at, ``web_held_out`` was not. A hashtag is a key where it is one word for
a thing.

Usage: ``python -m benchmarks.nouns [--preset NAME] [--split NAME] [--verbose]``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeda_models.loading import load_noun_extractor
from freeda_models.presets import load_preset
from freeda_models.protocols import NounExtractor, NounKind

FILES = (Path(__file__).with_suffix(".jsonl"), Path(__file__).with_name("nouns_web.jsonl"))
SPLITS = ("work", "held_out", "web_work", "web_held_out")

Key = tuple[str, NounKind]


@dataclass(frozen=True)
class LabelledCaption:
    """A caption, the keys it should give, and the split it is in."""

    caption: str
    split: str
    expected: frozenset[Key]


@dataclass(frozen=True)
class Outcome:
    """A labelled caption and the keys that the extractor found in it."""

    labelled: LabelledCaption
    found: frozenset[Key]


@dataclass(frozen=True)
class Score:
    """Counts of keys: found and expected, found only, expected only."""

    right: int
    spurious: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the found keys that are expected; 1 when none was found."""
        found = self.right + self.spurious
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the expected keys that were found; 1 when none was expected."""
        expected = self.right + self.missed
        return self.right / expected if expected else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when there is nothing to find and nothing found."""
        total = 2 * self.right + self.spurious + self.missed
        return 2 * self.right / total if total else 1.0


def read_labelled(split: str | None = None) -> list[LabelledCaption]:
    """The labelled captions, of one split or of both."""
    lines = (line for file in FILES for line in file.read_text(encoding="utf-8").splitlines())
    records = map(json.loads, lines)
    return [
        LabelledCaption(
            record["caption"],
            record["split"],
            frozenset((entry["key"], NounKind(entry["kind"])) for entry in record["expected"]),
        )
        for record in records
        if split in (None, record["split"])
    ]


def run(extractor: NounExtractor, labelled: Sequence[LabelledCaption]) -> list[Outcome]:
    """The extractor's keys of each caption, beside the expected ones."""
    found = extractor.extract([one.caption for one in labelled])
    return [
        Outcome(one, frozenset((noun.key, noun.kind) for noun in nouns))
        for one, nouns in zip(labelled, found, strict=True)
    ]


def score(outcomes: Iterable[Outcome], kind: NounKind | None = None) -> Score:
    """Count the keys of one kind, or, without one, all keys whatever their kind is called."""
    right = spurious = missed = 0
    for outcome in outcomes:
        expected = {key for key, its_kind in outcome.labelled.expected if kind in (None, its_kind)}
        found = {key for key, its_kind in outcome.found if kind in (None, its_kind)}
        right += len(expected & found)
        spurious += len(found - expected)
        missed += len(expected - found)
    return Score(right, spurious, missed)


def mistakes(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One line for each caption that has any: ``-`` before a missed key, ``+`` before a spurious one."""
    for outcome in outcomes:
        expected, found = outcome.labelled.expected, outcome.found
        signed = [("-", key) for key in expected - found] + [("+", key) for key in found - expected]
        if signed:
            listed = ", ".join(f"{sign}{key} ({kind.value})" for sign, (key, kind) in sorted(signed))
            yield f"{outcome.labelled.caption}\n    {listed}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Precision, recall and F1 over all keys and by kind."""
    kinds: tuple[NounKind | None, ...] = (None, *NounKind)
    lines = [f"{'keys':<12}{'expected':>9}{'found':>7}{'precision':>11}{'recall':>8}{'F1':>7}"]
    for kind in kinds:
        counts = score(outcomes, kind)
        lines.append(
            f"{kind.value if kind else 'all':<12}{counts.right + counts.missed:>9}"
            f"{counts.right + counts.spurious:>7}"
            f"{counts.precision:>11.3f}{counts.recall:>8.3f}{counts.f1:>7.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print a table a split, and one of all captions; with ``--verbose`` each mistake as well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="sd21", help="whose spaCy model and stop list to use")
    parser.add_argument("--split", choices=SPLITS, help="only the captions of this split")
    parser.add_argument("--verbose", action="store_true", help="list the mistakes")
    options = parser.parse_args()
    extractor = load_noun_extractor(load_preset(options.preset))
    outcomes = run(extractor, read_labelled(options.split))
    print(f"{extractor.identity.id} {extractor.identity.revision}, {extractor.identity.preprocessing}")
    for split in [options.split] if options.split else [*SPLITS, None]:
        chosen = [one for one in outcomes if split in (None, one.labelled.split)]
        print(f"\n{split or 'all'}: {len(chosen)} captions\n{table(chosen)}")
    if options.verbose:
        print("\nmistakes: - missed, + spurious")
        print("\n".join(mistakes(outcomes)))


if __name__ == "__main__":
    main()
