"""The screen of the history: revisions, tags, and differences of two."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from small_bank import add_revision, make_generation, make_manifest
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_store import Bank, parse_filter
from freeda_studio.app import make_app

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def numbers_on(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="revision-(\d+)"', page)]


def cards_of(page: str, part: str) -> list[str]:
    """Captions of the cards of a part of a difference."""
    section = page.partition(f'id="{part}"')[2].partition("</section>")[0]
    return re.findall(r"</div>\s*<p>(.*?)</p>\n<p class=\"meta\">", section)


def test_revisions_come_newest_first_and_the_shown_one_is_marked(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["noun=tree"]), "no trees")
        writer.tag("v1", 1)
    page = client.get("/history").text
    assert numbers_on(page) == [3, 2, 1]
    marked = re.findall(r'id="revision-(\d+)" aria-current="true"', page)
    assert marked == ["3"]
    assert "no trees" in page
    assert 'data-untag="v1"' in page
    assert re.findall(r'data-back="(\d+)"', page) == ["2", "1"]
    assert "+3<" in page
    assert "−1<" in page


def test_a_version_is_shown_among_all_revisions_and_has_no_buttons(bank: Path) -> None:
    with opened_studio(f"{bank}@1") as studio:
        page = TestClient(make_app(studio), BASE_URL, headers=HEADERS).get("/history").text
    assert numbers_on(page) == [2, 1]
    assert re.findall(r'id="revision-(\d+)" aria-current="true"', page) == ["1"]
    assert "cannot be changed here" in page
    assert "data-back" not in page
    assert "data-tag=" not in page


def test_messages_with_markup_are_only_texts(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["noun=tree"]), '<script>alert(1)</script> "x" 100%')
    for address in ("/history", "/history/diff?a=2&b=3"):
        page = client.get(address).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_bank_without_revisions_says_so(tmp_path: Path) -> None:
    Bank.open(tmp_path / "new", create=make_manifest()).close()
    with opened_studio(tmp_path / "new") as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        assert "no revision yet" in client.get("/history").text
        assert client.get("/history/diff?a=1&b=2").status_code == 404


def test_many_revisions_come_in_pages(bank: Path) -> None:
    with Bank.open(bank) as writer:
        for number in range(55):
            writer.rollback(1 + number % 2, f"back and forth {number}")
    with opened_studio(bank) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        first = client.get("/history").text
        following = re.search(r'rel="next" href="([^"]+)"', first)
        assert following is not None
        second = client.get(unescape(following.group(1))).text
        assert numbers_on(first) + numbers_on(second) == list(range(57, 0, -1))


def test_a_difference_has_nouns_and_pictures_of_both_sides(client: TestClient, bank: Path) -> None:
    with Bank.open(bank) as writer:
        writer.retire(parse_filter(["noun=tree"]), "no trees")
        writer.tag("start", 1)
    page = client.get("/history/diff", params={"a": "start", "b": "3"}).text
    assert "Nouns gained: 1" in page
    assert "Nouns lost: 1" in page
    assert cards_of(page, "gained") == ["a dog runs"]
    assert cards_of(page, "lost") == ["a car and a tree"]
    assert 'href="/bank/prototypes?noun=dog"' in page
    assert 'href="/bank/prototypes?noun=tree"' not in page
    assert page.count('src="/thumbnails/') == 4
    assert 'href="/history/diff?a=3&amp;b=start"' in page


def test_both_lists_of_a_difference_come_in_pages(bank: Path) -> None:
    for number in range(15):
        caption = f"thing {number} beside stone {number}"
        add_revision(
            bank, caption, make_generation(caption, {f"thing {number}": 2.0, f"stone {number}": 2.0})
        )
    with opened_studio(bank) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers=HEADERS)
        first = client.get("/history/diff?a=2&b=17").text
        assert "Prototypes gained: 30" in first
        following = re.search(r'rel="next" href="([^"]+)"', first)
        assert following is not None
        assert following.group(1).endswith("#gained")
        second = client.get(unescape(following.group(1))).text
        assert (len(cards_of(first, "gained")), len(cards_of(second, "gained"))) == (24, 6)
        assert len(cards_of(client.get("/history/diff?a=17&b=2&lost=9999").text, "lost")) == 6


def test_revisions_that_show_the_same_say_so(client: TestClient) -> None:
    assert "Both show the same prototypes" in client.get("/history/diff?a=2&b=2").text


@pytest.mark.parametrize("version", ["99", "nope", "", "-1", "<script>alert(1)</script>", "9" * 60])
def test_a_revision_that_is_none_is_told_beside_the_fields(client: TestClient, version: str) -> None:
    page = client.get("/history/diff", params={"a": version, "b": "2"})
    assert page.status_code == 404
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert "<script>alert" not in page.text
