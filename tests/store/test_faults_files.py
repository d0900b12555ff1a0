"""A truncated database, and thumbnails that are gone or truncated."""

from __future__ import annotations

import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from store_makers import TEXT_DIM, make_generation

from freeda_store import Bank
from freeda_store.errors import BankError, ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.views.contact_sheet import SIDE, draw_contact_sheet
from freeda_store.views.viewing import WatchedThumbnails, look


@pytest.fixture
def filled(bank: Bank) -> Bank:
    with bank.write("m", "run") as writer:
        writer.add([make_generation(i) for i in range(20)])
        writer.commit()
    return bank


def thumbnail_path(folder: Path, key: str) -> Path:
    return folder / "thumbnails" / key[:2] / f"{key}.webp"


def use(folder: Path) -> None:
    """Ask for all that the database knows."""
    with Bank.open(folder) as bank:
        bank.nearest(np.ones((1, TEXT_DIM), np.float32), 5)
        bank.stats()
        bank.verify()


@pytest.mark.parametrize("tenths", range(10))
def test_a_database_truncated_anywhere_is_named(filled: Bank, folder: Path, tenths: int) -> None:
    """Whatever is lost, what goes wrong is an error of ours that names the file; a copy mends it."""
    filled.close()
    database = folder / "bank.sqlite"
    copy = folder.parent / "copy.sqlite"
    shutil.copyfile(database, copy)
    os.truncate(database, database.stat().st_size * tenths // 10)
    with pytest.raises(BankError, match=r"bank\.sqlite") as caught:
        use(folder)
    assert "restore it from a copy" in str(caught.value)
    assert "\n" not in str(caught.value)
    shutil.copyfile(copy, database)
    with Bank.open(folder) as bank:
        assert len(list(bank.infos())) == 40
        assert bank.verify().ok


def test_missing_and_truncated_thumbnails_are_shown_in_words(filled: Bank, folder: Path) -> None:
    whole, gone, short = list({info.picture_key: info for info in filled.infos()}.values())[:3]
    thumbnail_path(folder, gone.picture_key).unlink()
    path = thumbnail_path(folder, short.picture_key)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ThumbnailMissingError, match=f"{gone.picture_key}.*verify"):
        filled.thumbnail(gone.picture_key)
    with pytest.raises(ThumbnailDamagedError, match=f"{short.picture_key}.*restore it from a copy"):
        filled.thumbnail(short.picture_key)
    assert look(filled, gone.picture_key, SIDE) == (None, "picture missing")
    assert look(filled, short.picture_key, SIDE) == (None, "picture damaged")
    assert look(filled, "", SIDE) == (None, "no picture")
    assert look(filled, "no key", SIDE) == (None, "picture missing")
    picture, lack = look(filled, whole.picture_key, SIDE)
    assert picture is not None
    assert (picture.size, lack) == ((SIDE, SIDE), "")
    watched = WatchedThumbnails(filled)
    assert watched.warnings() == []
    draw_contact_sheet(watched, [whole, gone, short, gone])
    assert watched.warnings() == [
        "1 thumbnail is missing and not shown; `freeda bank verify` lists what is wrong.",
        "1 thumbnail is damaged and not shown; `freeda bank verify` lists what is wrong.",
    ]
    found = filled.nearest(np.ones((1, TEXT_DIM), np.float32), 40)[0]
    assert len(found.ids) == 40, "searching needs no thumbnails"
    report = filled.verify()
    assert report.missing_thumbnails == (gone.picture_key,)
    assert report.damaged_thumbnails == (short.picture_key,)


def test_the_folder_of_thumbnails_missing(filled: Bank, folder: Path) -> None:
    subprocess.run(["rm", "-r", str(folder / "thumbnails")], check=True)
    infos = list(filled.infos())
    watched = WatchedThumbnails(filled)
    draw_contact_sheet(watched, infos)
    (line,) = watched.warnings()
    keys = {key for info in infos for key in (info.picture_key, info.attribution_key)}
    assert line.startswith(f"{len(keys)} thumbnails are missing")
    assert filled.verify().missing_thumbnails == tuple(sorted(keys))
    with filled.write("more", "more") as writer:
        writer.add([make_generation(50)])
        writer.commit()
    assert len(list(filled.infos())) == 42


def webp_of(side: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (side, side)).save(buffer, format="WEBP", quality=1, method=0)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["no picture", "cut short", "too large"])
def test_bytes_that_fit_their_key_and_are_no_picture(
    bank: Bank, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeda_store.thumbnails.folder.MAX_PIXELS", 50 * 50)
    data = {"no picture": b"no picture", "cut short": webp_of(40)[:-20], "too large": webp_of(100)}[kind]
    key = bank._stores.thumbnails.put(data)
    with pytest.raises(ThumbnailDamagedError, match=f"thumbnail {key} is no picture that can be shown"):
        bank.thumbnail(key)
