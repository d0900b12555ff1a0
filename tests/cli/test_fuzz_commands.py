"""Every argument and option of every command, given what a person may come to give it.

The networks are small stand-ins; banks, files and everything that reads a value are real.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from fuzzing import FLOATS, INTEGERS, TEXTS, clear_result, commands
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from freeda_cli.main import app
from freeda_ingest.errors import OptionError
from freeda_models.protocols import ModelIdentity

HOSTILE_PATHS = [
    "~nobody-here/x",
    "loop",
    "loop/x",
    "file",
    "file/x",
    "folder",
    "gone",
    "gone/x",
    "caf\udce9",
    "folder/caf\udce9.png",
    "n" * 300,
    "n/" * 3000,
    "empty.toml",
    "deep.toml",
    "latin.toml",
    "wrong.toml",
]
HOSTILE_ADDRESSES = [
    f"{bank}@{version}"
    for bank in ("bank", "gone", "folder")
    for version in ("", "0", "99", "9" * 20, "9" * 5000, "v9", "-1", "caf\udce9", "a@b", "٣")
]
HOSTILE_FILTERS = [
    f"{field}{value}"
    for field in ("seed", "contrast", "noun", "caption", "nothing", "")
    for value in ("=", "=1", f"={'9' * 19}", f"={2**63 - 1}", f"={2**63}", f"={'9' * 5000}")
] + ["contrast>=1e400", "contrast>=1e308", "contrast=-0", "noun=caf\udce9", "noun=" + "|".join("ab" * 500)]
HOSTILE = [
    *(text for text in TEXTS if "\x00" not in text),
    *map(str, INTEGERS[:-1]),
    "9" * 5000,
    *map(str, FLOATS),
    *HOSTILE_PATHS,
    *HOSTILE_ADDRESSES,
    *HOSTILE_FILTERS,
    "cuda:99999999999999999999",
    "1,2",
    "9" * 20 + ",1",
    "scale=1e400",
    "scale=nan",
    "n_segments=99999999999999999999",
    "-",
    "--",
]

BASES: dict[str, Sequence[str]] = {
    "ingest": ("file", "--bank", "new"),
    "learn": ("photo.png", "--whole", "--as", "car", "--bank", "bank"),
    "segment": ("photo.png", "-c", "car,tree", "--bank", "bank", "--out", "out", "--where", "none"),
    "explain": ("photo.png", "-c", "car,tree", "--bank", "bank", "--where", "none"),
    "evaluate": ("tiny", "--limit", "1", "--bank", "bank", "--where", "none"),
    "serve": ("photo.png", "--bank", "bank", "--port", "0"),
    "demo": ("demo", "--small", "--no-open"),
    "bank stats": ("--bank", "bank"),
    "bank list": ("--bank", "bank"),
    "bank log": ("--bank", "bank"),
    "bank diff": ("1", "2", "--bank", "bank"),
    "bank search": ("car", "--bank", "bank"),
    "bank show": ("car", "--bank", "bank", "--out", "car.png"),
    "bank tag": ("v1", "--bank", "bank"),
    "bank rollback": ("1", "--bank", "bank"),
    "bank prune": ("--where", "noun=cat", "--bank", "bank"),
    "bank verify": ("--bank", "bank"),
    "bank export-table": ("table.csv", "--bank", "bank"),
    "bank push": ("copy", "--bank", "bank"),
    "bank pull": ("bank", "--bank", "copy"),
    "bank new": ("mine",),
    "bank add": ("car", "--bank", "bank"),
    "bank complete": ("--bank", "bank"),
    "bank import-freeda": ("folder", "file", "--bank", "authors"),
    "bank export": ("bank.zip", "--bank", "bank"),
    "bank import": ("file", "--bank", "copy"),
    "bank publish": ("me/flowers", "--bank", "bank"),
    "bank fetch": ("me/flowers", "--bank", "copy"),
    "models list": (),
    "models check": ("tiny",),
    "models show": ("tiny",),
}
"""Arguments with which each command does something; one is then changed, or another added."""


def every_command() -> dict[str, Any]:
    """The commands by their words."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[" ".join(words)] = command
        for name, child in (children or {}).items():
            walk(child, (*words, name))

    walk(get_command(app), ())
    return found


COMMANDS = every_command()


def test_every_command_is_tried() -> None:
    assert set(BASES) == set(COMMANDS)


class Keys:
    """The encoder of the bank's text keys."""

    identity = ModelIdentity("clip", "r1", "", 4, "")

    def encode_texts(self, texts: list[str]) -> Any:
        return np.tile(np.eye(4, dtype=np.float32)[0], (len(texts), 1))


@pytest.fixture
def place(tmp_path: Path, bank: Path, picture: Path, opened: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bank, a picture and strange files; nothing here draws or reaches a network."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("a car and a tree\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.toml").touch()
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    (tmp_path / "wrong.toml").write_text(
        'extends = "tiny"\nname = "x"\n[segment]\nk = 99999999999999999999\n'
    )

    def open_ingestor(address: str, *_: Any, **__: Any) -> Any:
        raise OptionError(f"nothing is drawn here into {address}; this is a test.")

    def nothing(*_: Any, **__: Any) -> Any:
        raise OptionError("nothing is drawn here; this is a test.")

    monkeypatch.setattr("freeda_ingest.ingestor.open_ingestor", open_ingestor)
    monkeypatch.setattr("freeda_ingest.concepts.add_concepts", nothing)
    monkeypatch.setattr("freeda_learn.learner.open_learner", nothing)
    monkeypatch.setattr("freeda_ingest.completing.complete_bank", nothing)
    monkeypatch.setattr("freeda_studio.studio.open_studio", nothing)
    monkeypatch.setattr("freeda_cli.demo._segment", lambda *_, **__: None)
    monkeypatch.setattr("freeda_models.loading.load_key_encoder", lambda *_: Keys())
    return tmp_path


def with_something_strange(name: str) -> st.SearchStrategy[list[str]]:
    """A command's arguments of which one is strange."""
    base = list(BASES[name])
    options = [
        max(parameter.opts, key=len)
        for parameter in COMMANDS[name].params
        if isinstance(parameter, typer.core.TyperOption) and not parameter.is_flag
    ]
    values = st.one_of(
        st.sampled_from(HOSTILE), st.text(st.characters(exclude_characters="\x00"), max_size=8)
    )
    added = st.tuples(st.sampled_from(options or ["--debug"]), values).map(lambda pair: [*base, *pair])
    changed = st.tuples(st.integers(0, max(0, len(base) - 1)), values).map(
        lambda pair: [*base[: pair[0]], pair[1], *base[pair[0] + 1 :]]
    )
    return st.one_of(added, added, changed)


@pytest.mark.parametrize("name", sorted(BASES))
def test_a_command_with_something_strange(name: str, place: Path, freeda: Any) -> None:
    @commands
    @given(with_something_strange(name))
    def check(arguments: list[str]) -> None:
        clear_result(freeda(*name.split(), *arguments, stdin=""))

    check()


def numeric_options(name: str) -> list[str]:
    """The options of a command that are one number."""
    return [
        max(parameter.opts, key=len)
        for parameter in COMMANDS[name].params
        if isinstance(parameter, typer.core.TyperOption)
        and parameter.type_descriptor.annotation in (int, float)
    ]


NUMBERS = [(name, option) for name in sorted(BASES) for option in numeric_options(name)]


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_a_number_out_of_range_is_refused_by_the_name_of_its_option(
    name: str, option: str, place: Path, freeda: Any
) -> None:
    """As it is typed, or in words: ``--min-share`` as "min share"."""
    base = ("photo.png", "--unlabelled", "--bank", "bank")
    arguments = base if option in ("--min-share", "--most-regions") else BASES[name]
    refused = [freeda(*name.split(), *arguments, option, value, stdin="") for value in ("-7", "9" * 20)]
    refused = [done for done in refused if done.exit_code == 2 and "this is a test" not in done.stderr]
    assert refused
    for done in refused:
        assert option in done.stderr or option.strip("-").replace("-", " ") in done.stderr
