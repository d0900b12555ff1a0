"""The list of classes: what a person writes, and what it means.

``red car,tree`` is two classes. ``car|automobile|taxi`` is one class with three texts: each text
retrieves its own prototypes, and a region is as similar to the class as to the nearest of them.

In a file a line is a class, and its place is its label. So a file is read more strictly than a command line:
what could be meant in two ways is refused, and nothing is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from freeda_segment.errors import ClassesError
from freeda_store.files.regular_files import read_regular

MAX_TEXTS = 2000
"""Names of classes, synonyms counted, in one list: each takes memory in every region of a picture."""

MAX_CHARACTERS = 300
"""Of one name. CLIP reads 77 tokens."""

MAX_FILE_BYTES = 4 * 2**20
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.DOTALL)
_SEPARATORS = re.compile(r"[,;、，；]|\s\.(?:\s|$)")
"""What people write between classes; as in Chinese and Japanese, and as detectors are asked."""

_SENTENCE = re.compile(r"(?<=\w\w\w)\.\s")
_NUMBERED = re.compile(r"\d+\s*[:.,;=\t ]\s*\S")
_HEADER_WORDS = frozenset(
    {"category", "class", "class_name", "classes", "color", "colour", "description", "id", "idx", "index"}
    | {
        "label",
        "label_id",
        "labels",
        "name",
        "names",
        "no",
        "number",
        "supercategory",
        "synonyms",
        "train_id",
    }
)
_FILE_ADVICE = "write one class per line, and several names of one class between bars, as in 'car|automobile'"
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

    So do ``;``, the commas of Chinese and Japanese, and a dot between spaces. Texts that differ only in case,
    spacing or the encoding of accents are equal; empty items are skipped. A text that was given before is
    dropped with a note: it stays with the class that had it first.

    Raises:
        ClassesError: no class is left, there are more than :data:`MAX_TEXTS` texts, or one is longer
            than :data:`MAX_CHARACTERS` or holds control characters.
    """
    given = [expressions] if isinstance(expressions, str) else list(expressions)
    items = (_texts(item) for expression in given for item in _SEPARATORS.split(expression))
    found = _distinct(item for item in items if item)
    if not found.classes:
        raise ClassesError('no class was given; name at least one, for example -c "red car,tree".')
    return found


def join_classes(first: ClassList, second: ClassList) -> ClassList:
    """Two lists as one; texts of the second that the first has are dropped with a note."""
    joined = _distinct(each.texts for each in (*first.classes, *second.classes))
    return replace(joined, notes=tuple(dict.fromkeys((*first.notes, *second.notes, *joined.notes))))


def _distinct(items: Iterable[Sequence[str]]) -> ClassList:
    owners: dict[str, int] = {}
    classes: list[ClassName] = []
    notes: dict[str, None] = {}
    for number, item in enumerate(items):
        texts: dict[str, str] = {}
        for text in item:
            check_text(text)
            key = _caseless(text)
            if owners.setdefault(key, number) == number and key not in texts:
                texts[key] = text
            else:
                notes[f"'{text}' was given more than once; the later one is ignored."] = None
            if _SENTENCE.search(text):
                notes[f"'{text}' is taken for one class; put commas between classes."] = None
        if texts:
            classes.append(ClassName(tuple(texts.values())))
        if len(owners) > MAX_TEXTS:
            raise ClassesError(
                f"more than {MAX_TEXTS:,} class names were given; segment in several runs, with fewer each."
            )
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


def read_classes_file(path: str | Path) -> ClassList:
    """Read a UTF-8 text file of classes; see :func:`parse_class_lines`.

    Raises:
        ClassesError: the file cannot be read, is far too large, is not UTF-8, or see
            :func:`parse_class_lines`.
    """
    try:
        lines = read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ClassesError(
            f"{path} cannot be read ({reason}); give a text file with one class per line."
        ) from None
    return parse_class_lines(lines, str(path))


def parse_class_lines(lines: Sequence[str], origin: str) -> ClassList:
    """Read classes, one per line: the place of a line among them is its label.

    Several names of one class stand between bars. A ``#`` at the start of a line or after a space begins a
    comment; empty lines do not count.

    Args:
        lines: of the file.
        origin: its name, for messages.

    Raises:
        ClassesError: there is no class; a line holds several, or a table; a text stands in two lines; there
            are too many, or one is no name. The message names the lines.
    """
    kept = ((number, _COMMENT.sub("", line).strip()) for number, line in enumerate(lines, start=1))
    told = [(number, line) for number, line in kept if line.strip("| ")]
    if not told:
        raise ClassesError(f"{origin} names no class; write one per line.")
    _refuse_tables(told, origin)
    owners: dict[str, int] = {}
    for number, line in told:
        for text in _texts(line):
            try:
                check_text(text)
            except ClassesError as error:
                raise ClassesError(f"{origin}, line {number}: {error}") from None
            before = owners.setdefault(_caseless(text), number)
            if before != number:
                raise ClassesError(
                    f"{origin} has '{text}' twice, in lines {before} and {number}; each name may belong to "
                    "one class only, for the place of a line is its label."
                )
    try:
        found = _distinct(_texts(line) for _, line in told)
    except ClassesError as error:
        raise ClassesError(f"{origin}: {error}") from None
    first, line = told[0]
    if line.casefold() in _HEADER_WORDS:
        note = f"{origin}, line {first}: '{line}' is taken for a class; remove it if it is a heading."
        return replace(found, notes=(note, *found.notes))
    return found


def _refuse_tables(told: Sequence[tuple[int, str]], origin: str) -> None:
    """Refuse lines that hold several classes, or the fields of a table."""
    first, line = told[0]
    fields = [field.strip(" \t\"'").casefold() for field in re.split(r"[,;\t]", line)]
    if len(fields) > 1 and _HEADER_WORDS.issuperset(fields):
        raise ClassesError(
            f"{origin}, line {first}: '{line[:60]}' is the heading of a table; keep the names alone, and "
            f"{_FILE_ADVICE}."
        )
    if len(told) > 1 and all(_NUMBERED.match(text) for _, text in told):
        raise ClassesError(
            f"{origin}: all lines begin with numbers; remove them, for the place of a line is its label, and "
            f"{_FILE_ADVICE}."
        )
    for number, text in told:
        found = _SEPARATORS.search(text)
        if found is not None:
            raise ClassesError(
                f"{origin}, line {number}: '{text[:60]}' holds '{found.group().strip()}' and may be several "
                f"classes, or one of several names; {_FILE_ADVICE}."
            )


def _caseless(text: str) -> str:
    """Equal for texts that Unicode takes for the same but for case (é may be one character or two)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def _texts(item: str) -> list[str]:
    """The names of one class, with spaces tidied; empty ones left out."""
    tidied = (" ".join(text.split()) for text in item.split("|"))
    return [text for text in tidied if text]
