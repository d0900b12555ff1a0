"""How often a class name is found in a plain sentence: COCO's, ADE20K's and LVIS's, in 14 carrier sentences.

A name counts as found in a sentence when it is among the keys, in the singular. Names that are plural
or that nobody counts ("grass") stand as they are where a sentence has a plural.

Usage: ``python -m benchmarks.noun_names [--preset NAME] [--verbose]``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from freeda_models.loading import load_noun_extractor
from freeda_models.presets import load_preset
from freeda_models.protocols import NounExtractor

CARRIERS = (
    "{one}",
    "a photo of {one}.",
    "{One} on a table",
    "A man is standing next to {one}.",
    "There is {one} in the room.",
    "two {many} in a field",
    "a close-up of {many}",
    "Several {many} are lined up against a wall.",
    "a red {name} in the street",
    "the {name} is near the window",
    "A WOMAN LOOKS AT {ONE} IN THE CITY",
    "{many}, a tree and a car",
    "a dog with {one} and a cup",
    "Old {name} | for sale",
)
SETS = ("coco", "ade20k", "lvis")
LVIS = Path(__file__).with_name("lvis_v1.txt")

_UNCOUNTED_WORDS = """
alcohol applesauce apparel armor broccoli butter cider cocoa cornbread cornmeal cream dirt earth
flannel floss garlic ginger grass gravel hummus ice juice lettuce mail milk money mud oatmeal oil
paper pepper pop rice salami salsa salt sand sauce silverware sky snow soup sugarcane tinfoil tissue
toast water
"""
_PLURAL_WORDS = """
bleachers binoculars boxers chopsticks clippers clothes drawers earphones goggles headphones jeans
leggings overalls pajamas pants pliers scissors shears shorts skis sprouts stairs sunglasses
suspenders tights trousers
"""
_UNCOUNTED, _PLURAL = frozenset(_UNCOUNTED_WORDS.split()), frozenset(_PLURAL_WORDS.split())
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "sheep": "sheep",
    "deer": "deer",
    "fish": "fish",
    "calf": "calves",
    "wolf": "wolves",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "scarf": "scarves",
    "cactus": "cacti",
}


@dataclass(frozen=True)
class Found:
    """A name in one carrier sentence."""

    name: str
    caption: str
    found: bool
    keys: tuple[str, ...]


def class_names(of: str) -> list[str]:
    """The names of a set, lower case, the first of several for a class."""
    if of == "lvis":
        text = LVIS.read_text(encoding="utf-8")
    else:
        file = {"coco": "coco-object.txt", "ade20k": "ade20k.txt"}[of]
        names = resources.files("freeda_segment") / "evaluation" / "sets" / "names" / file
        text = names.read_text(encoding="utf-8")
    lines = [line.split(",")[0].strip().lower() for line in text.splitlines() if not line.startswith("#")]
    return list(dict.fromkeys(line for line in lines if line and line != "background"))


def plural(name: str) -> str:
    """A name in the plural, as a person writes it."""
    *before, last = name.split()
    if last in _PLURAL or last in _UNCOUNTED or name in _UNCOUNTED:
        return name
    if last in _IRREGULAR:
        many = _IRREGULAR[last]
    elif last.endswith("man") and last not in ("human", "talisman"):
        many = last[:-3] + "men"
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        many = last + "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        many = last[:-1] + "ies"
    else:
        many = last + "s"
    return " ".join([*before, many])


def sentences(name: str) -> Iterator[str]:
    """The carrier sentences with a name in them."""
    last = name.split()[-1]
    bare = last in _PLURAL or last in _UNCOUNTED or name in _UNCOUNTED
    one = name if bare else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    for carrier in CARRIERS:
        yield carrier.format(
            one=one, One=one[0].upper() + one[1:], ONE=one.upper(), many=plural(name), name=name
        )


def run(extractor: NounExtractor, names: Sequence[str]) -> list[Found]:
    """Every name in every sentence."""
    asked = [(name, caption) for name in names for caption in sentences(name)]
    keys = extractor.extract([caption for _, caption in asked])
    return [
        Found(name, caption, bool(_forms(name) & {noun.key for noun in nouns}), tuple(n.key for n in nouns))
        for (name, caption), nouns in zip(asked, keys, strict=True)
    ]


def _forms(name: str) -> set[str]:
    """A name as a key: some are plurals of a thing that has a singular ("blinds")."""
    if name == "person":
        return {"person", "people"}
    *before, last = name.split()
    singular = last[:-1] if last.endswith("s") and not last.endswith("ss") else last
    return {name, " ".join([*before, singular])}


def share(found: Sequence[Found]) -> float:
    """Share of sentences in which the name was found, 0..1."""
    return sum(one.found for one in found) / len(found)


def main() -> None:
    """Print the share of each set; with ``--verbose`` each name that was missed, and what was read."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="sd21", help="whose spaCy model and stop list to use")
    parser.add_argument("--set", choices=SETS, help="only this one")
    parser.add_argument("--verbose", action="store_true", help="list what was missed")
    options = parser.parse_args()
    extractor = load_noun_extractor(load_preset(options.preset))
    print(f"{extractor.identity.id} {extractor.identity.revision}, {extractor.identity.preprocessing}")
    for name in [options.set] if options.set else SETS:
        found = run(extractor, class_names(name))
        print(
            f"{name:<8}{len(found) // len(CARRIERS):>6} names{share(found):>8.2%} of {len(found)} sentences"
        )
        if options.verbose:
            for one in found:
                if not one.found:
                    print(f"    {one.name}: {one.caption} -> {', '.join(one.keys)}")


if __name__ == "__main__":
    main()
