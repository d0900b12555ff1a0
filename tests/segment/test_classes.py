from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_segment.classes import parse_classes, read_classes_file
from freeda_segment.errors import ClassesError


def texts(*expressions: str) -> list[tuple[str, ...]]:
    return [each.texts for each in parse_classes(expressions).classes]


def test_commas_and_repetition_separate_classes():
    assert texts("red car, tree", "sky") == [("red car",), ("tree",), ("sky",)]
    assert parse_classes("red car,tree").names == ("red car", "tree")


def test_bars_join_synonyms():
    assert texts("car|automobile | taxi,tree") == [("car", "automobile", "taxi"), ("tree",)]


def test_spaces_and_empty_items_do_not_matter():
    assert texts("  red   car ,, tree,", "") == [("red car",), ("tree",)]


def test_duplicates_are_dropped_with_a_note():
    parsed = parse_classes("car,tree,Car,tree|bush")
    assert [each.texts for each in parsed.classes] == [("car",), ("tree",), ("bush",)]
    assert parsed.notes == (
        "'Car' was given more than once; the later one is ignored.",
        "'tree' was given more than once; the later one is ignored.",
    )
    assert texts("a|A|b") == [("a", "b")]


@pytest.mark.parametrize("expressions", ["", " , ,", "|", [], ["", "  "]])
def test_no_class_is_an_error(expressions):
    with pytest.raises(ClassesError, match="name at least one"):
        parse_classes(expressions)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_whatever_is_typed_gives_distinct_classes_or_an_error(expressions):
    try:
        parsed = parse_classes(expressions)
    except ClassesError:
        return
    every = [text.casefold() for each in parsed.classes for text in each.texts]
    assert len(every) == len(set(every))
    assert all(text.strip() == text and text and "," not in text and "|" not in text for text in every)


def test_a_file_of_classes(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_bytes("\ufeff# mine\nred car\ntree, sky\n\n  # more\ncar|automobile\n".encode())
    assert read_classes_file(file).names == ("red car", "tree", "sky", "car")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"# only\n\n", "names no class"), (b"\xff\xfe\x00", "not UTF-8"), (None, "No such")],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    file = tmp_path / "classes.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ClassesError, match=message) as caught:
        read_classes_file(file)
    assert str(file) in str(caught.value)
