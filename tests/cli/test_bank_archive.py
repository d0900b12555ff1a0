"""``freeda bank export``, ``import``, ``publish`` and ``fetch`` on a small real bank."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from hub_server import Hub, running_hub

from freeda_store import Bank

SECRET = "hf_" + "s" * 34


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine that the commands find, and a token in the environment."""
    import huggingface_hub

    with running_hub() as running:
        monkeypatch.setattr(huggingface_hub, "HfApi", partial(huggingface_hub.HfApi, endpoint=running.url))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", SECRET)
        yield running


def nouns(folder: object) -> dict[str, int]:
    with Bank.open(str(folder)) as bank:
        return {revision.message: revision.prototypes_added for revision in bank.revisions()}


def test_out_and_in_again(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "export", "out.zip", "--bank", bank)
    assert result.exit_code == 0
    assert result.stdout.startswith("out.zip: 2 revisions, 4 prototypes, ")
    result = freeda("bank", "import", "out.zip", "--bank", "copy")
    assert result.exit_code == 0
    assert result.stdout.startswith("out.zip to copy: revisions 1 to 2, 4 prototypes, ")
    assert nouns("copy") == nouns(bank)
    assert freeda("bank", "import", "out.zip", "--bank", "copy").stdout.startswith("nothing new")


def test_an_old_version_and_what_is_new(freeda: Any, bank: Path) -> None:
    assert freeda("bank", "export", "old.zip", "--bank", f"{bank}@1").stdout.startswith(
        "old.zip: 1 revision, "
    )
    report = json.loads(freeda("bank", "import", "old.zip", "--bank", "copy", "--json").stdout)
    assert (report["revisions"], report["prototypes"]) == ([1], 3)
    freeda("bank", "export", "new.zip", "--bank", bank)
    assert json.loads(freeda("bank", "import", "new.zip", "--bank", "copy", "--json").stdout)[
        "revisions"
    ] == [2]


def test_a_file_is_replaced_only_when_asked(freeda: Any, bank: Path) -> None:
    Path("out.zip").write_text("mine")
    result = freeda("bank", "export", "out.zip", "--bank", bank)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert Path("out.zip").read_text() == "mine"
    assert freeda("bank", "export", "out.zip", "--bank", bank, "--force").exit_code == 0


def test_what_is_no_archive(freeda: Any, bank: Path) -> None:
    freeda("bank", "export", "out.zip", "--bank", bank)
    Path("cut.zip").write_bytes(Path("out.zip").read_bytes()[:-100])
    result = freeda("bank", "import", "cut.zip", "--bank", "copy")
    assert result.exit_code == 1
    assert "cut.zip is damaged: it is cut short" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("copy").exists()
    missing = freeda("bank", "import", "none.zip", "--bank", "copy")
    assert missing.exit_code == 2
    assert "none.zip" in missing.stderr


def test_ctrl_c_leaves_no_archive(freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("freeda_cli.progress.CopyBar.__call__", interrupted)
    result = freeda("bank", "export", "out.zip", "--bank", bank)
    assert result.exit_code == 130
    assert result.stderr == "stopped; nothing was written.\n"
    assert not list(Path().glob("*.zip"))
    assert not list(Path().glob(".*"))


def test_publish_and_fetch(freeda: Any, bank: Path, hub: Hub) -> None:
    result = freeda("bank", "publish", "team/bank", "--bank", bank, "--private")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{bank} to team/bank: revisions 1 to 2, 4 prototypes, ")
    assert hub.repositories["team/bank"].private
    assert f"Bearer {SECRET}" in hub.tokens
    result = freeda("bank", "fetch", "team/bank", "--bank", "copy")
    assert result.exit_code == 0
    assert nouns("copy") == nouns(bank)
    first = hub.repositories["team/bank"].commits[1][0]
    old = freeda("bank", "fetch", "team/bank", "--bank", "old", "--revision", first, "--json")
    assert json.loads(old.stdout)["revisions"] == [1]


def test_a_tag_that_moved_is_told(freeda: Any, bank: Path, hub: Hub) -> None:
    freeda("bank", "tag", "good", "--at", "1", "--bank", bank)
    freeda("bank", "publish", "team/bank", "--bank", bank)
    freeda("bank", "tag", "good", "--move", "--bank", bank)
    result = freeda("bank", "publish", "team/bank", "--bank", bank)
    assert "tag good is revision 2" in result.stderr
    assert "stays revision 1 in team/bank" in result.stderr


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_refusal_tells_no_secret(freeda: Any, bank: Path, hub: Hub, debug: tuple[str, ...]) -> None:
    hub.refuse = lambda method, path: (403, "")
    result = freeda(*debug, "bank", "publish", "team/bank", "--bank", bank)
    assert result.exit_code == 1
    assert "you may not do that with team/bank; log in with `hf auth login`" in result.stderr
    assert SECRET not in result.output


def test_a_name_that_is_none_is_misuse(freeda: Any, bank: Path) -> None:
    for command in ("publish", "fetch"):
        result = freeda("bank", command, "flowers", "--bank", bank)
        assert result.exit_code == 2
        assert "OWNER/NAME" in result.stderr
