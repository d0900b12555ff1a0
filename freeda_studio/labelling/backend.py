"""Labels for tasks of Label Studio."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from freeda_errors import FreedaError
from freeda_learn.finding import find
from freeda_learn.marks import Marks, Point, Rectangle
from freeda_learn.pictures import load_picture
from freeda_learn.seeing import SeenPicture, see
from freeda_models.protocols import BoolArray
from freeda_segment.images import read_picture
from freeda_segment.outputs.instances import MIN_AREA, find_instances
from freeda_segment.outputs.runs.label_studio import Placed, brush, model_version, polygon
from freeda_segment.regions.sampling import resized_nearest
from freeda_segment.result import Segmentation
from freeda_studio.engine import Engine
from freeda_studio.errors import RequestError
from freeda_studio.labelling.asked import MarkAsked, PredictAsked, PredictionModel, SetupModel, TaskAsked
from freeda_studio.labelling.config import BRUSH, LabelConfig, read_config
from freeda_studio.labelling.task_pictures import TaskPictures
from freeda_studio.memory import ByteCache

logger = logging.getLogger(__name__)

_POINT, _BOX = "keypoint", "rectangle"


class LabellingBackend:
    """Labels tasks with the bank that the studio shows.

    Args:
        engine: whose networks, bank and turns are shared; pictures of tasks are not put on its shelf.
        pictures: of tasks.
        memory_bytes: for features of pictures that a person marks with a smart tool, click after click.
    """

    def __init__(self, engine: Engine, pictures: TaskPictures, memory_bytes: int) -> None:
        self._engine, self._pictures = engine, pictures
        self._seen: ByteCache[str, SeenPicture] = ByteCache(memory_bytes)

    @property
    def version(self) -> str:
        """What predictions say of where they come from."""
        revision = self._engine.revision
        return model_version(str(self._engine.bank.address), None if revision is None else revision[0])

    def setup(self, label_config: str) -> SetupModel:
        """What a project is told that wants predictions; one whose labels do not fit is told why."""
        try:
            read_config(label_config)
        except FreedaError as error:
            return SetupModel(model_version=self.version, note=str(error))
        return SetupModel(model_version=self.version)

    def predict(self, asked: PredictAsked, client: str = "") -> list[PredictionModel]:
        """Predictions in the order of the tasks; one that fails is empty and says why.

        Raises:
            RequestError, ClassesError: the labelling interface cannot be read.
        """
        config = read_config(asked.label_config)
        predictions = []
        for task in asked.tasks:
            try:
                predictions.append(self._prediction(task, config, asked.marks, client))
            except FreedaError as error:
                logger.warning("task %s: %s", task.id, error)
                predictions.append(PredictionModel(model_version=self.version, error=str(error)))
        return predictions

    def _prediction(
        self, task: TaskAsked, config: LabelConfig, marks: list[MarkAsked], client: str
    ) -> PredictionModel:
        address = task.data.get(config.field)
        version = self.version
        if marks:
            label = _label_of(marks, config)
            result = self._marked(address, config, marks, label, client)
            return PredictionModel(model_version=version, result=[result])
        with self._pictures.file(address) as path, self._engine.turns.of(client):
            segmenter = self._engine.networks.segmenter
            made = segmenter.label(segmenter.encode(read_picture(path)), segmenter.prepare(config.classes))
        scores = [share.score for share in made.shares if share.score is not None]
        return PredictionModel(
            model_version=version,
            score=sum(scores) / len(scores) if scores else 0.0,
            result=list(_regions(made, config, _ids(address))),
        )

    def _marked(
        self, address: object, config: LabelConfig, marked: list[MarkAsked], label: str, client: str
    ) -> dict[str, Any]:
        """The region that a person's marks mean, as the first tag that has their label takes it."""
        seen = self._see(address, client)
        size_hw = seen.picture.size_hw
        with self._engine.turns.of(client):
            found = find(seen, _marks(marked, size_hw), self._engine.networks.finder)
            mask = resized_nearest(found.mask_hw, size_hw)
        control = config.control_of(label)
        placed = Placed(control.name, config.image, size_hw, _ids(address))
        if control.kind == BRUSH:
            return placed.region(0, brush(mask, label))
        largest = max(find_instances(mask.astype(np.int16) - np.int16(1), 0.0), key=lambda each: each.area)
        return placed.region(0, polygon(largest, size_hw, label))

    def _see(self, address: object, client: str) -> SeenPicture:
        def look() -> SeenPicture:
            networks = self._engine.networks
            with self._pictures.file(address) as path, self._engine.turns.of(client):
                return see([load_picture(path)], networks.models.backbone, networks.settings)[0]

        return self._seen.get(_ids(address, 64), look)


def _regions(made: Segmentation, config: LabelConfig, ids: str) -> Iterator[dict[str, Any]]:
    """Each class by the first tag that has its label: a brush stroke, or polygons of its connected areas."""
    number = 0
    for share, label in zip(made.shares, config.labels, strict=True):
        if not share.pixels:
            continue
        control, mask = config.control_of(label), made.labels == share.index
        placed = Placed(control.name, config.image, made.size_hw, ids)
        for each in _as_wanted(mask, control.kind, label):
            yield {**placed.region(number, each), "score": share.score}
            number += 1


def _as_wanted(mask: BoolArray, kind: str, label: str) -> Iterator[dict[str, Any]]:
    if kind == BRUSH:
        yield brush(mask, label)
        return
    size_hw = (mask.shape[0], mask.shape[1])
    for each in find_instances(mask.astype(np.int16) - np.int16(1), MIN_AREA):
        yield polygon(each, size_hw, label)


def _label_of(marked: list[MarkAsked], config: LabelConfig) -> str:
    for mark in marked:
        value = mark.value
        for label in (*value.keypointlabels, *value.rectanglelabels, *value.labels):
            config.control_of(label)
            return label
    raise RequestError("the mark has no label; choose one before you mark.")


def _marks(marked: list[MarkAsked], size_hw: tuple[int, int]) -> Marks:
    """Marks in percent as pixels."""
    at: list[Point] = []
    not_at: list[Point] = []
    boxes: list[Rectangle] = []
    for mark in marked:
        value = mark.value
        first = _pixel(value.x, value.y, size_hw)
        if mark.type.startswith(_POINT):
            (at if mark.is_positive else not_at).append(first)
        elif mark.type.startswith(_BOX):
            last = _pixel(value.x + value.width, value.y + value.height, size_hw)
            boxes.append((*first, *last))
        else:
            raise RequestError(
                f"marks of the kind '{mark.type[:40]}' are not known; set a keypoint or a rectangle."
            )
    return Marks(tuple(at), tuple(boxes), tuple(not_at))


def _pixel(x: float, y: float, size_hw: tuple[int, int]) -> Point:
    height, width = size_hw
    return (
        min(max(int(x * width / 100), 0), width - 1),
        min(max(int(y * height / 100), 0), height - 1),
    )


def _ids(address: object, length: int = 8) -> str:
    return hashlib.sha256(str(address).encode(errors="replace")).hexdigest()[:length]
