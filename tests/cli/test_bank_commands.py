"""``freeda bank`` on a small real bank."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from freeda_models.protocols import ModelIdentity
from freeda_store import Bank


def test_stats_tell_counts_models_and_address(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "stats", "--bank", bank)
    assert result.exit_code == 0
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert facts["bank"] == str(bank)
    assert facts["prototypes"] == "4"
    assert facts["nouns"] == "3"
    assert facts["revision"] == "2 of 2"
    assert facts["sources"] == "coco 3, examples 1"
    assert facts["segmented"].startswith("with clip_agreement>=0.2,")
    assert facts["backbone:"] == "backbone (revision r1, dim 6)"
    assert result.stderr == ""


def test_stats_json_has_the_same_counts(freeda: Any, bank: Path) -> None:
    counted = json.loads(freeda("bank", "stats", "--bank", f"{bank}@1", "--json").stdout)
    assert (counted["revision"], counted["prototypes"], counted["revisions"]) == (1, 3, 2)
    assert counted["models"]["keys"]["dim"] == 4
    assert counted["default_filter"] == "clip_agreement>=0.2"


def test_the_environment_names_the_bank(freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_BANK", str(bank))
    assert json.loads(freeda("bank", "list", "--json").stdout) == {"car": 2, "dog": 1, "tree": 1}


def test_a_folder_that_stands_before_a_profile_is_told(
    freeda: Any, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "profiles.toml"
    settings.write_text(f'[profiles.{bank.name}]\nqdrant_url = "http://localhost:1"\n')
    monkeypatch.setenv("FREEDA_SETTINGS", str(settings))
    monkeypatch.chdir(bank.parent)
    result = freeda("bank", "log", "--bank", bank.name)
    assert result.exit_code == 0
    assert "both a folder with a bank and a profile" in result.stderr
    assert "profile" not in freeda("bank", "log", "--bank", str(bank)).stderr


def test_the_default_bank_is_freeda_bank_here(freeda: Any) -> None:
    result = freeda("bank", "stats")
    assert result.exit_code == 2
    assert "no bank in the folder freeda-bank" in result.stderr
    assert result.stderr.count("\n") == 1


def test_list_filters(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "list", "--bank", bank, "--where", "source=coco", "--where", "contrast>=2")
    assert [line.split() for line in result.stdout.splitlines()] == [["prototypes", "noun"], ["2", "car"]]


def test_log_lists_the_newest_first_with_tags(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "tag", "v1", "--at", "1", "--bank", bank).exit_code == 0
    lines = freeda("bank", "log", "--bank", bank).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["revision", "2", "1"]
    assert lines[2].split()[-2:] == ["v1", "first"]
    newest, oldest = json.loads(freeda("bank", "log", "--bank", bank, "--json").stdout)
    assert (newest["parent"], oldest["tags"]) == (1, ["v1"])


def test_a_tag_opens_its_revision_and_can_be_moved_and_forgotten(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "tag", "good", "--at", "1", "--bank", bank).stdout == f"{bank}@good is revision 1\n"
    assert json.loads(freeda("bank", "stats", "--bank", f"{bank}@good", "--json").stdout)["prototypes"] == 3
    taken = freeda("bank", "tag", "good", "--bank", bank)
    assert taken.exit_code == 2
    assert "names revision 1 already" in taken.stderr
    assert freeda("bank", "tag", "good", "--move", "--bank", bank).stdout == f"{bank}@good is revision 2\n"
    assert freeda("bank", "tag", "good", "--delete", "--bank", bank).exit_code == 0
    assert freeda("bank", "stats", "--bank", f"{bank}@good").exit_code == 2


def test_tag_refuses_to_move_and_delete_at_once(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "tag", "good", "--delete", "--move", "--bank", bank)
    assert result.exit_code == 2
    assert "--delete" in result.stderr


def test_diff_names_gained_and_lost(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "diff", "1", "2", "--bank", bank)
    assert "nouns gained       1: dog" in result.stdout.splitlines()
    found = json.loads(freeda("bank", "diff", "2", "1", "--bank", bank, "--json").stdout)
    assert found["nouns_lost"] == ["dog"]
    assert len(found["prototypes_lost"]) == 1


def test_rollback_makes_a_revision_that_shows_the_old_one(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "rollback", "1", "--bank", bank, "--message", "dogs are wrong")
    assert result.stdout == "revision 3: dogs are wrong\n"
    assert json.loads(freeda("bank", "list", "--bank", bank, "--json").stdout) == {"car": 2, "tree": 1}


def test_prune_hides_and_tells_how_to_undo(freeda: Any, bank: Path) -> None:
    dry = freeda("bank", "prune", "--where", "contrast<2", "--dry-run", "--bank", bank)
    assert f"2 prototypes of {bank} would be hidden" in dry.stdout
    with Bank.open(bank) as opened:
        assert opened.stats().prototypes == 4
    result = freeda("bank", "prune", "--where", "contrast<2", "--bank", bank)
    assert (
        f"revision 3: 2 prototypes hidden; undo with `freeda bank rollback 2 --bank {bank}`" in result.stdout
    )
    with Bank.open(bank) as opened:
        assert {info.noun for info in opened.infos()} == {"car"}


def test_prune_without_a_filter_or_a_match_hides_nothing(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "prune", "--bank", bank).exit_code == 2
    assert freeda("bank", "prune", "--where", " , ", "--bank", bank).exit_code == 2
    nothing = freeda("bank", "prune", "--where", "noun=zebra", "--bank", bank)
    assert nothing.exit_code == 0
    with Bank.open(bank) as opened:
        assert len(opened.revisions()) == 2


def test_an_old_version_cannot_be_written(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "rollback", "1", "--bank", f"{bank}@1")
    assert result.exit_code == 2
    assert "old version" in result.stderr


def test_verify_finds_and_mends(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "verify", "--bank", bank).exit_code == 0
    stray = bank / "thumbnails" / "aa" / f"{'a' * 64}.webp"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"nothing refers to me")
    found = freeda("bank", "verify", "--bank", bank)
    assert found.exit_code == 1
    assert "files that nothing refers to" in found.stdout
    assert freeda("bank", "verify", "--repair", "--bank", bank).exit_code == 0
    assert not stray.exists()
    assert json.loads(freeda("bank", "verify", "--bank", bank, "--json").stdout)["ok"] is True


def test_verify_fails_when_a_thumbnail_is_beyond_repair(freeda: Any, bank: Path) -> None:
    next(bank.glob("thumbnails/*/*.webp")).unlink()
    result = freeda("bank", "verify", "--repair", "--bank", bank)
    assert result.exit_code == 1
    assert "restore them from a copy" in result.stdout


def test_show_draws_a_sheet_of_the_noun(freeda: Any, bank: Path, tmp_path: Path) -> None:
    result = freeda("bank", "show", "car", "--bank", bank, "--out", tmp_path / "new" / "sheet.png")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-1] == str(tmp_path / "new" / "sheet.png")
    assert [line.split()[2] for line in lines[1:3]] == ["3.50", "2.50"]
    with Image.open(lines[-1]) as sheet:
        assert sheet.width > sheet.height > 100


def test_show_limits_and_says_so(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "show", "car", "--bank", bank, "--limit", "1")
    assert result.stdout.splitlines()[-1] == "car.png"
    assert "1 of 2 shown" in result.stderr


def test_show_of_an_unknown_noun_names_those_alike(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "show", "cart", "--bank", bank)
    assert result.exit_code == 2
    assert "did you mean car?" in result.stderr
    assert not list(Path().glob("*.png"))


class OneHotEncoder:
    """Every text lies where the first noun of a caption does."""

    identity = ModelIdentity("clip", "r1", "", 4, "")

    def encode_texts(self, texts: list[str]) -> Any:
        return np.tile(np.eye(4, dtype=np.float32)[0], (len(texts), 1))


def test_search_lists_what_a_class_would_retrieve(
    freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_models.loading.load_key_encoder", lambda preset, device: OneHotEncoder())
    hits = json.loads(freeda("bank", "search", "car", "-k", "2", "--bank", bank, "--json").stdout)
    assert [hit["similarity"] for hit in hits] == pytest.approx([1, 1], abs=1e-3)
    assert all(UUID(hit["id"]) and hit["noun"] in ("car", "dog") for hit in hits)
    table = freeda("bank", "search", "car", "--where", "noun=tree", "--bank", bank).stdout.splitlines()
    assert len(table) == 2
    assert "a car and a tree" in table[1]


def test_search_refuses_another_key_encoder(freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stranger(OneHotEncoder):
        identity = ModelIdentity("another", "r9", "", 4, "")

    monkeypatch.setattr("freeda_models.loading.load_key_encoder", lambda preset, device: Stranger())
    result = freeda("bank", "search", "car", "--bank", bank)
    assert result.exit_code == 2
    assert "clip" in result.stderr
    assert "another" in result.stderr


def test_search_for_nothing_is_misuse(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "search", "  ", "--bank", bank).exit_code == 2


def test_commands_that_change_a_bank_tell_programs_too(freeda: Any, bank: Path, tmp_path: Path) -> None:
    def told(*line: object) -> Any:
        result = freeda("bank", *line, "--bank", bank, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    assert told("tag", "v1", "--at", "1") == {"tag": "v1", "revision": 1}
    assert told("tag", "v1", "--delete") == {"tag": "v1", "revision": None}
    dry = told("prune", "--where", "noun=dog", "--dry-run")
    assert dry == {
        "prototypes": 1,
        "nouns": {"dog": 1},
        "unlabelled": 0,
        "dry_run": True,
        "revision_before": 2,
        "revision": None,
    }
    assert told("prune", "--where", "noun=dog")["revision"] == 3
    assert told("prune", "--where", "noun=nothing")["prototypes"] == 0
    assert told("rollback", "2")["revision"] == 4
    assert told("export-table", tmp_path / "a.csv") == {"path": str(tmp_path / "a.csv"), "prototypes": 4}


def test_every_command_that_reports_has_json() -> None:
    from typer.main import get_command

    from freeda_cli.main import app

    silent = {"demo", "new", "serve"}
    """Which show a person something, or make an empty thing."""

    def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name, command
        for below, child in (children or {}).items():
            yield from leaves(child, below)

    without = {
        name
        for name, command in leaves(get_command(app))
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without <= silent
