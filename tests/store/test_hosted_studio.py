"""A studio over a hosted bank: it reads, corrects and takes back as over a folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
from hosted_makers import Team
from PIL import Image
from small_bank import make_small_bank
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_store import Bank
from freeda_studio.app import make_app

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")


def test_a_person_segments_asks_why_corrects_and_takes_it_back(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    team.add("own", sql_url=team.postgres.new_database(), thumbnails=str(tmp_path / "thumbnails"))
    make_small_bank(Path("own"))
    pixels = np.zeros((40, 48, 3), dtype=np.uint8)
    pixels[:, 24:] = (30, 30, 250)
    Image.fromarray(pixels).save(tmp_path / "blue.png")
    with opened_studio("own", tmp_path / "blue.png") as studio:
        client = TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})
        assert client.get("/api/v1/bank").json()["refusal"] == ""
        (picture,) = client.get("/api/v1/pictures").json()
        asked = {"classes": ["car", "tree"]}
        address = f"/api/v1/pictures/{picture['id']}"
        assert client.post(f"{address}/segmentation", json=asked).json()["revision"] == 2
        why = client.post(f"{address}/explanation", json={**asked, "x": 30, "y": 20}).json()
        (region,) = why["regions"]
        retired = region["best"]["prototypes"][0]["id"]
        change = client.post("/api/v1/retire", json={"ids": [retired]}).json()
        assert (change["before"], change["after"]) == (2, 3)
        assert client.post(f"{address}/segmentation", json=asked).json()["revision"] == 3
        learned = {"picture": picture["id"], "name": "box", "at": [[30, 20]]}
        assert client.post("/api/v1/learn", json=learned).json()["after"] == 4
        assert client.post("/api/v1/rollback", json={"version": 2}).json()["after"] == 5
        for page in ("/", "/bank", "/bank/prototypes?noun=car", "/history", "/work"):
            assert client.get(page).status_code == 200, page
    with Bank.read("own") as bank:
        assert [revision.number for revision in bank.revisions()] == [1, 2, 3, 4, 5]
        assert any(str(info.id) == retired for info in bank.infos())
    with opened_studio("own@1") as studio:
        assert "cannot be changed" in studio.writing.refusal
    team.add("looking", collection="own", thumbnails=str(tmp_path / "thumbnails"))
    with opened_studio("looking") as studio:
        assert "names no sql_url" in studio.writing.refusal
