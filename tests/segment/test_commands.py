"""Commands that pages offer to be copied mean in a shell what they say."""

from __future__ import annotations

import os
import subprocess
from uuid import UUID

import pytest

from freeda_segment.outputs.commands import Commands, file_word, shell_line

WORDS = [
    *("photo.jpg", "", "a b", "it's", '"$HOME"', "`id`", "$(id)", "!x", "*", "~", "a;b&c|d>e", "<script>"),
    *("\\", "caf\xe9.png", "caf\udce9.png", "\udcff'\\", "line\nbreak", "tab\there", "\x1b[31m"),
    *("\u202eevil", "雪"),
]


def read_back(line: str) -> list[str]:
    given = os.fsencode(f"printf '%s\\0' {line}")
    told = subprocess.run(["bash", "-c", given], capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in told.split(b"\0")[:-1]]


def test_a_shell_reads_back_every_word() -> None:
    line = shell_line(WORDS)
    assert read_back(line) == WORDS
    assert line.isprintable(), "on one line, and as it looks"


def test_plain_words_stay_as_they_are() -> None:
    assert (
        shell_line(["freeda", "explain", "photo.jpg", "-c", "red car"])
        == "freeda explain photo.jpg -c 'red car'"
    )


@pytest.mark.parametrize(("path", "word"), [("-c.png", "./-c.png"), ("a/-c.png", "a/-c.png"), ("a", "a")])
def test_a_file_is_never_an_option(path: str, word: str) -> None:
    assert file_word(path) == word


def test_what_may_come_next() -> None:
    commands = Commands(
        ("freeda", "explain", "{x}.png"),
        ("freeda", "learn", "{x}.png"),
        ("freeda", "bank", "rollback", "--bank", "b b"),
    )
    assert commands.explain_all() == "freeda explain '{x}.png'"
    assert commands.pointing == "freeda explain '{x}.png' --at "
    assert commands.explain_at((3, 4)) == "freeda explain '{x}.png' --at 3,4"
    assert commands.retire((3, 4), UUID(int=1)).endswith(
        " --at 3,4 --retire 00000000-0000-0000-0000-000000000001"
    )
    assert commands.learning((3, 4)) == "freeda learn '{x}.png' --at 3,4 --as "
    assert commands.roll_back_to(2) == "freeda bank rollback --bank 'b b' 2"
