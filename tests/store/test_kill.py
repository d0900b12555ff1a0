"""A writer killed at any moment and run again leaves the same bank as one left in peace."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm_processes
from bank_copies import copy_folder

from freeda_store import Bank
from freeda_store.vectors.filters import PointFilter

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "killed_writer.py"


def run(folder: Path, moment: str = "never", passes: int = 1) -> int:
    return warm_processes.run(SCRIPT, folder, moment, passes).returncode


def contents(folder: Path) -> dict[str, Any]:
    """All that the newest view of a bank holds, with revisions by number instead of id."""
    with Bank.open(folder) as bank:
        assert bank.verify().ok
        assert bank.stats().unfinished_runs == 0
        store = bank._stores.vectors
        ids = [id_ for id_, _ in store.scroll(PointFilter(), payloads=False)]
        fetched = store.fetch(ids, texts=True, visuals=True)
        payloads = []
        for payload in fetched.payloads:
            plain: dict[str, Any] = dict(payload)
            retired = plain.pop("retired_in")
            number_of = bank._history().number_of
            plain["retired"] = [number_of(r) for r in retired if number_of(r)]
            payloads.append(plain)
        return {
            "ids": ids,
            "payloads": payloads,
            "texts": fetched.texts.tolist(),
            "visuals": fetched.visuals.tolist(),
            "revisions": [
                (r.number, r.parent, r.message, r.prototypes_added, r.prototypes_retired)
                for r in bank.revisions()
            ],
            "shown": [info.id for info in bank.infos()],
            "files": {path.name: path.read_bytes() for path in (folder / "revisions").iterdir()},
            "thumbnails": list(bank._stores.thumbnails.keys()),
            "stats": [bank.stats().prototypes, bank.stats().generations, bank.stats().captions],
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_bank: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("peace") / "bank"
    copy_folder(empty_bank, folder)
    assert run(folder) == 0
    found = contents(folder)
    assert found["stats"] == [18, 12, 12]
    assert np.asarray(found["visuals"]).shape == (24, 12)
    assert [revision[0] for revision in found["revisions"]] == [1, 2]
    return found


@pytest.mark.parametrize(
    ("moment", "passes"),
    [
        ("before_thumbnail", 1),
        ("after_thumbnail", 12),
        ("half_of_the_points", 1),
        ("half_of_the_points", 3),
        ("after_points", 2),
        ("after_rows", 1),
        ("after_rows", 4),
        ("after_flush", 1),
        ("before_files", 1),
        ("half_of_a_file", 1),
        ("after_files", 1),
        ("after_files", 2),
        ("after_commit", 1),
        ("after_optimize", 1),
        ("after_retirement", 1),
        ("after_retired_points", 1),
        ("after_commit", 2),
    ],
)
def test_killed_and_run_again(folder: Path, undisturbed: dict[str, Any], moment: str, passes: int) -> None:
    assert run(folder, moment, passes) == -signal.SIGKILL
    with Bank.read(folder) as reader:
        assert len(list(reader.infos())) in (0, 24, 18), "a reader sees whole revisions only"
    with Bank.open(folder) as bank:
        shown = len(list(bank.infos()))
        assert shown in (0, 24, 18), "a reader sees whole revisions only"
        assert bank.verify().ok
    assert run(folder) == 0
    assert contents(folder) == undisturbed


def test_killed_while_being_made(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """Kills by the clock, from the first moments on, land inside the making of the bank too."""
    folder = tmp_path / "bank"
    for seconds in (0.02, 0.05, 0.1, 0.15, 0.2):
        process = warm_processes.start(SCRIPT, folder, "never", 1)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run(folder) == 0
    assert contents(folder) == undisturbed
