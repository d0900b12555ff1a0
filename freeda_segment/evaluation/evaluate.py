"""Segment a data set and measure the result."""

from __future__ import annotations

from freeda_segment.classes import ClassList, ClassName
from freeda_segment.evaluation.datasets import Scenes
from freeda_segment.evaluation.metrics import Counts, Metrics
from freeda_segment.segmenter import Segmenter


def evaluate_scenes(segmenter: Segmenter, scenes: Scenes, limit: int | None = None) -> Metrics:
    """Segment scenes into all of their classes.

    Args:
        segmenter: with the bank and settings to be measured.
        scenes: with exact labels.
        limit: only the first so many; all by default.
    """
    classes = ClassList(tuple(ClassName((name,)) for name in scenes.class_names))
    prototypes = segmenter.prepare(classes)
    total = Counts.empty(len(scenes.class_names))
    for image, truth in zip(scenes.images[:limit], scenes.labels[:limit], strict=True):
        predicted = segmenter.segment(image, prototypes).labels
        total += Counts.of(truth, predicted, len(scenes.class_names))
    return total.metrics
