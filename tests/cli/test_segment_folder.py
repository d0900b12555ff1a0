"""``freeda segment`` on a folder of pictures: what it says, what it leaves out, what a kill leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeda_segment import Segmenter


@pytest.fixture
def folder(picture: Path, tmp_path: Path) -> Path:
    """Five pictures, a broken one, and what is no picture."""
    made = tmp_path / "photos"
    (made / "deep").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png", "d.png", "deep/e.png"):
        (made / name).write_bytes(picture.read_bytes())
    (made / "broken.png").write_bytes(picture.read_bytes()[:60])
    (made / "notes.txt").write_text("no picture")
    return made


def test_a_folder_is_told_of_in_a_table_and_not_line_by_line(
    freeda: Any, opened: Any, bank: Path, folder: Path
) -> None:
    result = freeda("segment", folder, "-c", "car,tree", "--bank", bank)
    assert result.exit_code == 1, "one is broken"
    header, *rows, summary = result.stdout.splitlines()
    assert header.split() == ["class", "pictures", "mean", "area"]
    assert {row.split()[0] for row in rows} <= {"car", "tree", "(1"}
    assert "4" in rows[0].split()
    assert summary.startswith("5 pictures: 4 segmented, 1 failed in ")
    assert summary.endswith("results in freeda-out")
    assert "left out: 1 folder, 1 other file (--recursive enters folders)" in result.stderr
    assert sum(line.startswith("error: ") for line in result.stderr.splitlines()) == 1
    assert "a.png" not in result.stdout
    assert len(list(Path("freeda-out").glob("*.overlay.png"))) == 4


@pytest.mark.parametrize("flags", [("segment", "-v"), ("segment", "--verbose"), ("--verbose", "segment")])
def test_verbose_has_a_line_for_each_picture(
    freeda: Any, opened: Any, bank: Path, folder: Path, flags: tuple[str, ...]
) -> None:
    result = freeda(*flags, folder, "-c", "car", "--bank", bank)
    lines = [line for line in result.stdout.splitlines() if line.startswith(str(folder))]
    assert [Path(line.split(": ")[0]).name for line in lines] == ["a.png", "b.png", "c.png", "d.png"]
    assert "  freeda-out" not in result.stdout


def test_results_in_the_folder_of_the_pictures_are_not_taken_for_pictures(
    freeda: Any, opened: Any, bank: Path, folder: Path
) -> None:
    (folder / "broken.png").unlink()
    opened.small = False
    line = ("segment", folder, "--recursive", "-c", "car", "--bank", bank, "--out", folder)
    first = freeda(*line)
    assert (first.exit_code, "5 pictures: 5 segmented" in first.stdout) == (0, True), first.stderr
    files = sorted(path.name for path in folder.iterdir())
    second = freeda(*line)
    assert second.exit_code == 0
    assert "5 pictures: 5 up to date" in second.stdout
    assert "of freeda's own outputs" in second.stderr
    assert sorted(path.name for path in folder.iterdir()) == files


def test_json_tells_of_every_picture_in_order(freeda: Any, opened: Any, bank: Path, folder: Path) -> None:
    result = freeda("segment", folder, "-c", "car", "--bank", bank, "--json")
    told = json.loads(result.stdout)
    names = [Path(each["picture"]["source"]).name for each in told]
    assert names == ["a.png", "b.png", "broken.png", "c.png", "d.png"]
    assert [("error" in each) for each in told] == [False, False, True, False, False]


def test_doubts_of_many_pictures_are_few_lines(
    freeda: Any, opened: Any, bank: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "freeda_segment.result.Segmentation.doubt", property(lambda _: "it resembles nothing in the bank.")
    )
    result = freeda("segment", folder, "--recursive", "-c", "car", "--bank", bank)
    warnings = [line for line in result.stderr.splitlines() if "resembles" in line or "of single" in line]
    assert warnings[0].startswith(f"warning: {folder}/a.png: it resembles nothing")
    assert "and 2 more warnings of single pictures" in warnings[-1]
    assert len(warnings) == 4


def test_a_heic_picture_is_read_where_the_extra_is_there_and_told_of_where_not(
    freeda: Any, opened: Any, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.files import picture_files, picture_kinds

    assert picture_kinds.reads_heif(), "pillow-heif is a requirement of development"
    path = tmp_path / "phone.heic"
    pixels = np.zeros((40, 48, 3), dtype=np.uint8)
    pixels[:, 24:] = (250, 30, 30)
    Image.fromarray(pixels).save(path, format="HEIF", quality=90)
    line = ("segment", path, "-c", "car", "--bank", bank)
    assert freeda(*line, "--json").exit_code == 0
    for module in (picture_files, picture_kinds):
        monkeypatch.setattr(module, "reads_heif", lambda: False)
    refused = freeda(*line, "--force")
    assert refused.exit_code == 1
    assert "is a HEIC picture; install what reads it: pip install 'freeda[heic]'" in refused.stderr


def test_interrupted_it_keeps_what_is_done_and_goes_on(
    freeda: Any, opened: Any, bank: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "broken.png").unlink()
    opened.small = False
    line = ("segment", folder, "-c", "car", "--bank", bank)
    encode_each = Segmenter.encode_each

    def interrupted(self: Segmenter, images: Any) -> Any:
        for number, encoded in enumerate(encode_each(self, images)):
            if number == 2:
                raise KeyboardInterrupt
            yield encoded

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "encode_each", interrupted)
        assert freeda(*line).exit_code == 130
    reports = {path.name for path in Path("freeda-out").glob("*.json")}
    assert reports <= {"a.json", "b.json"}
    again = freeda(*line)
    assert again.exit_code == 0, again.stderr
    assert len(list(Path("freeda-out").glob("*.overlay.png"))) == 4
    assert not list(Path("freeda-out").glob(".*.part"))


def test_formats_of_the_run_hold_old_and_new_results(
    freeda: Any, opened: Any, bank: Path, folder: Path
) -> None:
    opened.small = False
    line = ("segment", folder, "-c", "car,tree", "--bank", bank)
    assert freeda(*line, "--format", "coco,yolo").exit_code == 1
    coco = Path("freeda-out/coco/annotations.json")
    names = [each["file_name"] for each in json.loads(coco.read_text())["images"]]
    assert names == ["a.png", "b.png", "c.png", "d.png"], "all but the broken one"
    (folder / "broken.png").unlink()
    (folder / "f.png").write_bytes((folder / "a.png").read_bytes())
    again = freeda(*line, "--format", "coco,yolo")
    assert again.exit_code == 0
    assert "5 pictures: 1 segmented, 4 up to date" in again.stdout
    assert f"coco of 5 pictures: {coco}\n" in again.stderr
    names = [each["file_name"] for each in json.loads(coco.read_text())["images"]]
    assert names == ["a.png", "b.png", "c.png", "d.png", "f.png"]
    third = freeda(*line, "--format", "coco,yolo")
    assert f"coco of 5 pictures: {coco} (up to date)\n" in third.stderr
    assert len(list(Path("freeda-out/yolo/labels").iterdir())) == 5


def test_label_maps_from_one_are_other_results(freeda: Any, opened: Any, bank: Path, picture: Path) -> None:
    opened.small = False
    line = ("segment", picture, "-c", "car,tree", "--bank", bank, "--background", "none")
    assert freeda(*line).exit_code == 0
    zero = np.asarray(Image.open("freeda-out/photo.labels.png"))
    assert freeda(*line, "--label-offset", "1").exit_code == 0
    one = np.asarray(Image.open("freeda-out/photo.labels.png"))
    np.testing.assert_array_equal(one, zero + 1)
    assert "up to date" in freeda(*line, "--label-offset", "1").stdout
    assert freeda(*line, "--label-offset", "2").exit_code == 2


def test_a_name_that_is_not_utf_8_goes_all_the_way(
    freeda: Any, opened: Any, bank: Path, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"\xff \xfe.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(picture.read_bytes())
    opened.small = False
    formats = "overlay,png,rle,geojson,npz,coco,coco-panoptic,yolo,labelme,label-studio,mmseg"
    line = ("segment", folder, "-c", "car,tree", "--bank", bank, "--format", formats)
    first = freeda(*line)
    assert first.exit_code == 0, first.stderr
    (overlay,) = Path("freeda-out").glob("caf*.overlay.png")
    assert os.fsencode(overlay.name) == b"caf\xe9.overlay.png"
    names = [
        each["file_name"]
        for each in json.loads(Path("freeda-out/coco/annotations.json").read_text())["images"]
    ]
    assert [os.fsencode(name) for name in names] == [b"caf\xe9.png", b"\xff \xfe.png"]
    assert "2 pictures: 2 up to date" in freeda(*line).stdout
    told = json.loads(freeda(*line, "--json").stdout)
    assert [os.fsencode(Path(each["picture"]["source"]).name) for each in told] == [
        b"caf\xe9.png",
        b"\xff \xfe.png",
    ]


def test_pictures_of_few_numbers_are_told_of(freeda: Any, opened: Any, bank: Path, tmp_path: Path) -> None:
    numbers = np.linspace(291, 694, 40 * 48).reshape(40, 48).astype(np.uint16)
    Image.fromarray(numbers).save(tmp_path / "deep.png")
    result = freeda("segment", tmp_path / "deep.png", "-c", "car", "--bank", bank)
    assert result.exit_code == 0
    assert "deep.png: most of its numbers lie in 291" in result.stderr
    assert any("stretched" in note for note in json.loads(Path("freeda-out/deep.json").read_text())["notes"])


def test_names_that_no_font_can_draw_are_told_of(
    freeda: Any, opened: Any, bank: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_store.views.fonts.SYSTEM_FONTS", ())
    result = freeda("segment", picture, "-c", "car,木", "--bank", bank)
    assert result.exit_code == 0
    assert "no font here can draw '木', so overlays show the number of the class" in result.stderr
    quiet = freeda("segment", picture, "-c", "car,木", "--bank", bank, "--format", "png")
    assert "no font" not in quiet.stderr


SCRIPT = """
import json, sys
sys.argv = ["freeda", *json.loads(sys.argv[1])]
from freeda_cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def test_up_to_date_results_answer_without_a_network_library(
    freeda: Any, opened: Any, bank: Path, picture: Path
) -> None:
    line = ["segment", str(picture), "-c", "car", "--bank", str(bank)]
    opened.small = False
    assert freeda(*line).exit_code == 0
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(line)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "up to date" in done.stdout
    assert {"torch", "transformers", "open_clip", "torchvision"}.isdisjoint(
        json.loads(done.stderr.splitlines()[-1])
    )
