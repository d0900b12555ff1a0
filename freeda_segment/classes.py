"""The list of classes: what a person writes, and what it means.

``red car,tree`` is two classes. ``car|automobile|taxi`` is one class with three texts: each text
retrieves its own prototypes, and a region is as similar to the class as to the nearest of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeda_segment.errors import ClassesError
from freeda_store.files.regular_files import read_regular

MAX_TEXTS = 2000
"""Names of classes, synonyms counted, in one list: each takes memory in every region of a picture."""

MAX_CHARACTERS = 300
"""Of one name. CLIP reads 77 tokens."""

MAX_FILE_BYTES = 4 * 2**20
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.DOTALL)
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


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

    Texts that differ only in case, spacing or the encoding of accents are equal; empty items between commas
    are skipped. A text that was given before is dropped with a note: it stays with the class that had
    it first.

    Raises:
        ClassesError: no class is left, there are more than :data:`MAX_TEXTS` texts, or one is longer
            than :data:`MAX_CHARACTERS` or holds control characters.
    """
    given = [expressions] if isinstance(expressions, str) else list(expressions)
    owners: dict[str, int] = {}
    classes: list[ClassName] = []
    notes: dict[str, None] = {}
    for number, item in enumerate(_items(given)):
        texts: dict[str, str] = {}
        for text in item:
            check_text(text)
            key = _caseless(text)
            if owners.setdefault(key, number) == number and key not in texts:
                texts[key] = text
            else:
                notes[f"'{text}' was given more than once; the later one is ignored."] = None
        if texts:
            classes.append(ClassName(tuple(texts.values())))
        if len(owners) > MAX_TEXTS:
            raise ClassesError(
                f"more than {MAX_TEXTS:,} class names were given; segment in several runs, with fewer each."
            )
    if not classes:
        raise ClassesError('no class was given; name at least one, for example -c "red car,tree".')
    return ClassList(tuple(classes), tuple(notes))


def check_text(text: str) -> None:
    """Refuse what cannot be the name of a class.

    Raises:
        ClassesError: it is longer than :data:`MAX_CHARACTERS`, or holds characters that no text has.
    """
    if len(text) > MAX_CHARACTERS:
        raise ClassesError(
            f"the class name '{text[:40]}…' has {len(text):,} characters; give at most {MAX_CHARACTERS}, "
            "and commas or lines between classes."
        )
    if _NO_TEXT.search(text):
        shown = text.encode("unicode_escape").decode("ascii")[:60]
        raise ClassesError(f"the class name '{shown}' holds characters that no text has; is it a text file?")


def without_comment(line: str) -> str:
    """A line of a class file up to its comment: a ``#`` at its start or after a space, and the rest."""
    return _COMMENT.sub("", line)


def read_classes_file(path: str | Path) -> ClassList:
    """Read a UTF-8 file of class expressions, one or more per line; see :func:`without_comment`.

    Raises:
        ClassesError: the file cannot be read, is not UTF-8, or names no class; or see
            :func:`parse_classes`.
    """
    lines = [without_comment(line) for line in read_class_lines(path)]
    if not any(line.strip(" \t,|") for line in lines):
        raise ClassesError(f"{path} names no class; write one per line.")
    try:
        return parse_classes(lines)
    except ClassesError as error:
        raise ClassesError(f"{path}: {error}") from None


def read_class_lines(path: str | Path) -> list[str]:
    """The lines of a text file of class names.

    Raises:
        ClassesError: it cannot be read, is far too large, or is not UTF-8.
    """
    try:
        return read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ClassesError(
            f"{path} cannot be read ({reason}); give a text file with one class per line."
        ) from None


def _caseless(text: str) -> str:
    """Equal for texts that Unicode takes for the same but for case (é may be one character or two)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def _items(expressions: Iterable[str]) -> Iterator[list[str]]:
    """Each class as its texts, with spaces tidied; empty ones left out."""
    for expression in expressions:
        for item in expression.split(","):
            texts = [" ".join(text.split()) for text in item.split("|")]
            if any(texts):
                yield [text for text in texts if text]
