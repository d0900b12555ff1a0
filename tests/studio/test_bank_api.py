"""The bank by the API: counts, prototypes, pruning, and taking back only what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_store import Bank, parse_filter
from freeda_store.fields import to_json
from freeda_studio.app import make_app


def nouns_of(bank: Path) -> list[str]:
    with Bank.read(bank) as reader:
        return sorted(info.noun for info in reader.infos())


def test_stats_are_those_of_the_command_line(client: TestClient, bank: Path) -> None:
    with Bank.read(bank) as reader:
        expected = reader.stats().to_json()
    assert client.get("/api/v1/stats").json() == expected


def test_prototypes_come_as_the_command_line_tells_them(client: TestClient, bank: Path) -> None:
    answer = client.get("/api/v1/prototypes", params={"noun": "car", "sort": "contrast", "limit": 1}).json()
    assert (answer["total"], answer["offset"]) == (2, 0)
    with Bank.read(bank) as reader:
        (info,) = reader.infos(parse_filter(["noun=car", "contrast<3"]))
    assert answer["prototypes"] == [to_json(info)]


@pytest.mark.parametrize(
    "params",
    [
        {"where": "bogus"},
        {"sort": "colour"},
        {"offset": -1},
        {"offset": 10**9},
        {"limit": 0},
        {"limit": 10**6},
        {"revision": 0},
        {"contrast_min": "many"},
        {"noun": "x" * 1001},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_asked_for_is_refused(client: TestClient, params: dict[str, Any]) -> None:
    answer = client.get("/api/v1/prototypes", params=params)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_a_dry_run_counts_and_changes_nothing(client: TestClient, bank: Path) -> None:
    answer = client.post("/api/v1/prune", json={"where": ["contrast>=1.5"], "dry_run": True}).json()
    assert answer["nouns"] == [
        {"noun": "car", "prototypes": 2, "remaining": 0},
        {"noun": "dog", "prototypes": 1, "remaining": 0},
    ]
    assert (answer["prototypes"], answer["remaining"], answer["change"]) == (3, 1, None)
    assert nouns_of(bank) == ["car", "car", "dog", "tree"]


def test_pruning_hides_what_passes_and_can_be_taken_back(client: TestClient, bank: Path) -> None:
    asked = {"noun": "car", "contrast_max": 3, "message": "blurred"}
    answer = client.post("/api/v1/prune", json=asked).json()
    assert answer["prototypes"] == 1
    assert answer["change"] == {"message": "blurred", "before": 2, "after": 3}
    assert nouns_of(bank) == ["car", "dog", "tree"]
    back = client.post("/api/v1/rollback", json={"version": 2, "seen": 3}).json()
    assert (back["before"], back["after"]) == (3, 4)
    assert nouns_of(bank) == ["car", "car", "dog", "tree"]


def test_a_revision_is_pruned_and_named_in_the_history(client: TestClient, bank: Path) -> None:
    answer = client.post("/api/v1/prune", json={"revision": 1, "where": ["contrast<2"]}).json()
    assert answer["change"]["message"] == "prune contrast<2.0, of revision 1"
    assert nouns_of(bank) == ["car", "car", "dog"]


def test_pruning_what_nothing_passes_makes_no_revision(client: TestClient) -> None:
    answer = client.post("/api/v1/prune", json={"noun": "zebra"}).json()
    assert answer["prototypes"] == 0
    assert answer["change"]["before"] == answer["change"]["after"] == 2


@pytest.mark.parametrize("asked", [{}, {"where": ["", " , "]}, {"noun": " "}])
def test_nobody_prunes_everything_by_saying_nothing(
    client: TestClient, bank: Path, asked: dict[str, Any]
) -> None:
    answer = client.post("/api/v1/prune", json=asked)
    assert answer.status_code == 422
    assert "filter" in answer.json()["error"]
    assert len(nouns_of(bank)) == 4


def test_a_change_is_refused_when_the_bank_was_changed_since_it_was_looked_at(
    client: TestClient, bank: Path
) -> None:
    counted = client.post("/api/v1/prune", json={"noun": "car", "dry_run": True}).json()
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["noun=tree"]), "meanwhile")
    for path, asked in (
        ("prune", {"noun": "car", "seen": counted["revision"]}),
        ("rollback", {"version": 1, "seen": counted["revision"]}),
    ):
        answer = client.post(f"/api/v1/{path}", json=asked)
        assert answer.status_code == 409
        assert "revision 3 now" in answer.json()["error"]
    assert nouns_of(bank) == ["car", "car", "dog"]


def test_a_read_only_studio_counts_and_does_not_prune(bank: Path) -> None:
    with opened_studio(bank, read_only=True) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})
        assert client.post("/api/v1/prune", json={"noun": "car", "dry_run": True}).json()["prototypes"] == 2
        assert client.post("/api/v1/prune", json={"noun": "car"}).status_code == 403
    assert len(nouns_of(bank)) == 4
