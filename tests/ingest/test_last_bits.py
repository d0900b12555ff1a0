"""Nothing in a bank's identity hangs on the last bit of what a network computes.

A run may be killed on one machine and go on upon another, whose networks round otherwise. The second
machine here has networks that are off by 1e-6, and pictures and maps of which some pixels are off by a level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bank_contents import Contents, assert_same_bank, contents_of
from ingest_fakes import FakeBackbone, FakeClip, FakeGenerator, fake_manifest, fake_models, write_captions

from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_ingest.report import IngestReport
from freeda_models.protocols import FloatArray, GeneratedImage, GenerationRequest, ImageArray
from freeda_store import Bank
from freeda_store.sql.catalog import Catalog
from freeda_store.thumbnails.folder import FolderThumbnails, encode_attribution
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.writing import writer

OFF = np.float32(1 + 1e-6)


class OtherGenerator(FakeGenerator):
    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        return [self._rounded(picture) for picture in super().generate(requests)]

    def _rounded(self, picture: GeneratedImage) -> GeneratedImage:
        image = picture.image_hwc.copy()
        image[::5, ::7] += 1
        return replace(picture, image_hwc=image, attribution_shw=picture.attribution_shw * OFF)


class OtherBackbone(FakeBackbone):
    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        return super().encode(images_bhwc) * OFF


class OtherClip(FakeClip):
    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return super().encode_texts(texts) * OFF

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        return super().encode_images(images_bhwc) * OFF


def run(bank: Bank, captions: Path) -> IngestReport:
    return Ingestor(bank, LocalExecutor(fake_models()), batch_size=3).run(captions)


def run_elsewhere(bank: Bank, captions: Path) -> IngestReport:
    """On the other machine, where a map's value falls to the other side of the border of two levels."""
    clip = OtherClip()
    models = replace(
        fake_models(), generator=OtherGenerator(), backbone=OtherBackbone(), clip=clip, keys=clip
    )

    def encode(levels: ImageArray) -> bytes:
        rounded = levels.copy()
        rounded[0, 0] ^= 1
        return encode_attribution(rounded)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "encode_attribution", encode)
        return Ingestor(bank, LocalExecutor(models), batch_size=3).run(captions)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "captions.jsonl", 8)


@pytest.fixture
def undisturbed(tmp_path: Path, captions: Path) -> Contents:
    with Bank.open(tmp_path / "undisturbed", create=fake_manifest()) as whole:
        run(whole, captions)
        return contents_of(whole)


def test_two_machines_make_the_same_prototypes_of_which_the_last_bits_differ(
    bank: Bank, captions: Path, undisturbed: Contents
) -> None:
    run_elsewhere(bank, captions)
    other = contents_of(bank)
    assert_same_bank(other, undisturbed)
    one, two = (np.stack([text for text, _ in each.vectors.values()]) for each in (other, undisturbed))
    assert (one != two).any()
    assert all((other.pictures[id_][1] != undisturbed.pictures[id_][1]).any() for id_ in other.points)


def test_what_one_machine_finished_another_does_not_begin(bank: Bank, captions: Path) -> None:
    first = run(bank, captions)
    again = run_elsewhere(bank, captions)
    assert (again.done_before, again.written, again.revision) == (first.written, 0, None)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("owner", "step", "time"),
    [
        (FolderThumbnails, "put", 5),
        (EdgeVectors, "upsert", 1),
        (EdgeVectors, "upsert", 2),
        (Catalog, "insert_generations", 2),
        (Catalog, "set_outlier_distances", 1),
        (Catalog, "commit_revision", 1),
    ],
)
def test_another_machine_goes_on_where_a_kill_ended_one(
    owner: type,
    step: str,
    time: int,
    after: bool,
    bank: Bank,
    captions: Path,
    undisturbed: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, killing(getattr(owner, step), time, after))
        with pytest.raises(Killed):
            run(bank, captions)
    run_elsewhere(bank, captions)
    found = contents_of(bank)
    assert_same_bank(found, undisturbed)
    assert found.proof.ok
    shown = {key for info in bank.infos() for key in (info.picture_key, info.attribution_key)}
    assert set(bank._stores.thumbnails.keys()) == shown, "nothing is lost, nothing lies about"


def killing(step: Callable[..., object], time: int, after: bool) -> Callable[..., object]:
    """The step, which a kill comes before or after, at the given time that it is taken."""
    taken = []

    def killed(*args: object, **kwargs: object) -> object:
        taken.append(step)
        if len(taken) == time and not after:
            raise Killed
        result = step(*args, **kwargs)
        if len(taken) == time:
            raise Killed
        return result

    return killed
