"""Which files a person means."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.pictures import find_pictures


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names_of(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_its_own_pictures_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/c.png")
    assert names_of(find_pictures([str(tmp_path)]), tmp_path) == ["a.png", "b.JPG"]


def test_a_named_file_counts_whatever_its_ending(tmp_path: Path) -> None:
    make(tmp_path, "scan", "[odd] name*.png")
    odd = tmp_path / "[odd] name*.png"
    assert find_pictures([str(tmp_path / "scan"), str(odd)]) == [tmp_path / "scan", odd]


def test_patterns_reach_into_folders_and_nothing_comes_twice(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "deep/b.png")
    found = find_pictures([str(tmp_path / "a.png"), str(tmp_path / "**" / "*.png")])
    assert names_of(found, tmp_path) == ["a.png", "deep/b.png"]


@pytest.mark.parametrize("argument", ["no.png", "no-*.png", "empty"])
def test_what_names_no_picture_is_misuse(argument: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=argument.rstrip("*.png")):
        find_pictures([argument])
