"""What a person should know of class names that a preset's models do not know."""

from __future__ import annotations

from collections.abc import Collection

from freeda_models.identity import CLIP_KEYS
from freeda_models.nouns.vocabulary import unknown_names
from freeda_models.presets import Preset
from freeda_segment.classes import ClassList
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_store.records import EXAMPLE


def warnings(preset: Preset | None, classes: ClassList, taught: Collection[str] = ()) -> tuple[str, ...]:
    """For each name that CLIP does not know, a sentence; other key spaces place it: :func:`readings`.

    Args:
        preset: whose models are asked.
        classes: as they were given.
        taught: names of which the bank learned something from pictures; these need no words.
    """
    return tuple(
        f"preset '{preset.name}' does not know '{text}'; "
        "make a bank with a preset for photographs, such as sd21, to segment it well."
        for text in unknown_texts(preset, classes)
        if preset is not None and text not in taught
    )


def unknown_texts(preset: Preset | None, classes: ClassList) -> list[str]:
    """The names that CLIP does not know, where its text encoder makes the keys."""
    if preset is None or preset.keys.encoder != CLIP_KEYS:
        return []
    return unknown_names(preset, [text for each in classes.classes for text in each.texts])


def readings(preset: Preset | None, prototypes: ClassPrototypes) -> tuple[str, ...]:
    """For each name that the models do not know, which noun of the bank it is read as; none for CLIP."""
    if preset is None or preset.keys.encoder == CLIP_KEYS:
        return ()
    supports = [support for support in prototypes.supports if support.ids]
    unknown = set(unknown_names(preset, [support.text for support in supports]))
    return tuple(
        f"'{support.text}' is read as '{support.infos[0].noun}', the nearest noun of the bank "
        f"(similarity {float(support.similarities[0]):.2f})."
        for support in supports
        if support.text in unknown and support.infos[0].kind != EXAMPLE
    )
