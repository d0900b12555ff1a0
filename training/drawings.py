"""Which emoji the tiny pack may learn from, and which are kept from every training.

Of the code points that both emoji sets draw, those that end in the hexadecimal digits 3 and b are kept for
tests, and 7 and f are not used at all; the world's own 16 objects are older than this rule. What is held
out for trials and examples is otherwise allowed, and so are drawings that look much like a held-out or a
named thing (other mailboxes, other cars), which ``drawings.txt`` leaves out for that reason.
"""

from __future__ import annotations

from pathlib import Path

from training.world import OBJECTS, ObjectKind

LIST = Path(__file__).parent / "drawings.txt"
HUES = tuple((f"hue {shift}", shift) for shift in range(0, 256, 43))
"""Six colours of one drawing, the first its own."""

NOVEL: tuple[ObjectKind, ...] = (
    ObjectKind("sunflower", ("sunflower",), "1f33b"),
    ObjectKind("lemon", ("lemon",), "1f34b"),
    ObjectKind("strawberry", ("strawberry",), "1f353"),
    ObjectKind("volcano", ("volcano",), "1f30b"),
    ObjectKind("violin", ("violin",), "1f3bb"),
    ObjectKind("camel", ("camel",), "1f42b"),
    ObjectKind("bear", ("bear",), "1f43b"),
    ObjectKind("bomb", ("bomb",), "1f4a3"),
    ObjectKind("mailbox", ("mailbox",), "1f4eb"),
    ObjectKind("butterfly", ("butterfly",), "1f98b"),
    ObjectKind("suitcase", ("suitcase",), "1f9f3"),
    ObjectKind("bucket", ("bucket",), "1faa3"),
)
"""Objects of the bundled novel scenes: no training saw them, and no setting is chosen on them."""

TRIAL: tuple[ObjectKind, ...] = (
    ObjectKind("pineapple", ("pineapple",), "1f34d"),
    ObjectKind("cactus", ("cactus",), "1f335"),
    ObjectKind("guitar", ("guitar",), "1f3b8"),
    ObjectKind("turtle", ("turtle",), "1f422"),
    ObjectKind("crab", ("crab",), "1f980"),
    ObjectKind("teapot", ("teapot",), "1fad6"),
    ObjectKind("rocket", ("rocket",), "1f680"),
    ObjectKind("helicopter", ("helicopter",), "1f681"),
    ObjectKind("giraffe", ("giraffe",), "1f992"),
    ObjectKind("gift", ("gift",), "1f381"),
    ObjectKind("owl", ("owl",), "1f989"),
    ObjectKind("hat", ("hat",), "1f3a9"),
)
"""Objects kept from training to watch it by: settings of the training may be chosen on them."""

EXAMPLE: tuple[ObjectKind, ...] = (
    ObjectKind("tractor", ("tractor",), "1f69c"),
    ObjectKind("snail", ("snail",), "1f40c"),
    ObjectKind("umbrella", ("umbrella",), "2614"),
    ObjectKind("backpack", ("backpack",), "1f392"),
    ObjectKind("tent", ("tent",), "26fa"),
    ObjectKind("parrot", ("parrot",), "1f99c"),
)
"""Objects kept from training to be taught in examples and documents."""


def taught() -> tuple[ObjectKind, ...]:
    """The drawings that the backbone learns from, each in six hues."""
    lines = (line.split(maxsplit=1) for line in LIST.read_text(encoding="utf-8").splitlines())
    return tuple(ObjectKind(name, (name,), codepoint, HUES) for codepoint, name in lines)


def all_kinds() -> tuple[ObjectKind, ...]:
    """Every kind whose drawings are fetched."""
    return OBJECTS + taught() + NOVEL + TRIAL + EXAMPLE
