"""``freeda bank import-freeda``, and what can be done with the bank it makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from freeda_ingest.authors import authors_manifest, import_authors_bank
from freeda_models.loading import load_key_encoder
from freeda_models.presets import load_preset
from freeda_models.text.keys import TEMPLATE_SETS, embed_classes
from freeda_store import Bank
from freeda_store.errors import AuthorsBankError

NOUNS = ("car", "tree")
TINY_VISUAL_DIM = 192


def make_files(place: Path, keys: np.ndarray, visual_dim: int) -> tuple[Path, Path]:
    """A file and a key each, alternating between the nouns."""
    folder = place / "embeddings"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(len(keys)):
        visual = rng.standard_normal(visual_dim).astype(np.float32)
        np.save(folder / f"{number:012d}_{NOUNS[number % 2]}.npy", visual)
    index = faiss.IndexHNSWFlat(keys.shape[1], 8, faiss.METRIC_INNER_PRODUCT)
    index.add(keys)
    faiss.write_index(index, str(place / "knn.index"))
    return folder, place / "knn.index"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Random, with the lengths of the photographs' models."""
    return make_files(tmp_path, np.random.default_rng(1).standard_normal((6, 768)).astype(np.float32), 1024)


def test_the_manifest_names_the_photographs_models(freeda: Any, files: tuple[Path, Path]) -> None:
    result = freeda("bank", "import-freeda", *files, "--bank", "authors")
    assert result.exit_code == 0, result.stderr
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if " " in line)
    assert (facts["files"], facts["written"], facts["skipped"]) == ("6", "6", "0")
    assert facts["revision"] == "1: import embeddings"
    preset = load_preset("sd21")
    with Bank.open("authors") as bank:
        manifest = bank.manifest
    assert manifest.preset == "sd21"
    assert (manifest.clip.id, manifest.clip.revision) == ("ViT-L-14-quickgelu openai", preset.clip.revision)
    assert manifest.backbone.id == preset.backbone.model
    assert manifest.backbone.revision == preset.backbone.revision
    assert (manifest.keys, manifest.keys.dim, manifest.backbone.dim) == (manifest.clip, 768, 1024)
    assert "ViT-L-14" in manifest.created_by
    assert "vit_large_patch14_dinov2.lvd142m" in manifest.created_by
    again = json.loads(freeda("bank", "import-freeda", *files, "--bank", "authors", "--json").stdout)
    assert (again["written"], again["done_before"], again["revision"]) == (0, 6, None)


def test_other_models_than_the_files_are_refused(freeda: Any, files: tuple[Path, Path]) -> None:
    for preset, message in (("tiny", "keys have 768 numbers"), ("sd15", "prototypes have 1024 numbers")):
        result = freeda("bank", "import-freeda", *files, "--bank", "authors", "--preset", preset)
        assert result.exit_code == 2
        assert message in result.stderr
    assert not Path("authors").exists()
    with pytest.raises(AuthorsBankError, match="name the preset"):
        authors_manifest(load_preset("sd21"), 512, 1024)


def test_nothing_is_imported_into_a_bank_of_other_models(
    freeda: Any, files: tuple[Path, Path], bank: Path
) -> None:
    result = freeda("bank", "import-freeda", *files, "--bank", bank)
    assert result.exit_code == 2
    assert "made with clip = clip" in result.stderr


def test_misuse_and_absent_faiss_are_one_line(
    freeda: Any, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (files[0] / ".DS_Store").touch()
    stray = freeda("bank", "import-freeda", *files, "--bank", "authors")
    assert (stray.exit_code, stray.stderr.count("\n")) == (2, 1)
    assert ".DS_Store is no .npy file" in stray.stderr
    (files[0] / ".DS_Store").unlink()
    monkeypatch.setitem(sys.modules, "faiss", None)
    absent = freeda("bank", "import-freeda", *files, "--bank", "authors")
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "pip install 'freeda[faiss]'" in absent.stderr
    assert not Path("authors").exists()


def test_skipped_prototypes_are_named(freeda: Any, files: tuple[Path, Path]) -> None:
    np.save(files[0] / "000000000001_tree.npy", np.full(1024, np.inf, np.float32))
    result = freeda("bank", "import-freeda", *files, "--bank", "authors")
    assert result.exit_code == 0
    assert "000000000001_tree.npy: its prototype holds a value that is not finite" in result.stdout


@pytest.mark.slow
def test_the_bank_segments_explains_and_is_shown(freeda: Any, tmp_path: Path, picture: Path) -> None:
    """With the bundled models, whose keys of the two nouns stand in the index."""
    encoder = load_key_encoder(load_preset("tiny"), "cpu")
    keys = embed_classes(encoder, list(NOUNS), TEMPLATE_SETS["openai_subset"])
    files = make_files(tmp_path, np.tile(keys, (4, 1)).astype(np.float32), TINY_VISUAL_DIM)
    assert import_authors_bank("authors", *files, preset="tiny").written == 8
    common = ("--bank", "authors", "-c", "car,tree", "--device", "cpu", "--where", "none")
    made = freeda("segment", picture, *common, "--preset", "tiny", "--out", "out")
    assert made.exit_code == 0, made.stderr
    explained = freeda("explain", picture, *common, "--out", "why.html")
    assert explained.exit_code == 0, explained.stderr
    page = Path("why.html").read_text(encoding="utf-8")
    assert "no picture" in page
    assert "contrast" not in page
    assert "thumbnail" not in explained.stderr
    found = json.loads(freeda("bank", "search", "car", "--bank", "authors", "-k", "4", "--json").stdout)
    assert {each["noun"] for each in found} == {"car"}
    shown = freeda("bank", "show", "tree", "--bank", "authors", "--out", "tree.png")
    assert shown.exit_code == 0, shown.stderr
    assert "thumbnail" not in shown.stderr
    verified = freeda("bank", "verify", "--bank", "authors")
    assert (verified.exit_code, verified.stdout.splitlines()[-1]) == (0, "authors is sound")


def test_stats_count_no_captions_and_pictures(freeda: Any, files: tuple[Path, Path]) -> None:
    assert freeda("bank", "import-freeda", *files, "--bank", "authors").exit_code == 0
    facts = dict(
        line.split(maxsplit=1) for line in freeda("bank", "stats", "--bank", "authors").stdout.splitlines()
    )
    assert facts["imported"] == "6 files, without captions and pictures"
    assert not {"captions", "pictures"} & facts.keys()
