"""Many pictures as one job: the same results as one by one, and each failure its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from segment_fakes import COLOURS, FakeBackbone, FakeBank, FakeClip, save, small_settings, striped_picture

from freeda_models.protocols import FloatArray, ImageArray
from freeda_segment import Segmenter
from freeda_segment.encoding import EncodingFailure, superpixel_pool
from freeda_segment.errors import ImageError, ModelOutputError
from freeda_segment.images import read_picture
from freeda_segment.jobs import Failed, Finished, Task
from freeda_segment.jobs import job as jobs
from freeda_segment.jobs.job import Job
from freeda_segment.outputs import read_labels

SIZES = ((32, 48), (48, 32), (32, 32), (40, 120), (32, 48), (33, 50))
NAMES = tuple(COLOURS)


class CountingBackbone(FakeBackbone):
    """Remembers how many windows came at a time; refuses any that is wholly black."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        self.batches.append(len(images_bhwc))
        features = super().encode(images_bhwc)
        features[images_bhwc.reshape(len(images_bhwc), -1).max(axis=1) == 0] = np.nan
        return features


@pytest.fixture
def backbone() -> CountingBackbone:
    return CountingBackbone()


@pytest.fixture
def segmenter(backbone: CountingBackbone) -> Segmenter:
    return Segmenter(FakeBank(), FakeClip(), backbone, settings=small_settings(batch_size=5))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Pictures of several shapes, so that windows of one size and of others follow each other."""
    return [
        save(tmp_path / f"{index}.png", striped_picture(NAMES[index % 3 : index % 3 + 2], *size))
        for index, size in enumerate(SIZES)
    ]


def run(segmenter: Segmenter, paths: list[Path], out: Path) -> list[Finished | Failed]:
    prototypes = segmenter.prepare("red,green,blue,yellow")
    job = Job(segmenter, prototypes, out, ["png", "report"])
    return list(job.run([Task(path, path.stem) for path in paths]))


def test_windows_of_several_pictures_share_batches(
    segmenter: Segmenter, backbone: CountingBackbone, paths: list[Path]
) -> None:
    pictures = [read_picture(path) for path in paths]
    alone = [segmenter.encode(picture) for picture in pictures]
    windows, one_by_one = sum(len(each.windows) for each in alone), len(backbone.batches)
    backbone.batches.clear()
    with superpixel_pool() as pool:
        together = list(segmenter.encode_each([segmenter.start(picture, pool) for picture in pictures]))
    assert sum(backbone.batches) == windows
    assert max(backbone.batches) == 5
    assert len(backbone.batches) < one_by_one
    for one, other in zip(alone, together, strict=True):
        assert not isinstance(other, EncodingFailure)
        assert one.boxes == other.boxes
        for left, right in zip(one.windows, other.windows, strict=True):
            np.testing.assert_array_equal(left.labels, right.labels)
            np.testing.assert_allclose(left.tokens, right.tokens, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(left.embedding, right.embedding, rtol=1e-5, atol=1e-6)


def test_a_job_labels_as_one_picture_at_a_time_does(
    segmenter: Segmenter, paths: list[Path], tmp_path: Path
) -> None:
    outcomes = run(segmenter, paths, tmp_path / "out")
    assert [outcome.task.path for outcome in outcomes] == paths
    for path, outcome in zip(paths, outcomes, strict=True):
        assert isinstance(outcome, Finished)
        expected = segmenter.segment(path, "red,green,blue,yellow")
        np.testing.assert_array_equal(read_labels(outcome.files["png"]).labels, expected.labels)
        assert outcome.summary == expected.summary()
        assert outcome.report["picture"]["file"] == f"../{path.name}"


def test_one_bad_picture_of_a_batch_fails_alone(
    segmenter: Segmenter, paths: list[Path], tmp_path: Path
) -> None:
    black = save(tmp_path / "black.png", np.zeros((32, 48, 3), np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:50])
    outcomes = run(segmenter, [paths[0], black, paths[1], broken, *paths[2:]], tmp_path / "out")
    errors = {each.task.stem: each.error for each in outcomes if isinstance(each, Failed)}
    assert {stem: type(error) for stem, error in errors.items()} == {
        "black": ModelOutputError,
        "broken": ImageError,
    }
    good = [each for each in outcomes if isinstance(each, Finished)]
    assert [each.task.stem for each in good] == [path.stem for path in paths]


def test_few_pixels_are_held_at_a_time(
    segmenter: Segmenter, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one picture the job still ends, though none fills a batch."""
    held, most = 0, 0
    lock = threading.Lock()
    read, finish = Job.read, Job.finish

    def reading(*arguments: object) -> object:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return read(*arguments)  # type: ignore[arg-type]

    def finishing(*arguments: object) -> object:
        nonlocal held
        try:
            return finish(*arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                held -= 1

    monkeypatch.setattr(Job, "read", reading)
    monkeypatch.setattr(Job, "finish", finishing)
    monkeypatch.setattr(jobs, "MAX_PIXELS", 1_000)
    assert all(isinstance(each, Finished) for each in run(segmenter, paths, tmp_path / "out"))
    assert most == 1
    monkeypatch.setattr(jobs, "MAX_PIXELS", 1_000_000)
    assert all(isinstance(each, Finished) for each in run(segmenter, paths, tmp_path / "more"))
    assert most > 1


def test_a_job_that_is_left_early_begins_nothing_more(
    segmenter: Segmenter, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, begun = Job.read, []

    def slowly(self: Job, task: Task, pool: object) -> object:
        begun.append(task)
        time.sleep(0.02)
        return read(self, task, pool)  # type: ignore[arg-type]

    monkeypatch.setattr(Job, "read", slowly)
    many = [path for _ in range(20) for path in paths]
    tasks = [Task(path, f"{path.stem}-{number}") for number, path in enumerate(many)]
    running = Job(segmenter, segmenter.prepare("red,green"), tmp_path / "out", ["report"]).run(tasks)
    assert isinstance(next(running), Finished)
    running.close()
    known = len(begun)
    time.sleep(0.1)
    assert len(begun) == known < len(tasks)
    assert not list((tmp_path / "out").glob(".*.part"))
