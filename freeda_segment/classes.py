"""The list of classes: what a person writes, and what it means.

``red car,tree`` is two classes. ``car|automobile|taxi`` is one class with three texts: each text
retrieves its own prototypes, and a region is as similar to the class as to the nearest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.errors import ClassesError


@dataclass(frozen=True)
class ClassName:
    """A class.

    Attributes:
        texts: what it is called, at least one text; the first is its name.
    """

    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first of its texts."""
        return self.texts[0]


@dataclass(frozen=True)
class ClassList:
    """Distinct classes in the order they were given.

    Attributes:
        classes: at least one; no text belongs to two.
        notes: what was dropped and why, for a person to read.
    """

    classes: tuple[ClassName, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(each.name for each in self.classes)


def parse_classes(expressions: str | Sequence[str]) -> ClassList:
    """Read class expressions; a comma, or another expression, starts another class.

    Case and spacing do not tell classes apart, and empty items between commas are skipped. A text
    that was given before is dropped with a note: it stays with the class that had it first.

    Raises:
        ClassesError: no class is left.
    """
    given = [expressions] if isinstance(expressions, str) else list(expressions)
    owners: dict[str, int] = {}
    classes: list[ClassName] = []
    notes: list[str] = []
    for number, item in enumerate(_items(given)):
        texts: dict[str, str] = {}
        for text in item:
            key = text.casefold()
            if owners.setdefault(key, number) == number and key not in texts:
                texts[key] = text
            else:
                notes.append(f"'{text}' was given more than once; the later one is ignored.")
        if texts:
            classes.append(ClassName(tuple(texts.values())))
    if not classes:
        raise ClassesError('no class was given; name at least one, for example -c "red car,tree".')
    return ClassList(tuple(classes), tuple(dict.fromkeys(notes)))


def read_classes_file(path: str | Path) -> ClassList:
    """Read a UTF-8 file of class expressions, one or more a line; ``#`` starts a comment line.

    Raises:
        ClassesError: the file cannot be read, is not UTF-8, or names no class.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ClassesError(
            f"{path} cannot be read ({reason}); give a text file with a class a line."
        ) from None
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    if not any(line.strip(" \t,|") for line in lines):
        raise ClassesError(f"{path} names no class; write one a line.")
    return parse_classes(lines)


def _items(expressions: Iterable[str]) -> list[list[str]]:
    """Each class as its texts, with spaces tidied; empty ones left out."""
    items = [
        [" ".join(text.split()) for text in item.split("|")]
        for expression in expressions
        for item in expression.split(",")
    ]
    tidy = [[text for text in item if text] for item in items]
    return [item for item in tidy if item]
