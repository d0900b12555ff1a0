"""Do class names that no caption contains find the right prototypes? Top-1 noun accuracy.

For each key space and strategy, ``examples/captions.jsonl`` is ingested with the tiny models, and
the words of ``benchmarks/synonyms.toml`` are looked up as class names. *Nearest* counts a word when
the noun of the nearest prototype is the right one. *Segmenter* counts it when the mean vector that
the segmenter would work with is most like the right class's among the 22 of the tiny world.

Usage: ``python -m benchmarks.synonyms [--cache DIR]``, the same folder as for
``benchmarks.offline_table``, whose pictures are used again.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.offline_rows import STRATEGIES, changed
from benchmarks.offline_table import Table
from freeda_models.presets import Preset, load_preset
from freeda_segment.evaluation.datasets import load_scenes
from freeda_store import Bank

WORDS = Path(__file__).with_suffix(".toml")
PRESETS = ("tiny", "tiny-sentences")


@dataclass(frozen=True)
class WordList:
    """The words to look up.

    Attributes:
        noun_of: word to the noun of the tiny world that it should find.
        left_out: those of them that captions contain; such captions must not be in the bank.
        same: words that captions use for a noun, to the noun.
    """

    noun_of: Mapping[str, str]
    left_out: tuple[str, ...]
    same: Mapping[str, str]

    def class_of(self, key: str) -> str:
        """The class of a prototype's noun: ``red car`` and ``automobile`` are cars."""
        head = key.split()[-1]
        return self.same.get(head, head)


@dataclass(frozen=True)
class Outcome:
    """What a key space made of the words: word to the class that it found, in both ways."""

    nearest: Mapping[str, str]
    segmenter: Mapping[str, str]


def load_words(path: Path = WORDS) -> WordList:
    """Read the list."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    left_out = _turned(document["left_out"])
    return WordList(_turned(document["words"]) | left_out, tuple(left_out), _turned(document["same"]))


def _turned(words_of: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {word: noun for noun, words in words_of.items() for word in words}


def look_up(table: Table, preset: Preset, words: WordList) -> Outcome:
    """Look all words up in the bank that a preset makes."""
    classes = load_scenes().class_names
    with Bank.open(table.bank(preset, without=words.left_out)) as bank:
        segmenter = table.segmenter(preset, bank)
        known = segmenter.prepare(classes)
        asked = segmenter.prepare(tuple(words.noun_of))
    nearest = {support[0].text: words.class_of(support[0].infos[0].noun) for support in asked.support}
    likeness = known.local_cosines(asked.vectors)
    looks = {
        name: classes[int(likeness[start].argmax())]
        for name, start in zip(asked.names, asked.vector_starts, strict=True)
    }
    return Outcome(nearest, looks)


def misses(found: Mapping[str, str], words: WordList) -> list[str]:
    """Words that found another class, with it."""
    return [f"{word} ({found[word]})" for word, noun in words.noun_of.items() if found[word] != noun]


def _share(found: Mapping[str, str], words: WordList) -> str:
    count = len(words.noun_of)
    right = count - len(misses(found, words))
    return f"{right / count:.3f} ({right} of {count})"


def main() -> None:
    """Print the table, then the words that were missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, help="folder to keep everything in; temporary by default")
    options = parser.parse_args()
    words = load_words()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        table = Table(options.cache or Path(temporary))
        print("| key space | strategy | nearest | segmenter |\n|---|---|---:|---:|", flush=True)
        for name in PRESETS:
            for strategy in STRATEGIES:
                preset = changed(load_preset(name), {"keys": {"strategy": strategy}})
                outcome = look_up(table, preset, words)
                shares = f"{_share(outcome.nearest, words)} | {_share(outcome.segmenter, words)}"
                print(f"| {preset.keys.encoder} | {strategy} | {shares} |", flush=True)
                wrong = misses(outcome.segmenter, words)
                missed.append(f"- {preset.keys.encoder}, {strategy}: {', '.join(wrong) or 'none'}")
    print("\nMissed by the segmenter (what was found instead):\n")
    print("\n".join(missed))


if __name__ == "__main__":
    main()
