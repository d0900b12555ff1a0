"""The screen of the bank: facts, nouns, contact sheets; strange nouns, empty banks."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from bank_copies import copy_folder, made_once
from small_bank import add_revision, make_generation, make_manifest
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_store import Bank, parse_filter
from freeda_studio.app import make_app

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def ids_on(page: str) -> list[str]:
    return re.findall(r'name="id" value="([^"]+)"', page)


def title_of(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page)
    assert found is not None
    return unescape(found.group(1))


def test_facts_and_nouns_are_shown_with_their_counts(client: TestClient) -> None:
    page = client.get("/bank")
    assert page.status_code == 200
    assert "<dt>nouns</dt><dd>3</dd>" in page.text
    nouns = re.findall(
        r'href="/bank/prototypes\?noun=(\w+)">\w+</a> <span class="number faint">(\d+)<', page.text
    )
    assert nouns == [("car", "2"), ("dog", "1"), ("tree", "1")]
    assert "generated 4" in page.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [("q=r", ["car", "tree"]), ("sort=name&q=", ["car", "dog", "tree"]), ("q=zebra", [])],
)
def test_nouns_are_searched(client: TestClient, query: str, expected: list[str]) -> None:
    page = client.get(f"/bank?{query}").text
    assert re.findall(r"noun=(\w+)\"", page) == expected
    assert ("No noun of this bank" in page) == (not expected)


def test_many_nouns_come_in_pages(bank: Path) -> None:
    nouns = {f"thing {number:03}": 2.0 for number in range(310)}
    add_revision(bank, "many", make_generation(", ".join(nouns), nouns))
    with opened_studio(bank) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        first = client.get("/bank?q=thing").text
        assert len(re.findall(r"noun=thing", first)) == 300
        assert "1–300 of 310" in first
        following = re.search(r'rel="next" href="([^"]+)"', first)
        assert following is not None
        last = client.get(unescape(following.group(1))).text
        assert len(re.findall(r"noun=thing", last)) == 10
        assert client.get("/bank?offset=99999").text.count('href="/bank/prototypes?noun=') == 13


def test_a_sheet_has_the_prototypes_of_a_noun_the_best_first(client: TestClient) -> None:
    page = client.get("/bank/prototypes?noun=car").text
    assert title_of(page) == "car"
    assert re.findall(r"contrast <span class=\"number\">([\d.]+)", page) == ["3.50", "2.50"]
    assert len(ids_on(page)) == 2
    assert 'data-count="2"' in page
    assert re.findall(r'<option value="(\w+)"></option>', page) == ["coco", "examples"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("source=examples", 1),
        ("origin=generated&noun=", 4),
        ("origin=learned", 0),
        ("revision=2", 1),
        ("contrast_min=2&contrast_max=3", 1),
        ("where=source=coco,contrast<2", 1),
        ("where=source=coco&where=contrast<2", 1),
        ("noun=car&contrast_min=&revision=&where=", 2),
    ],
)
def test_a_sheet_is_filtered_by_fields_and_by_the_grammar(client: TestClient, query: str, count: int) -> None:
    page = client.get(f"/bank/prototypes?{query}")
    assert page.status_code == 200
    assert len(ids_on(page.text)) == count
    assert ("No prototype passes" in page.text) == (count == 0)


def test_pages_follow_each_other_in_the_order_asked_for(client: TestClient) -> None:
    whole = ids_on(client.get("/bank/prototypes?sort=contrast").text)
    parts, address = [], "/bank/prototypes?sort=contrast&limit=3"
    while address:
        page = client.get(address).text
        parts += ids_on(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(following.group(1)) if following else ""
    assert parts == whole
    assert ids_on(client.get("/bank/prototypes?sort=contrast&limit=3&offset=90").text) == whole[3:]


@pytest.mark.parametrize("where", ["bogus", "colour=red", "contrast>=x", "origin=martian", "source>=1"])
def test_a_filter_that_cannot_be_read_is_told_beside_the_fields(client: TestClient, where: str) -> None:
    page = client.get("/bank/prototypes", params={"where": where, "noun": "car"})
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert f'value="{where.replace(">", "&gt;")}"' in page.text


def test_an_unknown_noun_says_which_are_written_alike(client: TestClient) -> None:
    page = client.get("/bank/prototypes?noun=carr")
    assert page.status_code == 200
    assert "shows no prototype of <b>carr</b>" in page.text
    assert 'href="/bank/prototypes?noun=car"' in page.text


HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" 'twice'",
    "100% of a/b?c=d&e#f",
    "{{ 7 * 7 }}",
    "up/../../etc",
    "a,b|c",
    "汽车 🚗",
)


def _hostile_bank(folder: Path) -> None:
    for noun in HOSTILE:
        add_revision(folder, f"learn {noun}", make_generation(f"one {noun} here", {noun: 2.0}))


@pytest.fixture
def hostile(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_folder(made_once(tmp_path_factory, "hostile-nouns", _hostile_bank), tmp_path / "hostile")


def test_nouns_with_markup_and_signs_are_only_texts(hostile: Path) -> None:
    with opened_studio(hostile) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        overview = client.get("/bank").text
        assert "<script>alert" not in overview
        links = re.findall(r'href="(/bank/prototypes\?noun=[^"]+)"', overview)
        titles = {title_of(client.get(unescape(link)).text) for link in links}
        assert titles == set(HOSTILE)
        for noun in HOSTILE:
            page = client.get(f"/bank/prototypes?noun={quote(noun, safe='')}").text
            assert "<script>alert" not in page
            (box,) = re.findall(r'data-noun="([^"]*)"', page)
            assert unescape(box) == noun
            unknown = client.get(f"/bank/prototypes?noun={quote('x' + noun, safe='')}")
            assert "shows no prototype of" in unknown.text
            assert "<script>alert" not in unknown.text


def test_a_new_bank_says_how_to_fill_it(tmp_path: Path) -> None:
    Bank.open(tmp_path / "new", create=make_manifest()).close()
    with opened_studio(tmp_path / "new") as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        page = client.get("/bank")
        assert (page.status_code, "no prototypes yet" in page.text) == (200, True)
        assert client.get("/bank/prototypes").status_code == 200
        assert "no prototypes yet" in client.get("/bank/prototypes?noun=car").text


def test_an_emptied_bank_points_to_its_history(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["contrast>=0"]), "all of it")
    page = client.get("/bank").text
    assert "Revision 3 shows no prototype" in page
    assert 'href="/history"' in page
    assert "Revision 3 shows no prototype of <b>car</b>" in client.get("/bank/prototypes?noun=car").text
    assert "The bank shows no prototype." in client.get("/bank/prototypes").text


def test_a_bank_that_cannot_be_changed_has_no_buttons_and_says_why(bank: Path) -> None:
    with opened_studio(bank, read_only=True) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        for address in ("/bank", "/bank/prototypes?noun=car"):
            page = client.get(address).text
            assert "was started with --read-only" in page
            assert ids_on(page) == []
            assert "Retire" not in page
            assert "Add to it" not in page


def test_pages_have_no_script_or_style_of_their_own(client: TestClient) -> None:
    for address in ("/bank", "/bank/prototypes?noun=car"):
        page = client.get(address).text
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page)
