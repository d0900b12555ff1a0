"""What an evaluation found: JSON for programs, a confusion matrix to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeda_segment.evaluation.confusion_picture import write_confusion
from freeda_segment.evaluation.labelled import LabelledPictures
from freeda_segment.evaluation.metrics import IGNORE, Counts, Metrics
from freeda_segment.evaluation.plan import Plan
from freeda_segment.evaluation.run import SkippedPicture
from freeda_segment.evaluation.specs import BACKGROUND_NAME
from freeda_segment.outputs.files import write_text
from freeda_store.files.own_files import GENERATOR, JSON_KEY, FileIds, require_free

REPORT_FORMAT = 1
REPORT_FILE = "report.json"


@dataclass(frozen=True)
class MethodResult:
    """One method on one data set.

    Attributes:
        plan: what was run.
        counts: of its pictures.
        pictures: how many were counted.
        skipped: those that could not be read, and so are not in the counts.
    """

    plan: Plan
    counts: Counts
    pictures: int
    skipped: tuple[SkippedPicture, ...] = ()

    @property
    def metrics(self) -> Metrics:
        """What the counts amount to."""
        return self.counts.metrics


def evaluation_files(folder: Path, methods: Sequence[str]) -> dict[str, Path]:
    """Where the report, and the matrix of each method, are written: by ``report`` and the methods' names."""
    return {"report": folder / REPORT_FILE} | {name: folder / f"{name}.confusion.png" for name in methods}


def write_evaluation(
    folder: Path, results: Sequence[MethodResult], *, force: bool = False, inputs: FileIds = frozenset()
) -> dict[str, Path]:
    """Write the report of one or more methods on one data set, and a matrix of each.

    Args:
        folder: made if it does not exist.
        results: what was found.
        force: replace also files that freeda did not write.
        inputs: files that are never replaced; see :func:`freeda_store.files.own_files.file_ids`.

    Returns:
        Where each file was written, by ``report`` and the methods' names.

    Raises:
        OverwriteError: something that freeda did not write is in the place of one; nothing is written.
        OutputError: a file cannot be written.
    """
    files = evaluation_files(folder, [result.plan.method.value for result in results])
    require_free(files.values(), inputs=inputs, force=force)
    for result in results:
        method = result.plan.method.value
        write_confusion(files[method], result.counts.confusion, result.plan.pictures.classes.names)
    text = json.dumps(evaluation_values(results), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(files["report"], text + "\n")
    return files


def evaluation_values(results: Sequence[MethodResult]) -> dict[str, Any]:
    """The report as JSON values; figures that do not exist are null.

    Args:
        results: at least one, all of one data set.
    """
    pictures = results[0].plan.pictures
    return {
        JSON_KEY: GENERATOR,
        "format": REPORT_FORMAT,
        "dataset": {
            "name": pictures.name,
            "title": pictures.title,
            "root": pictures.root,
            "pictures": len(pictures.pictures),
            "classes": len(pictures.classes),
            "background": pictures.classes.with_background,
            "ignored_label": IGNORE,
            "layout": None if pictures.spec is None else pictures.spec.model_dump(mode="json"),
        },
        "results": [_result(result) for result in results],
    }


def _result(result: MethodResult) -> dict[str, Any]:
    plan, metrics = result.plan, result.metrics
    return {
        "method": plan.method.value,
        "pictures": result.pictures,
        "skipped": [{"picture": each.name, "reason": each.reason} for each in result.skipped],
        "complete": result.pictures == len(plan.pictures.pictures),
        "mean_iou": _number(metrics.mean_iou),
        "mean_boundary_iou": _number(metrics.mean_boundary_iou),
        "pixel_accuracy": _number(metrics.pixel_accuracy),
        "classes": _classes(result, plan.pictures),
        "bank": None if plan.bank is None else dict(plan.bank),
        "models": dict(plan.models),
        "settings": dict(plan.settings),
        "notes": list(plan.notes),
    }


def _classes(result: MethodResult, pictures: LabelledPictures) -> list[dict[str, Any]]:
    metrics, counts = result.metrics, result.counts.confusion.counts
    texts = [list(each.texts) for each in pictures.classes.texts.classes]
    if pictures.classes.with_background:
        texts.insert(0, [BACKGROUND_NAME])
    return [
        {
            "index": index,
            "name": names[0],
            "texts": names,
            "iou": _number(metrics.iou[index]),
            "boundary_iou": _number(metrics.boundary_iou[index]),
            "accuracy": _number(metrics.accuracy[index]),
            "true_pixels": int(counts[index].sum()),
            "predicted_pixels": int(counts[:, index].sum()),
        }
        for index, names in enumerate(texts)
    ]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
