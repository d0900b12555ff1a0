"""Which bank this is, and its nouns, as the API tells them."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bank import add_revision, make_generation
from starlette.testclient import TestClient
from studio_makers import opened_studio

from freeda_store import Bank, parse_filter


@pytest.mark.parametrize(
    ("text", "expected"), [("", ["car", "dog", "tree"]), ("r", ["car", "tree"]), ("do", ["dog"])]
)
def test_nouns_complete_what_is_typed(client: TestClient, text: str, expected: list[str]) -> None:
    assert [each["noun"] for each in client.get("/api/v1/nouns", params={"q": text}).json()] == expected


def test_nouns_follow_the_bank(client: TestClient, bank: Path) -> None:
    assert client.get("/api/v1/nouns").json()[0] == {"noun": "car", "count": 2}
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["contrast>=3"]), "a car less")
    assert client.get("/api/v1/bank").json()["revision"] == 3
    assert {"noun": "car", "count": 1} in client.get("/api/v1/nouns").json()


def test_what_is_beside_an_example_is_no_class(bank: Path) -> None:
    with opened_studio(bank) as studio:
        assert studio.nouns.most_different(2) == ["car", "dog"]
    boats = [make_generation(f"{number}, not boat", {"boat": 2.0, "not boat": 2.0}) for number in range(3)]
    add_revision(bank, "boats", *boats)
    with opened_studio(bank) as studio:
        assert [each.noun for each in studio.nouns.matching("boat", 5)] == ["boat"]
        assert studio.nouns.most_different(9) == ["boat", "car", "dog", "tree"]


def test_a_version_of_a_bank_says_why_it_cannot_be_changed(bank: Path) -> None:
    with opened_studio(f"{bank}@1") as studio:
        assert "cannot be changed" in studio.writing.refusal
        assert [each.noun for each in studio.nouns.all()] == ["car", "tree"]
