"""What the results of a picture are called: always the same, and never what another's are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_segment.outputs import (
    FORMATS,
    explanation_stem,
    output_paths,
    picture_hash,
    picture_place,
    result_stems,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def make(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or str(path))
    return path


def record(out: Path, stem: str, picture: Path, **changes: Any) -> None:
    """A report such as segmenting writes."""
    told = {"source": str(picture), "file": picture_place(picture, out), "sha256": picture_hash(picture)}
    (out / f"{stem}.json").write_text(json.dumps({"picture": told | changes}))


def stem_of(out: Path, picture: Path) -> str:
    (stem,) = result_stems(out, [picture])
    record(out, stem, picture)
    return stem


def test_a_picture_alone_gets_its_own_stem(tmp_path: Path, out: Path) -> None:
    assert result_stems(out, [make(tmp_path / "car.png"), make(tmp_path / "tree.jpg")]) == ["car", "tree"]


def test_pictures_of_one_stem_in_one_call_get_their_endings(tmp_path: Path, out: Path) -> None:
    paths = [tmp_path / name for name in ("a/car.png", "a/tree.png", "b/CAR.jpg", "b/car.png")]
    assert result_stems(out, list(map(make, paths))) == ["car-png", "tree", "CAR-jpg", "car-png-2"]


def test_pictures_of_one_stem_in_calls_of_their_own_keep_their_names(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    assert [stem_of(out, picture) for picture in (png, jpg, png, jpg)] == ["car", "car-jpg", "car", "car-jpg"]
    assert result_stems(out, [jpg, png]) == ["car-jpg", "car"]


def test_names_given_in_one_call_are_kept_in_later_ones(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    for picture, stem in zip((png, jpg), result_stems(out, [png, jpg]), strict=True):
        record(out, stem, picture)
    assert [stem_of(out, picture) for picture in (jpg, png)] == ["car-jpg", "car-png"]


def test_pictures_of_one_name_in_two_folders(tmp_path: Path, out: Path) -> None:
    a, b = make(tmp_path / "a" / "car.png"), make(tmp_path / "b" / "car.png")
    assert [stem_of(out, picture) for picture in (a, b, b, a)] == ["car", "car-png", "car-png", "car"]


def test_a_changed_picture_keeps_its_name(tmp_path: Path, out: Path) -> None:
    picture = make(tmp_path / "car.png", "before")
    assert stem_of(out, picture) == "car"
    assert stem_of(out, make(picture, "after")) == "car"


def test_a_moved_picture_keeps_its_name_and_all_may_move_together(tmp_path: Path, out: Path) -> None:
    picture = make(tmp_path / "car.png")
    assert stem_of(out, picture) == "car"
    assert result_stems(out, [picture.rename(tmp_path / "elsewhere.png").rename(picture)]) == ["car"]
    moved = Path(shutil.move(picture, make(tmp_path / "deep" / "x").parent / "car.png"))
    assert result_stems(out, [moved]) == ["car"]


def test_the_owner_by_place_comes_before_a_twin(tmp_path: Path, out: Path) -> None:
    a, b = make(tmp_path / "a" / "car.png", "same"), make(tmp_path / "b" / "car.png", "same")
    record(out, "car", b)
    assert result_stems(out, [a, b]) == ["car-png", "car"]


def test_a_json_file_of_somebody_else_is_left_alone(tmp_path: Path, out: Path) -> None:
    picture = make(tmp_path / "car.png")
    (out / "car.json").write_text('{"boxes": []}')
    assert stem_of(out, picture) == "car-png"
    (out / "tree.json").write_text("not JSON")
    assert stem_of(out, make(tmp_path / "tree.png")) == "tree-png"


def test_a_report_without_the_place_is_known_by_its_source(tmp_path: Path, out: Path) -> None:
    picture = make(tmp_path / "car.png", "new")
    record(out, "car", picture, file=None, sha256="old")
    assert result_stems(out, [picture]) == ["car"]


@pytest.mark.parametrize("name", ["car.coco.png", "car.COCO.jpg", "car.explain.png"])
def test_stems_that_would_make_one_file_anothers(tmp_path: Path, out: Path, name: str) -> None:
    car, other = make(tmp_path / "car.png"), make(tmp_path / name)
    stem = stem_of(out, other)
    mine = output_paths(out, stem_of(out, car), FORMATS).values()
    assert not set(mine) & set(output_paths(out, stem, FORMATS).values())
    assert stem == name.replace(".png", "-png").replace(".jpg", "-jpg")


NAMES = st.text("aA.-2pn/co", min_size=1, max_size=9).filter(lambda name: Path(name).name not in ("", ".."))


@settings(max_examples=60)
@given(st.lists(NAMES.map(lambda name: Path(name.strip("/") or "a")), max_size=10, unique=True))
def test_no_two_pictures_share_a_file(tmp_path_factory: pytest.TempPathFactory, paths: list[Path]) -> None:
    out = tmp_path_factory.mktemp("out")
    stems = result_stems(out, paths)
    files = [str(path).casefold() for stem in stems for path in output_paths(out, stem, FORMATS).values()]
    assert len(set(files)) == len(files) == len(paths) * len(FORMATS)


def explain(out: Path, picture: Path) -> str:
    """Name an explanation, and leave what explaining writes."""
    stem = explanation_stem(out, picture)
    told = {"source": str(picture), "file": picture_place(picture, out), "sha256": picture_hash(picture)}
    (out / f"{stem}.explain.json").write_text(json.dumps({"picture": told}))
    return stem


def test_explanations_of_pictures_of_one_stem_keep_their_names(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    assert [explain(out, picture) for picture in (png, jpg, png, jpg)] == ["car", "car-jpg", "car", "car-jpg"]


def test_an_explanation_is_named_like_the_picture_s_results(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    record(out, "car", png)
    record(out, "car-jpg", jpg)
    assert [explain(out, picture) for picture in (jpg, png)] == ["car-jpg", "car"]


def test_the_name_of_results_that_is_known_is_taken_where_it_is_free(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    assert explanation_stem(out, png, "car-png") == "car-png"
    record(out, "car-png", png)
    assert explain(out, png) == "car-png"
    assert explanation_stem(out, png, "other") == "car-png", "its last explanation has the name"
    assert explanation_stem(out, jpg, "car-png") == "car", "the name is of another picture's explanation"


def test_a_new_explanation_takes_no_name_of_another_picture(tmp_path: Path, out: Path) -> None:
    png, jpg = make(tmp_path / "car.png"), make(tmp_path / "car.jpg")
    record(out, "car", png)
    assert explain(out, jpg) == "car-jpg"
    (out / "tree.explain.json").write_text("no JSON of ours")
    assert explain(out, make(tmp_path / "tree.png")) == "tree-png"
    assert explain(out, make(tmp_path / "a.explain.png")) == "a.explain-png"
