"""``freeda segment`` in a process of its own, with random networks of the real architectures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeda_models.presets import load_preset
from freeda_segment.outputs import read_labels
from freeda_store import Bank, Caption, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores

ROOT = Path(__file__).parents[2]
WINDOW, DIM = 16, 24
PRESET = """
name = "random"
description = "Random networks of the real architectures."
nouns_known = ["car", "tree"]
[clip]
model = "local-dir:{folder}/clip"
[backbone]
model = "{folder}/backbone"
image_size = 32
[generator]
model = "{folder}/no-generator"
image_size = 64
[segment]
shorter_side = 32
longest_side = 64
window = 32
stride = 16
k = 3
"""
SCRIPT = """
import json, sys
sys.argv = ["freeda", *json.loads(sys.argv[1])]
from freeda_cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
sys.stderr.write("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def save_clip(folder: Path) -> None:
    """A random CLIP in open_clip's layout, with a tokenizer of single letters."""
    import open_clip
    from safetensors.torch import save_file
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[],
        model_max_length=WINDOW,
        pad_token="<|endoftext|>",
    ).save_pretrained(folder)
    model = {
        "embed_dim": DIM,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
        "text_cfg": {
            "context_length": WINDOW,
            "vocab_size": len(tokens),
            "width": 32,
            "heads": 2,
            "layers": 1,
            "hf_tokenizer_name": "letters",
        },
    }
    weights = open_clip.CLIP(**json.loads(json.dumps(model))).state_dict()
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, folder / "open_clip_model.safetensors"
    )
    preparation = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    config = {"model_cfg": model, "preprocess_cfg": preparation}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def save_backbone(folder: Path) -> None:
    """A random DINOv2."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=DIM, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=4
    )
    Dinov2Model(config).save_pretrained(folder)


def save_bank(folder: Path, preset_file: Path) -> None:
    """A bank with one car, made by those networks."""
    from freeda_models.clip.files import clip_identity
    from freeda_models.dinov2.files import backbone_identity

    preset = load_preset(str(preset_file))
    clip = ModelRecord.of(clip_identity(preset.clip))
    manifest = Manifest(
        preset=preset.name,
        clip=clip,
        backbone=ModelRecord.of(backbone_identity(preset.backbone)),
        generator=ModelRecord(id="none"),
        nouns=ModelRecord(id="none"),
        keys=clip,
        key_strategy="template_mean",
        templates="openai_subset",
    )
    ones = np.ones(DIM, dtype=np.float32)
    scores = Scores(contrast=2.0, area=0.2, clip_agreement=0.3, outlier_distance=0.0)
    grey = np.full((8, 8), 128, dtype=np.uint8)
    car = NewPrototype("car", "noun", (2, 5), ones / np.sqrt(DIM).astype(np.float32), ones, scores, grey)
    with Bank.open(folder, create=manifest) as bank, bank.write("one car", "one car") as writer:
        writer.add([NewGeneration(Caption("a car"), 1, np.zeros((8, 8, 3), dtype=np.uint8), (car,))])
        writer.commit()


@pytest.mark.slow
def test_segment_loads_only_what_it_needs_and_writes_what_it_says(tmp_path: Path) -> None:
    for name, save in (("clip", save_clip), ("backbone", save_backbone)):
        (tmp_path / name).mkdir()
        save(tmp_path / name)
    preset = tmp_path / "random.toml"
    preset.write_text(PRESET.format(folder=tmp_path))
    save_bank(tmp_path / "bank", preset)
    Image.new("RGB", (40, 30), "orange").save(tmp_path / "photo.png")
    arguments = [
        "segment",
        str(tmp_path / "photo.png"),
        *("-c", "car,tree,zebra"),
        *("--bank", str(tmp_path / "bank"), "--preset", str(preset), "--out", str(tmp_path / "out")),
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    *messages, last = done.stderr.splitlines()
    code, modules = json.loads(last)
    assert code == 0
    assert {"torch", "open_clip", "transformers"} <= set(modules)
    assert {"diffusers", "spacy", "alembic", "sentence_transformers", "qdrant_client"}.isdisjoint(modules)
    warning = "preset 'random' does not know 'zebra'"
    shown = [message for message in messages if message]
    assert shown[0] == f"bank {tmp_path / 'bank'}, preset random"
    assert "holds nothing for 'zebra'" in shown[2]
    assert "no other nouns that could compete" in shown[3]
    assert len(shown) == 4, "libraries are silent"
    assert warning in shown[1]
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'photo.png'}: ")
    assert [Path(line.strip()).is_file() for line in lines[1:]] == [True] * 3
    assert read_labels(tmp_path / "out" / "photo.labels.png").class_names == ("car", "tree", "zebra")
