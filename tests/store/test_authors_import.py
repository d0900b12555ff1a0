"""The authors' published bank: .npy files sorted by name, and a faiss index of text keys."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
import warm_processes
from authors_makers import AuthorsFiles, make_authors_files, write_index
from hypothesis import given
from hypothesis import strategies as st
from rounding import assert_near
from store_makers import TEXT_DIM, VISUAL_DIM

from freeda_store import Bank, copy_bank
from freeda_store.authors.copy import AuthorsProgress, AuthorsReport, copy_authors_bank
from freeda_store.authors.files import AuthorsBank, noun_of
from freeda_store.errors import AuthorsBankError, FaissMissingError, ThumbnailAbsentError
from freeda_store.thumbnails.remote import RemoteThumbnails
from freeda_store.views.contact_sheet import SIDE, draw_contact_sheet
from freeda_store.views.viewing import WatchedThumbnails

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "killed_import.py"


@pytest.fixture
def files(tmp_path: Path) -> AuthorsFiles:
    return make_authors_files(tmp_path)


def copy(bank: Bank, files: AuthorsFiles) -> AuthorsReport:
    return copy_authors_bank(bank, AuthorsBank(files.folder, files.index), "import")


def test_every_file_becomes_a_prototype_with_its_key(bank: Bank, files: AuthorsFiles) -> None:
    seen: list[AuthorsProgress] = []
    report = copy_authors_bank(bank, AuthorsBank(files.folder, files.index), "import", seen.append)
    assert (report.files, report.written, report.done_before, report.skipped) == (40, 40, 0, 0)
    assert report.revision is not None
    assert report.revision.prototypes_added == 40
    assert (seen[-1].files_done, seen[-1].files_total, seen[-1].written) == (40, 40, 40)
    infos = {info.external_id: info for info in bank.infos()}
    assert sorted(infos) == files.names
    assert {info.noun for info in infos.values()} == {"car", "tree", "red car", "sky"}
    vectors = bank.vectors([infos[name].id for name in files.names])
    expected = files.keys / np.linalg.norm(files.keys, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.text_keys, expected, atol=1e-6)
    np.testing.assert_array_equal(vectors.visuals, files.visuals.astype(np.float16).astype(np.float32))
    assert bank.verify().ok


def test_retrieval_is_that_of_an_exact_faiss_search(bank: Bank, files: AuthorsFiles) -> None:
    copy(bank, files)
    normalised = files.keys / np.linalg.norm(files.keys, axis=1, keepdims=True)
    exact = faiss.IndexFlatIP(TEXT_DIM)
    exact.add(normalised)
    queries = np.random.default_rng(1).standard_normal((5, TEXT_DIM)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    similarities, places = exact.search(queries, 12)
    for found, row, alike in zip(bank.nearest(queries, 12), places, similarities, strict=True):
        assert [info.external_id for info in found.infos] == [files.names[place] for place in row]
        np.testing.assert_allclose(found.similarities, alike, atol=1e-5)
        np.testing.assert_array_equal(found.visuals, files.visuals[row].astype(np.float16))


def test_the_bank_is_copied_with_nothing_missing(bank: Bank, files: AuthorsFiles, tmp_path: Path) -> None:
    """Sharing has no pictures to copy, and nothing to complain about."""
    copy(bank, files)
    shown = {info.id for info in bank.infos()}
    bank.close()
    report = copy_bank(bank.address.folder, tmp_path / "copy")
    assert report.missing_thumbnails == 0
    with Bank.open(tmp_path / "copy") as copied:
        assert {info.id for info in copied.infos()} == shown
        assert copied.verify().ok


def test_a_second_import_adds_nothing(bank: Bank, files: AuthorsFiles) -> None:
    copy(bank, files)
    again = copy(bank, files)
    assert (again.written, again.done_before, again.revision) == (0, 40, None)
    assert len(bank.revisions()) == 1


def test_rows_that_cannot_be_used_are_counted_and_named(bank: Bank, files: AuthorsFiles) -> None:
    bad_visual, zero_visual, large, bad_key, zero_key = (files.names[n] for n in (3, 5, 8, 11, 13))
    np.save(files.folder / bad_visual, np.full(VISUAL_DIM, np.nan, np.float32))
    np.save(files.folder / zero_visual, np.zeros(VISUAL_DIM, np.float32))
    np.save(files.folder / large, np.full(VISUAL_DIM, 1e6, np.float32))
    files.keys[11, 0], files.keys[13] = np.inf, 0
    write_index(files.index, files.keys)
    report = copy(bank, files)
    assert (report.written, report.skipped) == (35, 5)
    assert dict(report.first_skipped) == {
        bad_visual: "its prototype holds a value that is not finite",
        zero_visual: "its prototype is zero",
        large: "its prototype is larger than float16 holds (65504)",
        bad_key: "its key holds a value that is not finite",
        zero_key: "its key is zero",
    }
    assert copy(bank, files).skipped == 5, "they are named by every run"


@pytest.mark.parametrize("kind", ["file", "hidden", "folder", "pickled list"])
def test_a_stray_file_is_refused_and_named(files: AuthorsFiles, kind: str) -> None:
    name = {"file": "readme.txt", "hidden": ".DS_Store", "folder": "a.npy", "pickled list": "list.pkl"}[kind]
    if kind == "folder":
        (files.folder / name).mkdir()
    else:
        (files.folder / name).write_bytes(pickle.dumps(files.names))
    with pytest.raises(AuthorsBankError, match=rf"{name} is no \.npy file.*wrong key; move it out"):
        AuthorsBank(files.folder, files.index)


def test_files_and_keys_must_be_equally_many(files: AuthorsFiles) -> None:
    (files.folder / files.names[4]).unlink()
    with pytest.raises(AuthorsBankError, match=r"holds 39 files, but .*knn\.index has 40 keys"):
        AuthorsBank(files.folder, files.index)


def test_vectors_of_another_length_are_named(bank: Bank, files: AuthorsFiles) -> None:
    np.save(files.folder / files.names[9], np.ones(VISUAL_DIM + 1, np.float32))
    with pytest.raises(AuthorsBankError, match=f"{files.names[9]} holds vectors of 13 numbers"):
        copy(bank, files)
    np.save(files.folder / files.names[9], files.visuals[9])
    assert copy(bank, files).written == 40


@pytest.mark.parametrize(
    "kind", ["pickle", "integers", "truncated", "empty", "cube", "no array", "no numbers", "no rows"]
)
def test_a_file_that_is_no_vector_is_named(bank: Bank, files: AuthorsFiles, kind: str) -> None:
    path = files.folder / files.names[6]
    if kind == "pickle":
        np.save(path, np.array([os.getcwd], dtype=object), allow_pickle=True)
    elif kind == "integers":
        np.save(path, np.arange(VISUAL_DIM))
    elif kind in ("no numbers", "no rows"):
        np.save(path, np.ones(0 if kind == "no numbers" else (0, VISUAL_DIM), np.float32))
    elif kind == "cube":
        np.save(path, np.ones((2, 2, VISUAL_DIM)))
    else:
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[:-8], "empty": b"", "no array": b"<html>"}[kind])
    with pytest.raises(AuthorsBankError, match=f"{files.names[6]} "):
        copy(bank, files)
    assert list(bank.infos()) == []


@pytest.mark.parametrize("kind", ["missing", "truncated", "other"])
def test_an_index_that_cannot_be_read_is_named(files: AuthorsFiles, kind: str) -> None:
    whole = files.index.read_bytes()
    files.index.unlink()
    if kind != "missing":
        files.index.write_bytes(whole[: len(whole) // 2] if kind == "truncated" else b"<html>")
    with pytest.raises(AuthorsBankError, match=r"knn\.index (is no file|cannot be read)"):
        AuthorsBank(files.folder, files.index)


def test_an_index_of_another_kind_is_refused(files: AuthorsFiles) -> None:
    index = faiss.IndexIDMap(faiss.IndexFlatIP(TEXT_DIM))
    index.add_with_ids(files.keys, np.arange(40)[::-1].copy())
    faiss.write_index(index, str(files.index))
    with pytest.raises(AuthorsBankError, match="faiss IndexIDMap; expected the authors' IndexHNSWFlat"):
        AuthorsBank(files.folder, files.index)


def test_missing_and_empty_folders(files: AuthorsFiles, tmp_path: Path) -> None:
    with pytest.raises(AuthorsBankError, match="none is no folder"):
        AuthorsBank(tmp_path / "none", files.index)
    (tmp_path / "void").mkdir()
    with pytest.raises(AuthorsBankError, match="void is empty"):
        AuthorsBank(tmp_path / "void", files.index)


def test_without_faiss_the_message_tells_what_to_install(
    files: AuthorsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FaissMissingError, match=r"pip install 'freeda\[faiss\]'"):
        AuthorsBank(files.folder, files.index)


def test_parts_of_one_file_share_its_key(bank: Bank, files: AuthorsFiles) -> None:
    """The authors' ``k_parts``: several visual prototypes in a file, one key in the index."""
    parts = np.random.default_rng(3).standard_normal((2, VISUAL_DIM)).astype(np.float32)
    np.save(files.folder / files.names[2], parts)
    np.save(files.folder / files.names[7], files.visuals[7][None])
    report = copy(bank, files)
    assert report.written == 41
    infos = {info.external_id: info for info in bank.infos()}
    pair = [infos[files.names[2]].id, infos[f"{files.names[2]}#1"].id]
    vectors = bank.vectors(pair)
    assert_near(vectors.text_keys[1], vectors.text_keys[0])
    np.testing.assert_array_equal(vectors.visuals, parts.astype(np.float16))


def test_rows_may_have_keys_of_their_own(bank: Bank, files: AuthorsFiles) -> None:
    """An index with as many keys as all files have rows: the rows are counted on from file to file."""
    parts = np.random.default_rng(3).standard_normal((3, VISUAL_DIM)).astype(np.float32)
    np.save(files.folder / files.names[2], parts)
    more = np.random.default_rng(4).standard_normal((2, TEXT_DIM)).astype(np.float32)
    keys = np.concatenate([files.keys[:3], more, files.keys[3:]])
    write_index(files.index, keys)
    assert copy(bank, files).written == 42
    infos = {info.external_id: info for info in bank.infos()}
    order = [files.names[2], f"{files.names[2]}#1", f"{files.names[2]}#2", files.names[3]]
    vectors = bank.vectors([infos[name].id for name in order])
    expected = keys[2:6] / np.linalg.norm(keys[2:6], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.text_keys, expected, atol=1e-6)
    np.testing.assert_array_equal(vectors.visuals[:3], parts.astype(np.float16))


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, 3])
def test_killed_and_run_again(folder: Path, files: AuthorsFiles, batches: int) -> None:
    def run(after: int) -> int:
        return warm_processes.run(SCRIPT, folder, files.folder, files.index, after).returncode

    assert run(batches) == -signal.SIGKILL
    with Bank.open(folder) as bank:
        assert list(bank.infos()) == []
        assert bank.stats().unfinished_runs == 1
    with Bank.open(folder) as bank:
        report = copy(bank, files)
        assert (report.done_before, report.written) == (8 * batches, 40 - 8 * batches)
        assert report.revision is not None
        assert report.revision.prototypes_added == 40
        assert bank.verify().ok
        assert bank.stats().unfinished_runs == 0


def test_other_files_are_another_run(files: AuthorsFiles, tmp_path: Path) -> None:
    first = AuthorsBank(files.folder, files.index).fingerprint
    assert AuthorsBank(files.folder, files.index).fingerprint == first
    files.keys[20] *= 2
    write_index(files.index, files.keys)
    assert AuthorsBank(files.folder, files.index).fingerprint != first
    other = make_authors_files(tmp_path / "other", 39)
    assert AuthorsBank(other.folder, other.index).fingerprint != first


def test_prototypes_without_pictures_are_shown_in_words(bank: Bank, files: AuthorsFiles) -> None:
    copy(bank, files)
    infos = list(bank.infos())
    assert {(info.picture_key, info.attribution_key) for info in infos} == {("", "")}
    assert not any(info.scores.known for info in infos)
    with pytest.raises(ThumbnailAbsentError, match="without a picture"):
        bank.thumbnail("")
    for store in (bank._stores.thumbnails, RemoteThumbnails("memory://none")):
        assert not store.has("")
        store.delete("")
        with pytest.raises(ThumbnailAbsentError):
            store.get("")
    watched = WatchedThumbnails(bank)
    sheet = np.asarray(draw_contact_sheet(watched, infos[:1]))
    field = sheet[8 : 8 + SIDE, 8 : 8 + SIDE]
    assert (field == 205).all(axis=2).mean() > 0.9
    assert (field < 180).any(), "words are written on the grey"
    assert watched.warnings() == []
    assert bank.stats().bytes_thumbnails == 0


@pytest.mark.parametrize(
    ("file", "noun"),
    [
        ("000000000009_1_red_car.npy", "red car"),
        ("000000000009_1_car_2.npy", "car"),
        ("9-bowl.npy", "bowl"),
        ("red_car_12.npy", "red car"),
        ("t-shirt.npy", "t-shirt"),
        ("000000000009_1.npy", "000000000009_1"),
        ("000000000009.npy", "000000000009"),
        ("___.npy", "___"),
        (".npy", ".npy"),
        ("9_été_3.npy", "été"),
    ],
)
def test_nouns_of_names(file: str, noun: str) -> None:
    assert noun_of(file) == noun


@given(st.text(min_size=1, max_size=40))
def test_every_name_gives_a_noun(stem: str) -> None:
    assert noun_of(f"{stem}.npy")
