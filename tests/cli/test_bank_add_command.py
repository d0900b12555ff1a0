"""``freeda bank add``: what it asks the library for, and what it tells. Drawing is tested end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freeda_cli.bank_add import hints, separation_facts
from freeda_ingest.report import IngestReport
from freeda_models.check import PresetCheck
from freeda_store.views.separation import Confusion, Neighbour, Separation

REPORT = IngestReport(
    captions=20,
    duplicates=0,
    done_before=5,
    written=15,
    without_nouns=0,
    prototypes=14,
    dropped={"too_small": 1},
    unknown_nouns={},
    cut_captions=0,
    notes=(),
    rejected=0,
    blank_lines=0,
    first_rejects=(),
    rejects_path=None,
    undrawn=0,
    halved=0,
    seconds={},
    total_seconds=3.0,
    revision=None,
    interrupted=False,
)
CAR = Separation(
    noun="car",
    prototypes=20,
    text_neighbours=(Neighbour("automobile", 0.998), Neighbour("bus", 0.4)),
    visual_neighbours=(Neighbour("train", 0.61),),
    spread=0.25,
    apart=0.75,
    margin=0.1,
    confusions=(Confusion("train", 0.25),),
    kin=("red car",),
    compared=9,
)


class Added:
    """Stands in for :func:`freeda_ingest.concepts.add_concepts`."""

    report = REPORT

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, address: str, concepts: tuple[str, ...], **options: Any) -> IngestReport:
        self.calls.append({"address": address, "concepts": concepts, **options})
        return self.report


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Added:
    fake = Added()
    monkeypatch.setattr("freeda_ingest.concepts.add_concepts", fake)
    monkeypatch.setattr("freeda_models.check.check_preset", lambda name, *_: PresetCheck(name, ()))
    return fake


def test_concepts_and_options_reach_the_library(freeda: Any, added: Added, bank: Path) -> None:
    options = ["--images", "7", "--seed", "3", "--batch-size", "2", "-m", "more", "--device", "cpu"]
    result = freeda("bank", "add", "The Car", "dog", "--bank", bank, *options)
    assert result.exit_code == 0, result.stderr
    (call,) = added.calls
    assert (call["address"], call["concepts"], call["images"]) == (str(bank), ("car", "dog"), 7)
    assert (call["preset"].name, call["device"]) == ("tiny", "cpu")
    run = call["options"]
    assert (run.seed, run.batch_size, run.message) == (3, 2, "more")


def test_every_name_of_a_list_of_classes_is_a_concept(
    freeda: Any, added: Added, bank: Path, tmp_path: Path
) -> None:
    (tmp_path / "classes.txt").write_text("car | bus  # vehicles\ntree\n")
    result = freeda("bank", "add", "dog", "--classes-file", "classes.txt", "--bank", bank)
    assert result.exit_code == 0, result.stderr
    assert added.calls[0]["concepts"] == ("car", "bus", "tree", "dog")


def test_what_was_drawn_and_how_each_concept_lies_is_told(freeda: Any, added: Added, bank: Path) -> None:
    result = freeda("bank", "add", "car", "--bank", bank)
    facts = [line.split(maxsplit=1) for line in result.stdout.splitlines() if line]
    told = {name: value for name, value in facts if name in ("written", "dropped", "concept", "revision")}
    assert told == {
        "written": "15",
        "dropped": "too small 1",
        "concept": "car, 2 prototypes",
        "revision": "none made, for nothing was new",
    }
    assert "tree" in result.stdout
    assert "dog" in result.stdout


def test_json_has_the_same(freeda: Any, added: Added, bank: Path) -> None:
    told = json.loads(freeda("bank", "add", "car", "dog", "--bank", bank, "--json").stdout)
    assert (told["written"], told["done_before"], told["dropped"]) == (15, 5, {"too_small": 1})
    assert [each["noun"] for each in told["concepts"]] == ["car", "dog"]
    assert {each["noun"] for each in told["concepts"][0]["text_neighbours"]} == {"tree", "dog"}


def test_words_that_the_preset_does_not_know_are_named_before_anything_is_drawn(
    freeda: Any, added: Added, bank: Path
) -> None:
    result = freeda("bank", "add", "zebra", "car", "--bank", bank)
    assert result.exit_code == 0
    assert "preset tiny does not know 'zebra'" in result.stderr
    assert "no prototype of 'zebra' could be read" in result.stderr
    assert json.loads(freeda("bank", "add", "zebra", "--bank", bank, "--json").stdout)["unknown"] == ["zebra"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["car,tree"], "cannot be a concept"),
        (["car", "--images", "0"], "--images"),
        ([], "no concept was given"),
        (["car", "--bank", "elsewhere"], "no bank in"),
    ],
)
def test_misuse_is_one_line(freeda: Any, added: Added, bank: Path, arguments: list[str], told: str) -> None:
    result = freeda("bank", "add", *arguments, *(() if "--bank" in arguments else ("--bank", bank)))
    assert result.exit_code == 2
    assert told in result.stderr
    assert added.calls == []


def test_an_interrupted_run_tells_how_to_go_on(freeda: Any, added: Added, bank: Path) -> None:
    added.report = replace(REPORT, interrupted=True)
    result = freeda("bank", "add", "car", "--bank", bank)
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr


def test_pictures_that_failed_are_told(freeda: Any, added: Added, bank: Path) -> None:
    added.report = replace(REPORT, undrawn=1, halved=2, notes=("caption car 3: black",))
    for options in ([], ["--json"]):
        told = freeda("bank", "add", "car", "--bank", bank, *options).stderr
        assert "caption car 3: black" in told
        assert "2 batches did not fit the device's memory" in told


def test_hints_name_the_neighbours_and_the_commands() -> None:
    same, look = hints(CAR, "flowers")
    assert "automobile" in same
    assert "bus" not in same
    assert "'train'" in look
    assert "freeda bank show car --bank flowers" in look
    assert "--where 'noun=car,outlier_distance>0.50' --dry-run" in look
    assert hints(replace(CAR, text_neighbours=(), confusions=()), "flowers") == []


def test_a_single_prototype_has_fewer_facts() -> None:
    alone = replace(
        CAR, prototypes=1, text_neighbours=(), spread=None, apart=None, margin=None, confusions=(), kin=()
    )
    assert dict(separation_facts(alone)) == {
        "concept": "car, 1 prototype",
        "nearest texts": "none: it is the only noun",
        "nearest looks": "train 0.61",
    }
