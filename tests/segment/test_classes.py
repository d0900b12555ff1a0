from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_segment.classes import (
    MAX_CHARACTERS,
    MAX_TEXTS,
    parse_class_lines,
    parse_classes,
    read_classes_file,
)
from freeda_segment.errors import ClassesError


def texts(*expressions: str) -> list[tuple[str, ...]]:
    return [each.texts for each in parse_classes(expressions).classes]


def test_commas_and_repetition_separate_classes() -> None:
    assert texts("red car, tree", "sky") == [("red car",), ("tree",), ("sky",)]
    assert parse_classes("red car,tree").names == ("red car", "tree")


def test_bars_join_synonyms() -> None:
    assert texts("car|automobile | taxi,tree") == [("car", "automobile", "taxi"), ("tree",)]


def test_spaces_and_empty_items_do_not_matter() -> None:
    assert texts("  red   car ,, tree,", "") == [("red car",), ("tree",)]


def test_duplicates_are_dropped_with_a_note() -> None:
    parsed = parse_classes("car,tree,Car,tree|bush")
    assert [each.texts for each in parsed.classes] == [("car",), ("tree",), ("bush",)]
    assert parsed.notes == (
        "'Car' was given more than once; the later one is ignored.",
        "'tree' was given more than once; the later one is ignored.",
    )
    assert texts("a|A|b") == [("a", "b")]


@pytest.mark.parametrize("expressions", ["", " , ,", "|", [], ["", "  "]])
def test_no_class_is_an_error(expressions: Any) -> None:
    with pytest.raises(ClassesError, match="name at least one"):
        parse_classes(expressions)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_whatever_is_typed_gives_distinct_classes_or_an_error(expressions: Any) -> None:
    try:
        parsed = parse_classes(expressions)
    except ClassesError:
        return
    every = [text.casefold() for each in parsed.classes for text in each.texts]
    assert len(every) == len(set(every))
    assert all(
        text.strip() == text and text and not set(",;、，") & set(text) and "|" not in text for text in every
    )


def test_a_file_of_classes(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_bytes("\ufeff# mine\nred car\ntree\nsky\n\n  # more\ncar|automobile\n".encode())
    assert read_classes_file(file).names == ("red car", "tree", "sky", "car")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"# only\n\n", "names no class"), (b"\xff\xfe\x00", "not UTF-8"), (None, "No such")],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "classes.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ClassesError, match=message) as caught:
        read_classes_file(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("car\ntree, sky\n", r"line 2: 'tree, sky' holds ',' and may be several classes"),
        ("car,tree,sky\n", r"line 1: 'car,tree,sky' holds ','"),
        ("# mine\ncar;tree\n", r"line 2: 'car;tree' holds ';'"),
        ("汽车、树\n", "holds '、'"),
        ("汽车，树\n", "holds '，'"),
        ("car . tree . sky .\n", r"holds '\.'"),
        ("id,name\n1,car\n", "line 1: 'id,name' is the heading of a table"),
        ('"index"\t"class"\n0\tcar\n', "is the heading of a table"),
        ("0: car\n1: tree\n", "all lines begin with numbers"),
        ("1 car\n2 tree\n", "all lines begin with numbers"),
        ("car\n# x\ntree|Car\n", r"has 'Car' twice, in lines 1 and 3"),
        ("caf\u00e9\ncafe\u0301\n", "twice, in lines 1 and 2"),
        ("car\n" + "a" * 400, r"classes\.txt, line 2: the class name 'a+…' has 400 characters"),
    ],
)
def test_what_a_file_may_mean_in_two_ways_is_refused_with_its_line(
    tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "classes.txt"
    file.write_text(content)
    with pytest.raises(ClassesError, match=told) as caught:
        read_classes_file(file)
    assert str(file) in str(caught.value)


def test_a_name_may_hold_dots_and_numbers(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("St. Bernard\n4 x 4|jeep\n3D printer\nNo. 10\n")
    found = read_classes_file(file)
    assert found.names == ("St. Bernard", "4 x 4", "3D printer", "No. 10")
    assert found.notes == ()


def test_a_heading_of_one_word_is_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("Name\ncar\n")
    found = read_classes_file(file)
    assert found.names == ("Name", "car")
    (note,) = found.notes
    assert "line 1: 'Name' is taken for a class; remove it if it is a heading" in note


@given(st.lists(st.sampled_from(["red car", "tree|bush", "sky", "sea # deep", "", "# none"]), min_size=1))
def test_the_place_of_a_line_is_its_label(lines: list[str]) -> None:
    meant = [line.partition("#")[0].strip() for line in lines]
    wanted = [line for line in meant if line]
    try:
        found = parse_class_lines(lines, "classes.txt")
    except ClassesError:
        assert not wanted or len(set(wanted)) < len(wanted)
        return
    assert ["|".join(each.texts) for each in found.classes] == wanted


@pytest.mark.parametrize(
    "typed", ["car;tree", "car、tree", "car，tree", "car；tree", "car . tree .", "car , tree"]
)
def test_other_marks_between_classes_are_known_on_the_command_line(typed: str) -> None:
    assert parse_classes(typed).names == ("car", "tree")
    assert parse_classes(typed).notes == ()


def test_sentences_are_pointed_out() -> None:
    found = parse_classes("car. tree")
    assert found.names == ("car. tree",)
    assert found.notes == ("'car. tree' is taken for one class; put commas between classes.",)
    assert parse_classes("St. Bernard,Mt. Fuji").notes == ()


def test_a_comment_ends_a_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("red car # the small one\ntree\t#\nC#|item#2\n   # nothing\nsky#\nsea #, not this\n")
    assert [each.texts for each in read_classes_file(file).classes] == [
        ("red car",),
        ("tree",),
        ("C#", "item#2"),
        ("sky#",),
        ("sea",),
    ]
    assert parse_classes("a # b").names == ("a # b",)


def test_a_name_may_be_long_but_not_a_book() -> None:
    assert parse_classes("a" * MAX_CHARACTERS).names == ("a" * MAX_CHARACTERS,)
    with pytest.raises(ClassesError, match=r"'a{40}…' has 10,000,000 characters; give at most 300") as caught:
        parse_classes("a" * 10**7)
    assert len(str(caught.value)) < 200


def test_so_many_classes_and_no_more() -> None:
    assert len(parse_classes([f"c{index}" for index in range(MAX_TEXTS)]).classes) == MAX_TEXTS
    for expressions in (",".join(f"c{index}" for index in range(20_000)), "|".join(map(str, range(20_000)))):
        with pytest.raises(ClassesError, match="more than 2,000 class names"):
            parse_classes(expressions)


@pytest.mark.parametrize("text", ["car\0", "\x1b[31mcar", "a\ud800b"])
def test_what_no_text_holds_is_refused(text: str) -> None:
    with pytest.raises(ClassesError, match="no text has") as caught:
        parse_classes(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a" * 10**7, "larger than"),
        (b"a" * 10**6, "has 1,000,000 characters"),
        (b"".join(b"c%d\n" % index for index in range(20_000)), "more than 2,000"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
        (b"GIF89a\0\0", "no text has"),
    ],
)
def test_a_file_that_is_no_list_of_classes_fails_fast_and_is_named(
    tmp_path: Path, content: Any, message: str
) -> None:
    file = tmp_path / "classes.txt"
    file.write_bytes(content)
    with pytest.raises(ClassesError, match=rf"{file}.*{message}"):
        read_classes_file(file)


def test_a_pipe_of_classes_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "classes.txt")
    with pytest.raises(ClassesError, match=r"classes\.txt cannot be read \(it is a named pipe"):
        read_classes_file(tmp_path / "classes.txt")


def test_the_same_accent_in_two_encodings_is_one_class() -> None:
    parsed = parse_classes(["caf\u00e9", "cafe\u0301|bar", "CAFE\u0301"])
    assert [each.texts for each in parsed.classes] == [("caf\u00e9",), ("bar",)]
    assert len(parsed.notes) == 2
