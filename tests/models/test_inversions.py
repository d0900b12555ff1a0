"""Textual inversions of several vectors: words are looked for in the prompt that is drawn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diffusers.loaders import TextualInversionLoaderMixin
from hypothesis import given
from hypothesis import strategies as st

from freeda_models.diffusion.files import generator_identity
from freeda_models.diffusion.generator import DiffusionGenerator, load_pipeline
from freeda_models.diffusion.inversions import drawn_prompt
from freeda_models.errors import UnsupportedModelError
from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import GenerationRequest

VECTORS = ["<toy>", "<toy>_1", "<toy>_2", "<hue>", "<one>"]
"""``<toy>`` has three vectors, the others have one."""


def with_inversions(settings: Any, only_first: Any = False) -> Any:
    """A generator whose tokenizers and text encoders know placeholders, as loading inversions makes it."""
    pipeline = load_pipeline(settings, "cpu")
    for number in ("",) if only_first else ("", "_2"):
        tokenizer = getattr(pipeline, f"tokenizer{number}", None)
        if tokenizer is not None:
            tokenizer.add_tokens(VECTORS)
            getattr(pipeline, f"text_encoder{number}").resize_token_embeddings(len(tokenizer))
    return pipeline, DiffusionGenerator(pipeline, settings, generator_identity(settings))


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_noun_after_an_inversion_of_several_vectors_keeps_its_own_tokens(
    kind: str, generator_settings: Callable[..., GeneratorSettings]
) -> None:
    pipeline, generator = with_inversions(generator_settings(kind))
    caption = "a <toy> car on <one> grass"
    at = caption.index("car")
    request = GenerationRequest(caption, 3, ((at, at + 3), (2, 7), (caption.index("grass"), len(caption))))
    car, toy, grass = generator._span_positions(request)
    prompt = pipeline.maybe_convert_prompt(caption, pipeline.tokenizer)
    assert prompt == "a <toy> <toy>_1 <toy>_2 car on <one> grass"
    tokens = pipeline.tokenizer.convert_ids_to_tokens(pipeline.tokenizer(prompt).input_ids)
    assert [tokens[index] for index in toy] == VECTORS[:3]
    assert "".join(tokens[index] for index in car) == "car</w>"
    assert "".join(tokens[index] for index in grass) == "grass</w>"


def test_maps_follow_the_words_of_the_prompt_that_is_drawn(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    """The recorder is asked for other places than without vectors before the noun, and gives other maps."""
    _, generator = with_inversions(generator_settings("sd1"))
    captions = ["a <toy> car", "a <one> car"]
    drawn = generator.generate(
        [GenerationRequest(each, 3, ((each.index("car"), len(each)),)) for each in captions]
    )
    assert all(each.inside_window.all() and each.attribution_shw.max() > 0 for each in drawn)
    assert np.abs(drawn[0].attribution_shw - drawn[1].attribution_shw).max() > 0


def test_two_tokenizers_must_know_the_same_inversions(
    generator_settings: Callable[..., GeneratorSettings],
) -> None:
    _, generator = with_inversions(generator_settings("sdxl"), only_first=True)
    with pytest.raises(
        UnsupportedModelError, match="'<hue>' is known to one of the generator's two tokenizers"
    ):
        generator.generate([GenerationRequest("a <toy> car", 3, ((8, 11),))])


@pytest.fixture(scope="session")
def inverting(clip_tokenizer: Any) -> SimpleNamespace:
    """What :func:`drawn_prompt` needs of a pipeline."""
    tokenizer = copy.deepcopy(clip_tokenizer)
    tokenizer.add_tokens(VECTORS)
    mixin = TextualInversionLoaderMixin()
    return SimpleNamespace(tokenizer=tokenizer, maybe_convert_prompt=mixin.maybe_convert_prompt)


WORDS = st.sampled_from(["a", "car", "tree", "<toy>", "<one>", "<hue>,", "x<toy>y", "<TOY>"])


@given(st.lists(WORDS, min_size=1, max_size=6), st.data())
def test_spans_move_with_their_words(
    inverting: SimpleNamespace, words: list[str], data: st.DataObject
) -> None:
    caption = " ".join(words)
    prompt = drawn_prompt(inverting, caption)
    assert prompt is not None
    assert prompt.text == inverting.maybe_convert_prompt(caption, inverting.tokenizer)
    index = data.draw(st.integers(0, len(words) - 1))
    start = len(" ".join([*words[:index], ""])) if index else 0
    moved = slice(*prompt.span((start, start + len(words[index]))))
    assert prompt.text[moved] == words[index].replace("<toy>", "<toy> <toy>_1 <toy>_2")
    assert caption[:start].replace("<toy>", "<toy> <toy>_1 <toy>_2") == prompt.text[: moved.start]


def test_part_of_a_placeholder_is_all_of_its_vectors(inverting: SimpleNamespace) -> None:
    prompt = drawn_prompt(inverting, "my <toy> here")
    assert prompt is not None
    assert prompt.text[slice(*prompt.span((4, 7)))] == "<toy> <toy>_1 <toy>_2"


def test_placeholders_that_stand_in_each_others_way_are_told(
    inverting: SimpleNamespace, clip_tokenizer: Any
) -> None:
    tokenizer = copy.deepcopy(clip_tokenizer)
    tokenizer.add_tokens(["<cat>", "<cat>_1", "big<cat>", "big<cat>_1"])
    crowded = SimpleNamespace(tokenizer=tokenizer, maybe_convert_prompt=inverting.maybe_convert_prompt)
    assert drawn_prompt(crowded, "a <cat> and a big<cat>") is None
    assert drawn_prompt(crowded, "a <cat> on grass") is not None
