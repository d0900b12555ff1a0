"""An explanation as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freeda_segment.explain.explanation import (
    ClassEvidence,
    Explanation,
    OtherEvidence,
    PrototypeEvidence,
    RetrievalEvidence,
)
from freeda_segment.outputs.report import provenance_values
from freeda_store.fields import to_json
from freeda_store.files.own_files import GENERATOR, JSON_KEY

if TYPE_CHECKING:
    from freeda_segment.correcting import Comparison
    from freeda_segment.result import Segmentation

FORMAT_VERSION = 1


def explanation_document(
    source: str,
    segmentation: Segmentation,
    explanations: Sequence[Explanation],
    comparison: Comparison | None = None,
    after: Sequence[Explanation] = (),
    *,
    file: str = "",
    sha256: str = "",
) -> dict[str, Any]:
    """Regions with their classes and prototypes, and what retiring prototypes changed.

    Args:
        source: where the picture came from.
        segmentation: the result explained; before anything was retired.
        explanations: of its regions.
        comparison: None when nothing was retired.
        after: explanations of the same regions after that, in the same order.
        file: where the picture lies as seen from the folder of the document, and
        sha256: of its file: they identify whose explanation it is. Both ``""`` where it is no file.
    """
    height, width = segmentation.size_hw
    document = {
        JSON_KEY: GENERATOR,
        "format": FORMAT_VERSION,
        "picture": {"source": source, "file": file, "width": width, "height": height, "sha256": sha256},
        **provenance_values(segmentation.provenance),
        "alpha": segmentation.request.alpha,
        "regions": [_region(each) for each in explanations],
    }
    if comparison is not None:
        document["retired"] = {
            "ids": [str(id_) for id_ in comparison.retired],
            "used": [str(id_) for id_ in comparison.used],
            "revision_before": comparison.before.provenance.revision,
            "revision_after": comparison.after.provenance.revision,
            "changed_area": comparison.changed_area,
            "regions": [_region(each) for each in after],
        }
    return document


def _region(each: Explanation) -> dict[str, Any]:
    return {
        "window": each.place.window,
        "superpixel": each.place.label,
        "box_xyxy": list(each.box_xyxy),
        "area": each.area,
        "label": each.label,
        "label_name": each.label_name,
        "margin": each.margin,
        "best": _class(each.best),
        "runner_up": None if each.runner_up is None else _class(each.runner_up),
        "other": None if each.other is None else _other(each.other),
        "retrieval": None if each.retrieval is None else _retrieval(each.retrieval),
    }


def _class(each: ClassEvidence) -> dict[str, Any]:
    return {
        "index": each.index,
        "name": each.name,
        "score": each.score,
        "local": each.local,
        "global": each.global_score,
        "seen": each.seen,
        "prototypes_total": each.total,
        "prototypes": [_prototype(prototype) for prototype in each.prototypes],
    }


def _other(each: OtherEvidence) -> dict[str, Any]:
    return {
        "name": each.name,
        "score": each.score,
        "local": each.local,
        "global": each.global_score,
    }


def _retrieval(each: RetrievalEvidence) -> dict[str, Any]:
    return {
        "by_classes": each.by_classes,
        "by_regions": each.by_regions,
        "share": each.share,
        "decided": each.decided,
        "neighbours": [{**to_json(one.info), "likeness": one.likeness} for one in each.neighbours],
    }


def _prototype(each: PrototypeEvidence) -> dict[str, Any]:
    return {
        **to_json(each.info),
        "text": each.text,
        "similarity": each.similarity,
        "likeness": each.likeness,
    }
