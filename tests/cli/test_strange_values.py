"""Numbers that no machine word holds, and names that are not UTF-8, wherever a command takes one."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

HUGE = "99999999999999999999"
NAME = os.fsdecode(b"caf\xe9")
"""As a file's name that is not UTF-8 comes in."""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("bank", "stats", "--bank", f"bank@{HUGE}"), "is neither a revision number nor a tag"),
        (("bank", "rollback", HUGE), "is neither a revision number nor a tag"),
        (("bank", "diff", "1", HUGE), "is neither a revision number nor a tag"),
        (("bank", "tag", "v1", "--at", HUGE), "is neither a revision number nor a tag"),
        (("bank", "list", "--where", f"seed={HUGE}"), "is compared with a whole number"),
        (("bank", "list", "--where", f"seed={2**63}"), "is compared with a whole number up to 2**63 - 1"),
        (("bank", "list", "--where", f"noun={NAME}"), "is compared with Unicode text"),
        (("bank", "search", "car", "-k", HUGE), "less than or equal to 100000"),
        (("bank", "show", "car", "--limit", HUGE), "less than or equal to 400"),
        (("bank", "add", "car", "--images", HUGE), "less than or equal to"),
        (
            ("ingest", "captions.txt", "--seed", HUGE),
            "give a number from 0 to 2**63 - 1",
        ),
        (("ingest", "captions.txt", "--limit", HUGE), "limit is 99999999999999999999; give a number up to"),
        (("ingest", "captions.txt", "--batch-size", HUGE), "give a number up to"),
        (
            ("segment", "photo.png", "-c", "car", "-k", HUGE),
            "k is 99999999999999999999; expected a",
        ),
        (("segment", "photo.png", "-c", "car", "--prototypes", HUGE), "prototypes is 99999999999999999999"),
        (("segment", "photo.png", "-c", "car", "--neighbours", HUGE), "neighbours is 99999999999999999999"),
        (("segment", "photo.png", "-c", "car", "--superpixel-option", "min_size=1e300"), "at most 1e+09"),
        (("segment", "photo.png", "-c", NAME), "holds characters that no text has"),
        (("evaluate", "tiny", "--processes", HUGE), "less than or equal to"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_no_command_can_use_is_misuse(
    freeda: Any, bank: Path, picture: Path, opened: Any, arguments: tuple[str, ...], told: str
) -> None:
    Path("captions.txt").write_text("a car\n")
    extra = () if "--bank" in arguments or arguments[0] == "evaluate" else ("--bank", str(bank))
    result = freeda(*arguments, *extra)
    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert result.stderr.count("error: ") == 1


class Links(HTMLParser):
    """Targets of a page's links that are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and ("hidden", None) not in attrs:
            self.targets += [value or "" for name, value in attrs if name == "href"]


def test_pictures_whose_names_are_not_utf8(freeda: Any, bank: Path, picture: Path, opened: Any) -> None:
    strange = picture.with_name(f"{NAME}.png")
    picture.rename(strange)
    other = picture.with_name("other.png")
    other.write_bytes(strange.read_bytes())
    options = ("-c", "car,tree", "--bank", bank, "--where", "none")
    for _ in range(2):
        result = freeda("segment", strange, other, *options, "--out", "out", "--json")
        assert result.exit_code == 0, result.output
        first, _ = json.loads(result.stdout)
        assert first["picture"]["source"] == str(strange)
    (report,) = (path for path in Path("out").glob("*.json") if NAME in path.name)
    assert json.loads(report.read_text(encoding="utf-8"))["picture"]["source"] == str(strange)
    page = Links()
    page.feed(Path("out/index.html").read_text(encoding="utf-8"))
    for target in page.targets:
        if target.startswith("#"):  # a place on the page itself
            continue
        assert (Path("out") / os.fsdecode(unquote_to_bytes(target))).is_file()
    assert freeda("explain", strange, *options).exit_code == 0


def test_a_message_that_is_not_utf8_is_kept(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "rollback", "1", "--bank", bank, "--message", NAME)
    assert result.exit_code == 0, result.output
    assert json.loads(freeda("bank", "log", "--bank", bank, "--json").stdout)[0]["message"] == "caf\\udce9"


def test_a_bank_whose_name_is_not_utf8_is_refused(freeda: Any) -> None:
    result = freeda("bank", "stats", "--bank", NAME)
    assert result.exit_code == 2
    assert "takes names in UTF-8 only" in result.stderr


def test_a_home_of_nobody(freeda: Any) -> None:
    result = freeda("bank", "stats", "--bank", "~nobody-here/bank")
    assert result.exit_code == 2
    assert "begins with a home folder that is not known" in result.stderr


def test_help_says_what_a_filter_does(freeda: Any) -> None:
    assert "Hide the prototypes that pass" in " ".join(freeda("bank", "prune", "--help").stdout.split())
