"""Sizing a batch to a device, on a device that is only simulated."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_models.diffusion.batch_size import (
    MOST,
    TRIAL_CAPTION,
    TRIAL_SPANS,
    fitting_batch_size,
    largest_fitting,
    remembered,
)
from freeda_models.memory import is_out_of_memory
from freeda_models.protocols import ModelIdentity


class Device:
    """Takes ``base`` bytes and ``each`` more a picture, and has ``memory`` in all."""

    def __init__(self, base: int, each: int, memory: int) -> None:
        self.base, self.each, self.memory = base, each, memory
        self.tried: list[int] = []

    def draw(self, size: int) -> int:
        self.tried.append(size)
        peak = self.base + self.each * size
        if peak > self.memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return peak


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(100, 20_000))
def test_the_largest_power_of_two_that_fits(base: int, each: int, budget: int) -> None:
    device = Device(base, each, memory=budget * 5 // 4)
    with patch("freeda_models.diffusion.batch_size.release_memory"):  # it takes a tenth of a second
        found = largest_fitting(device.draw, budget)
    fits = [1, *(size for size in (2, 4, 8, 16, 32, 64) if base + each * size <= budget)]
    assert found == max(fits)
    assert len([size for size in device.tried if base + each * size > device.memory]) <= 1


def test_what_will_not_fit_is_not_tried() -> None:
    device = Device(base=100, each=100, memory=1000)
    assert largest_fitting(device.draw, 1000) == 8
    assert device.tried == [1, 2, 4, 8]


def test_other_errors_are_raised() -> None:
    def broken(size: int) -> int:
        raise ValueError(f"no {size}")

    with pytest.raises(ValueError, match="no 1"):
        largest_fitting(broken, 10)


def test_a_size_is_measured_once_and_kept_beside_others(tmp_path: Path) -> None:
    file = tmp_path / "freeda" / "sizes.json"
    answers = iter([8, 4])
    assert remembered(file, "one", lambda: next(answers)) == 8
    assert remembered(file, "two", lambda: next(answers)) == 4
    assert remembered(file, "one", lambda: pytest.fail("measured again")) == 8
    assert json.loads(file.read_text()) == {"one": 8, "two": 4}
    assert [path.name for path in file.parent.iterdir()] == ["sizes.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"one": "8"}', '{"one": 0}', f'{{"one": {MOST + 1}}}'])
def test_a_spoilt_file_costs_a_measurement(content: str, tmp_path: Path) -> None:
    file = tmp_path / "sizes.json"
    file.write_text(content)
    assert remembered(file, "one", lambda: 2) == 2
    assert remembered(file, "one", lambda: pytest.fail("measured again")) == 2


def test_a_folder_that_cannot_be_written_costs_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert remembered(tmp_path / "file" / "sizes.json", "one", lambda: 2) == 2


def test_a_size_belongs_to_all_networks_and_to_offloading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def identity(name: str) -> ModelIdentity:
        return ModelIdentity(id=name, revision="", sha256="", dim=0, preprocessing="")

    sizes = iter([4, 8, 2])
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(name="GPU", total_memory=8)
    )
    monkeypatch.setattr("freeda_models.diffusion.batch_size._measure", lambda generator, device: next(sizes))
    whole, offloaded = (
        SimpleNamespace(identity=identity("generator"), offload=offload) for offload in ("none", "model")
    )
    small, large = [identity("dinov2-base")], [identity("dinov2-large")]
    asked = [(whole, small), (offloaded, small), (whole, large), (whole, small), (offloaded, small)]
    found = [
        fitting_batch_size(generator, "cuda", beside=beside, memory_file=tmp_path / "sizes.json")
        for generator, beside in asked
    ]
    assert found == [4, 8, 2, 4, 8]


def test_only_cuda_is_measured() -> None:
    assert fitting_batch_size(None, "cpu") is None  # type: ignore[arg-type]
    assert fitting_batch_size(None, "mps") is None  # type: ignore[arg-type]


def test_the_trial_looks_for_words() -> None:
    assert [TRIAL_CAPTION[start:stop] for start, stop in TRIAL_SPANS] == ["dog", "cat", "car", "house"]


def test_out_of_memory_is_known_by_class_or_words() -> None:
    import torch

    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ):
        assert is_out_of_memory(error)
    for other in (RuntimeError("shape mismatch"), ValueError("out of memory"), OSError("out of memory")):
        assert not is_out_of_memory(other)
