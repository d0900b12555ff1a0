"""Which files a person means."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from freeda_cli.errors import UsageError
from freeda_cli.pictures import find_pictures
from freeda_store.files.own_files import png_mark


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names_of(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_its_own_pictures_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/c.png")
    assert names_of(find_pictures([str(tmp_path)]).pictures, tmp_path) == ["a.png", "b.JPG"]


def test_a_named_file_counts_whatever_its_ending(tmp_path: Path) -> None:
    make(tmp_path, "scan", "[odd] name*.png")
    odd = tmp_path / "[odd] name*.png"
    assert find_pictures([str(tmp_path / "scan"), str(odd)]).pictures == [tmp_path / "scan", odd]


def test_patterns_reach_into_folders_and_nothing_comes_twice(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "deep/b.png")
    found = find_pictures([str(tmp_path / "a.png"), str(tmp_path / "**" / "*.png")]).pictures
    assert names_of(found, tmp_path) == ["a.png", "deep/b.png"]


@pytest.mark.parametrize("argument", ["no.png", "no-*.png", "empty"])
def test_what_names_no_picture_is_misuse(argument: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=argument.rstrip("*.png")):
        find_pictures([argument])


def test_links_that_lead_in_circles_are_entered_once(tmp_path: Path) -> None:
    make(tmp_path, "b/photo.png", "b/deep/other.png")
    for name in ("b/loop", "b/deep/up", "b/deep/again", "a"):
        (tmp_path / name).symlink_to(tmp_path if name != "a" else tmp_path / "b")
    found = find_pictures([str(tmp_path / "**" / "*.png")]).pictures
    assert names_of(found, tmp_path) == ["b/deep/other.png", "b/photo.png"]


def test_a_folder_behind_a_link_is_entered(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/photo.png", "photos/own.png")
    (tmp_path / "photos/more").symlink_to(tmp_path / "elsewhere")
    found = find_pictures([str(tmp_path / "photos" / "**" / "*.png")]).pictures
    assert names_of(found, tmp_path) == ["photos/more/photo.png", "photos/own.png"]


def test_one_file_by_several_links_counts_once_unless_it_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    (tmp_path / "c.png").hardlink_to(tmp_path / "a.png")
    assert names_of(find_pictures([str(tmp_path)]).pictures, tmp_path) == ["a.png"]
    assert names_of(find_pictures([str(tmp_path / "*.png")]).pictures, tmp_path) == ["a.png"]
    named = find_pictures([str(tmp_path / "b.png"), str(tmp_path / "c.png"), str(tmp_path)]).pictures
    assert names_of(named, tmp_path) == ["b.png", "c.png"]


def test_links_to_nothing_and_to_themselves(tmp_path: Path) -> None:
    make(tmp_path, "good.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert names_of(find_pictures([str(tmp_path)]).pictures, tmp_path) == ["good.png"]
    assert names_of(find_pictures([str(tmp_path / "*")]).pictures, tmp_path) == ["good.png"]
    for name in ("gone.png", "loop.png"):
        with pytest.raises(UsageError, match="is a link that leads to no file"):
            find_pictures([str(tmp_path / name)])


def test_what_lies_beside_pictures_is_counted_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a.png", "b.HEIC", "c.heif", "deep/d.png", "e.cr2", "f.mov", "g.mov", "notes.txt", ".hidden.png")
    make(tmp_path, *names)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    for name in ("a.overlay.png", "a.labels.png"):
        Image.new("L", (2, 2)).save(tmp_path / name, pnginfo=png_mark())
    (tmp_path / "a.json").write_text('{"generator": "freeda"}')
    monkeypatch.setattr("freeda_store.files.picture_kinds.reads_heif", lambda: False)
    found = find_pictures([str(tmp_path)])
    assert names_of(found.pictures, tmp_path) == ["a.png"]
    told = found.told()
    for part in (
        *("2 HEIC", "1 folder", "3 of freeda's own outputs", "1 camera RAW", "2 videos", "1 other file"),
        *("1 hidden file", "1 broken link", "freeda[heic]", "--recursive"),
    ):
        assert part in told
    monkeypatch.setattr("freeda_store.files.picture_kinds.reads_heif", lambda: True)
    found = find_pictures([str(tmp_path)])
    assert names_of(found.pictures, tmp_path) == ["a.png", "b.HEIC", "c.heif"]
    assert "HEIC" not in found.told()


def test_own_outputs_are_no_pictures_even_where_they_are_named(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    own = tmp_path / "a.overlay.png"
    Image.new("L", (2, 2)).save(own, pnginfo=png_mark())
    for argument in (own, tmp_path / "*.overlay.png"):
        with pytest.raises(UsageError, match="no picture is left, only 1 of freeda's own outputs"):
            find_pictures([str(argument)])
        both = find_pictures([str(tmp_path / "a.png"), str(argument)])
        assert names_of(both.pictures, tmp_path) == ["a.png"]
        assert both.skipped == {"own output": 1}
    empty = tmp_path / "empty.png"
    empty.touch()
    assert find_pictures([str(empty)]).pictures == [empty], "whoever reads it says what is wrong"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Who reads it as a picture says what it is."""
    os.mkfifo(tmp_path / "pipe.png")
    assert find_pictures([str(tmp_path / "pipe.png")]).pictures == [tmp_path / "pipe.png"]


def test_recursive_takes_folders_in_folders_but_not_where_results_go(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "deep/er/c.png", "deep/a.png", "out/old.png", ".git/d.png", "deep/.hidden/e.png")
    (tmp_path / "deep/er/up").symlink_to(tmp_path)
    found = find_pictures([str(tmp_path)], recursive=True, out=tmp_path / "out")
    assert names_of(found.pictures, tmp_path) == ["b.png", "deep/a.png", "deep/er/c.png"]
    here = find_pictures([str(tmp_path / "out")], recursive=True, out=tmp_path / "out")
    assert names_of(here.pictures, tmp_path) == ["out/old.png"], "a folder that is named is meant"


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", "deep/a.png")
    with pytest.raises(UsageError, match=r"holds no picture, only 1 folder, 1 other file \(--recursive"):
        find_pictures([str(tmp_path)])


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    odd.write_bytes(b"x")
    for argument in (tmp_path, tmp_path / "**" / "*.png"):
        assert find_pictures([str(argument)]).pictures == [odd]


def test_a_home_of_nobody_is_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"~nobody-at-all/a\.png"):
        find_pictures(["~nobody-at-all/a.png"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["a", "b", ".h", "a/b", "a/.h", "b/a", "b/a/a"]), min_size=1, unique=True),
    st.lists(
        st.sampled_from(["*", "**", "a", "b", "?", "[ab]", "*.png", ".*", "x.png"]), min_size=1, max_size=4
    ),
)
@example(["a"], ["*", "x.png", "**"])
def test_without_links_patterns_mean_what_the_glob_module_says(
    tmp_path_factory: pytest.TempPathFactory, folders: list[str], pattern: list[str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    make(root, *(f"{folder}/{name}" for folder in folders for name in ("x.png", ".y.png", "z")))
    text = str(root / "/".join(pattern))
    globbed = glob.glob(text, recursive=True)  # noqa: PTH207 - what is compared with
    expected = {path for path in globbed if os.path.isfile(path)}  # noqa: PTH113 - "x.png/" is none
    try:
        found = {str(path) for path in find_pictures([text]).pictures}
    except UsageError:
        found = set()
    if not Path(text).is_dir():
        assert found == expected
