"""The history by the API: revisions, differences, tags."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_store import Bank, parse_filter
from freeda_studio.app import make_app


def tags_of(bank: Path) -> dict[str, int]:
    with Bank.read(bank) as reader:
        return {name: each.number for each in reader.revisions() for name in each.tags}


def test_revisions_are_those_of_the_command_line(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.tag("v1", 1)
        expected = [asdict(each) | {"tags": list(each.tags)} for each in writer.revisions()[::-1]]
    assert client.get("/api/v1/revisions").json() == expected


def test_a_difference_counts_both_sides_and_pages_them(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["noun=car"]), "no cars")
    found = client.get("/api/v1/diff", params={"a": 1, "b": 3, "limit": 1}).json()
    assert (found["nouns_gained"], found["nouns_lost"]) == (["dog"], ["car"])
    assert (found["gained"], found["lost"]) == (1, 2)
    assert [each["noun"] for each in found["prototypes_gained"]] == ["dog"]
    pages = [
        client.get("/api/v1/diff", params={"a": 1, "b": 3, "limit": 1, "offset": offset}).json()[
            "prototypes_lost"
        ]
        for offset in range(3)
    ]
    assert [len(page) for page in pages] == [1, 1, 0]
    assert pages[0] != pages[1]
    counts = client.get("/api/v1/diff", params={"a": 1, "b": 3, "limit": 0}).json()
    assert (counts["lost"], counts["prototypes_lost"]) == (2, [])


@pytest.mark.parametrize(
    ("params", "status"),
    [({"a": 1, "b": 9}, 404), ({"a": "v9", "b": 1}, 404), ({"a": "%", "b": 1}, 422), ({"a": 1}, 422)],
)
def test_a_difference_of_what_is_not_there_is_refused(
    client: TestClient, params: dict[str, Any], status: int
) -> None:
    answer = client.get("/api/v1/diff", params=params)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_tag_is_set_moved_and_forgotten_and_each_says_what_was_before(
    client: TestClient, bank: Path
) -> None:
    def said(**asked: Any) -> Any:
        return client.post("/api/v1/tags", json={"name": "good", **asked}).json()

    assert said(version=1) == {"name": "good", "revision": 1, "before": None}
    assert "names revision 1 already" in said(version=2)["error"]
    assert said(move=True) == {"name": "good", "revision": 2, "before": 1}
    assert said(version="1", move=True) == {"name": "good", "revision": 1, "before": 2}
    assert tags_of(bank) == {"good": 1}
    assert client.delete("/api/v1/tags/good").json() == {"name": "good", "revision": None, "before": 1}
    assert tags_of(bank) == {}
    assert client.delete("/api/v1/tags/good").status_code == 404


@pytest.mark.parametrize("name", ["", "3", "a b", "<b>", "a/b", "x" * 65])
def test_what_cannot_be_a_tag_is_refused(client: TestClient, bank: Path, name: str) -> None:
    answer = client.post("/api/v1/tags", json={"name": name, "version": 1})
    assert answer.status_code == 422
    assert "cannot be a tag" in answer.json()["error"]
    assert tags_of(bank) == {}


def test_a_revision_that_is_not_there_gets_no_tag(client: TestClient) -> None:
    assert client.post("/api/v1/tags", json={"name": "good", "version": 9}).status_code == 404


def test_nobody_tags_in_a_read_only_studio(bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.tag("v1", 1)
    with opened_studio(bank, read_only=True) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})
        assert client.post("/api/v1/tags", json={"name": "v2"}).status_code == 403
        assert client.delete("/api/v1/tags/v1").status_code == 403
    assert tags_of(bank) == {"v1": 1}
