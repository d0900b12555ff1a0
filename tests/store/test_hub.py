"""Banks in dataset repositories: huggingface_hub itself, against a hub on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_makers import add, fill, look
from bank_copies import copy_folder
from hub_server import Hub, running_hub
from store_makers import make_manifest

from freeda_store import Bank
from freeda_store.errors import (
    ArchiveError,
    DivergedError,
    HubError,
    ManifestMismatchError,
    RepositoryNameError,
)
from freeda_store.sharing.hub_bank import fetch_bank, publish_bank

NAME = "team/flowers"
SECRET = "hf_" + "s" * 34


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with running_hub() as running:
        yield running


@pytest.fixture
def api(hub: Hub) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=SECRET)


@pytest.fixture(scope="module")
def template(empty_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = copy_folder(empty_bank, tmp_path_factory.mktemp("template") / "bank")
    fill(made)
    return made


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Path:
    """A bank with every kind of revision, of one's own."""
    return copy_folder(template, tmp_path / "filled")


def test_every_version_comes_back(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    report = publish_bank(filled, NAME, api=api)
    assert (report.sink, report.revisions, report.prototypes) == (NAME, (1, 2, 3, 4, 5), 20)
    assert fetch_bank(NAME, tmp_path / "copy", api=api).revisions == (1, 2, 3, 4, 5)
    assert look(tmp_path / "copy") == look(filled)
    assert hub.repositories[NAME].messages == [
        "initial commit",
        "Revision 1: first",
        "Revision 2: no boats",
        "Revision 3: second",
        "Revision 4: boats again",
        "Revision 5: third",
        "Tags and card",
    ]
    assert hub.tokens == {f"Bearer {SECRET}", None}  # objects are put to signed addresses


def test_only_what_is_new_is_uploaded_and_fetched(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    publish_bank(f"{filled}@1", NAME, api=api)
    fetch_bank(NAME, tmp_path / "copy", api=api)
    before = hub.repositories[NAME].files
    hub.uploads.clear()
    hub.downloads.clear()
    publish_bank(filled, NAME, api=api)
    after = hub.repositories[NAME].files
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name for name in changed if name.startswith("revisions/00001")} == set()
    assert changed - {"freeda-bank.json", "README.md"} == after.keys() - before.keys()
    large = {name for name in changed if name.endswith((".parquet", ".safetensors"))}
    assert len(hub.uploads) == len({after[name] for name in large} - set(before.values()))
    assert fetch_bank(NAME, tmp_path / "copy", api=api).revisions == (2, 3, 4, 5)
    assert not any(name.startswith("revisions/00001") for name in hub.downloads)
    assert look(tmp_path / "copy") == look(filled)


def test_publishing_again_changes_nothing(filled: Path, hub: Hub, api: Any) -> None:
    publish_bank(filled, NAME, api=api)
    commits = len(hub.repositories[NAME].commits)
    assert publish_bank(filled, NAME, api=api).nothing_new
    assert len(hub.repositories[NAME].commits) == commits
    with Bank.open(filled) as bank:
        bank.tag("v3")
    assert publish_bank(filled, NAME, api=api).tags == ("v3",)
    assert hub.repositories[NAME].messages[commits:] == ["Tags and card"]


def test_an_old_commit_can_be_fetched(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    publish_bank(filled, NAME, api=api)
    commit = hub.repositories[NAME].commits[3][0]
    assert fetch_bank(NAME, tmp_path / "copy", revision=commit, api=api).revisions == (1, 2, 3)
    with pytest.raises(HubError, match="no revision 'v77'"):
        fetch_bank(NAME, tmp_path / "other", revision="v77", api=api)


def test_a_publish_that_was_cut_short_goes_on(
    folder: Path, hub: Hub, api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("reading", "layout_source", "checking"):
        monkeypatch.setattr(f"freeda_store.sharing.{module}.PART_GENERATIONS", 2)
    monkeypatch.setattr("freeda_store.sharing.hub_bank._FILES_A_COMMIT", 8)
    with Bank.open(folder) as bank:
        add(bank, "first", range(2))
        add(bank, "second", range(2, 12))
    hub.refuse = stop_after(hub, 4)
    with pytest.raises(HubError):
        publish_bank(folder, NAME, api=api)
    assert hub.repositories[NAME].messages[-1] == "Parts of revision 2"
    hub.refuse = lambda method, path: None
    assert fetch_bank(NAME, tmp_path / "early", api=api).revisions == (1,)
    transferred = list(hub.uploads)
    publish_bank(folder, NAME, api=api)
    assert len(hub.uploads) == len(set(hub.uploads)) > len(transferred)
    assert fetch_bank(NAME, tmp_path / "early", api=api).revisions == (2,)
    assert look(tmp_path / "early") == look(folder)


def stop_after(hub: Hub, commits: int) -> Any:
    """Refuses uploads once the repository has so many commits."""

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        repository = hub.repositories.get(NAME)
        full = repository is not None and len(repository.commits) >= commits
        return (400, "") if full and "preupload" in path else None

    return refuse


# what can go wrong


def test_two_people_publish_at_once(filled: Path, hub: Hub, api: Any) -> None:
    def meanwhile(repository: Any) -> None:
        hub.before_commit = lambda repository: None
        repository.commit("somebody else", dict(repository.files))

    hub.before_commit = meanwhile
    with pytest.raises(
        HubError, match="somebody else published to team/flowers meanwhile; run the same again"
    ):
        publish_bank(filled, NAME, api=api)
    assert publish_bank(filled, NAME, api=api).revisions == (1, 2, 3, 4, 5)


def test_other_banks_do_not_mix(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    publish_bank(filled, NAME, api=api)
    with Bank.open(tmp_path / "other", create=make_manifest()) as other:
        add(other, "another", range(50, 52))
    with pytest.raises(DivergedError):
        publish_bank(tmp_path / "other", NAME, api=api)
    Bank.open(tmp_path / "models", create=make_manifest(templates="large")).close()
    with pytest.raises(ManifestMismatchError, match="templates"):
        publish_bank(tmp_path / "models", NAME, api=api)


def test_a_repository_of_something_else_is_left_alone(filled: Path, hub: Hub, api: Any) -> None:
    api.create_repo(NAME, repo_type="dataset")
    hub.repositories[NAME].commit("mine", {"data/train.csv": b"1,2"})
    with pytest.raises(HubError, match="holds no bank but other files"):
        publish_bank(filled, NAME, api=api)
    with pytest.raises(HubError, match=r"holds no freeda-bank\.json"):
        fetch_bank(NAME, filled, api=api)
    assert hub.repositories[NAME].messages == ["initial commit", "mine"]


def test_a_missing_repository(folder: Path, api: Any) -> None:
    with pytest.raises(HubError, match="there is no dataset repository team/none"):
        fetch_bank("team/none", folder, api=api)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "", "no dataset repository|you may not"),
        (403, "", "you may not do that with team/flowers; log in"),
        (403, "GatedRepo", "gated"),
        (400, "", r"refused a request for team/flowers \(400: not today\)"),
    ],
)
@pytest.mark.parametrize("publish", [True, False])
def test_a_refusal_is_one_clear_line_without_secrets(
    status: int, code: str, said: str, publish: bool, filled: Path, hub: Hub, api: Any, tmp_path: Path
) -> None:
    publish_bank(f"{filled}@1", NAME, api=api)
    hub.refuse = lambda method, path: (status, code) if "repos/create" not in path else None
    arguments = (filled, NAME) if publish else (NAME, tmp_path / "copy")
    with pytest.raises(HubError, match=said) as raised:
        (publish_bank if publish else fetch_bank)(*arguments, api=api)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_offline_is_said(filled: Path, hub: Hub, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        fetch_bank(NAME, filled, api=api)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        publish_bank(filled, NAME, api=api)


def test_no_network(folder: Path, hub: Hub) -> None:
    from huggingface_hub import HfApi

    with running_hub() as gone:
        url = gone.url
    with pytest.raises(HubError, match="cannot be reached"):
        fetch_bank(NAME, folder, api=HfApi(endpoint=url))


@pytest.mark.parametrize("name", ["flowers", "a/b/c", "../etc", "a/..", "a b/c", "/x", "https://hub/a"])
def test_a_name_that_is_none(name: str, folder: Path, api: Any) -> None:
    with pytest.raises(RepositoryNameError, match="OWNER/NAME"):
        fetch_bank(name, folder, api=api)


def test_an_altered_file_is_found(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    publish_bank(filled, NAME, api=api)
    repository = hub.repositories[NAME]
    name = "revisions/00003/part-00000/thumbnails.parquet"
    same_size = repository.files[name][:-1] + b"x"
    for content in (same_size, b"short", b"x" * 100_000):
        repository.commit("altered", {**repository.files, name: content})
        with pytest.raises((ArchiveError, HubError), match="sound copy"):
            fetch_bank(NAME, tmp_path / "copy", api=api)
        with Bank.open(tmp_path / "copy") as copy:
            assert len(copy.revisions()) == 2


def test_an_index_cannot_name_other_files(filled: Path, hub: Hub, api: Any, tmp_path: Path) -> None:
    publish_bank(filled, NAME, api=api)
    repository = hub.repositories[NAME]
    index = json.loads(repository.files["freeda-bank.json"])
    index["files"]["../../x"] = index["files"].pop("revisions/00001/retirements.parquet")
    repository.commit("altered", {**repository.files, "freeda-bank.json": json.dumps(index).encode()})
    hub.downloads.clear()
    with pytest.raises(ArchiveError, match="its files are not those"):
        fetch_bank(NAME, tmp_path / "copy", api=api)
    assert hub.downloads == ["freeda-bank.json"]


# the card


def test_the_card_tells_models_counts_licences_and_how_to_fetch(filled: Path, hub: Hub, api: Any) -> None:
    publish_bank(filled, NAME, api=api, private=True)
    card = hub.repositories[NAME].files["README.md"].decode()
    assert hub.repositories[NAME].private
    assert f"freeda bank fetch {NAME}" in card
    assert "20 prototypes from 10 drawn captions, in 5 revisions" in card
    assert "| backbone | dino-a (sha256 bb, dim 12) |" in card
    assert "| cc-0 | 4 |" in card
    assert "| 5 v2 | third |" in card
    assert "| 1 v1 | first |" in card


def test_what_people_wrote_into_the_card_stays(filled: Path, hub: Hub, api: Any) -> None:
    publish_bank(f"{filled}@1", NAME, api=api)
    repository = hub.repositories[NAME]
    written = b"# Our words\n" + repository.files["README.md"] + b"more of ours\n"
    repository.commit("words", {**repository.files, "README.md": written})
    publish_bank(filled, NAME, api=api)
    card = repository.files["README.md"].decode()
    assert card.startswith("# Our words\n")
    assert card.endswith("more of ours\n")
    assert "in 5 revisions" in card
    assert "in 1 revision." not in card
    repository.commit("all words", {**repository.files, "README.md": b"all ours"})
    with Bank.open(filled) as bank:
        add(bank, "fourth", range(20, 21))
    publish_bank(filled, NAME, api=api)
    assert repository.files["README.md"] == b"all ours"


def test_messages_cannot_write_the_card(folder: Path, hub: Hub, api: Any) -> None:
    with Bank.open(folder) as bank:
        add(bank, "a | b\n\n# shout <script> [x](y) `z`", range(1))
    publish_bank(folder, NAME, api=api)
    card = hub.repositories[NAME].files["README.md"].decode()
    assert r"| 1 | a \| b \# shout \<script\> \[x\](y) \`z\` |" in card
