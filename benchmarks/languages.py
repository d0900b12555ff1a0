"""How many captions in other languages the noun extractor refuses, and how many English ones.

``languages.txt`` holds captions in 26 other languages; the English ones are those of ``benchmarks.nouns``
and the examples.

Usage: ``python -m benchmarks.languages [--preset NAME]``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.nouns import read_labelled
from freeda_models.loading import load_noun_extractor
from freeda_models.presets import load_preset

FILE = Path(__file__).with_suffix(".txt")
EXAMPLES = Path(__file__).parent.parent / "examples" / "captions.jsonl"


def other_captions() -> list[tuple[str, str]]:
    """Language codes and captions."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [(code, text) for code, _, text in (line.partition("|") for line in lines)]


def english_captions() -> list[str]:
    """Labelled captions and the examples."""
    examples = map(json.loads, EXAMPLES.read_text(encoding="utf-8").splitlines())
    return [*(one.caption for one in read_labelled()), *(line["caption"] for line in examples)]


def main() -> None:
    """Print both counts, and what was taken for the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="sd21", help="whose spaCy model to use")
    extractor = load_noun_extractor(load_preset(parser.parse_args().preset))
    others, english = other_captions(), english_captions()
    taken = [f"{code}: {text}" for code, text in others if not extractor.refusal(text)]
    refused = [f"{text}: {extractor.refusal(text)}" for text in english if extractor.refusal(text)]
    print(
        f"refused {len(others) - len(taken)} of {len(others)} captions in other languages",
        *taken,
        sep="\n    ",
    )
    print(f"refused {len(refused)} of {len(english)} English captions", *refused, sep="\n    ")


if __name__ == "__main__":
    main()
