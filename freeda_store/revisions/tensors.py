"""Files of tensors, written once and mapped into memory: safetensors with a digest of what they hold."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_store.files.room import lies_on_network

Tensors = Mapping[str, NDArray[Any]]
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a file raises that is no such file."""
_ABOUT = "about"
"""The one key of a file's metadata, for the order of several is by chance: the format and the digest."""
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Format:
    """What a kind of file holds.

    Attributes:
        name: as its files say it.
        types: of the tensors, as safetensors and NumPy name them, in the order of the digest.
        optional: which of them a file may lack.
    """

    name: str
    types: Mapping[str, tuple[str, np.dtype[Any]]]
    optional: frozenset[str] = frozenset()

    def digest(self, tensors: Tensors) -> str:
        """BLAKE2b of tensors, by their names, shapes and bytes."""
        hashed = blake2b(digest_size=_DIGEST_BYTES)
        for name in filter(tensors.__contains__, self.types):
            tensor = np.ascontiguousarray(tensors[name])
            hashed.update(f"{name} {tensor.shape} ".encode())
            hashed.update(tensor.view("u1").data if tensor.size else b"")
        return hashed.hexdigest()

    def about(self, digest: str) -> dict[str, str]:
        """The metadata of a file with such a digest."""
        return {_ABOUT: f"{self.name}, {digest}"}

    def mapped(self, path: Path) -> tuple[str, dict[str, NDArray[Any]]]:
        """Map a file into memory; on a network file system, where a mapped file may vanish, read it.

        Returns:
            The digest that it tells, and its tensors, without a copy.

        Raises:
            OSError: the system refuses.
            ValueError, KeyError, TypeError, AttributeError, RecursionError: it is no such file.
        """
        with path.open("rb") as file:
            return self._parse(_content(file.fileno(), path))

    def _parse(self, data: memoryview) -> tuple[str, dict[str, NDArray[Any]]]:
        length = int.from_bytes(data[:8], "little")
        if length > len(data) - 8:
            raise ValueError(f"it ends after {len(data):,} bytes")
        header = json.loads(bytes(data[8 : 8 + length]))
        form, _, digest = header.pop("__metadata__")[_ABOUT].partition(", ")
        if form != self.name or header.keys() | self.optional != self.types.keys():
            raise ValueError("its header is another")
        rest = data[8 + length :]
        tensors = {name: self._tensor(rest, name, header[name]) for name in self.types if name in header}
        if sum(tensor.nbytes for tensor in tensors.values()) != len(rest):
            raise ValueError(f"it has {len(data):,} bytes, which is another length than its header says")
        return digest, tensors

    def _tensor(self, data: memoryview, name: str, told: dict[str, Any]) -> NDArray[Any]:
        kind, dtype = self.types[name]
        start, stop = (int(offset) for offset in told["data_offsets"])
        shape = tuple(int(size) for size in told["shape"])
        if told["dtype"] != kind or not 0 <= start <= stop <= len(data):
            raise ValueError(f"{name} lies outside of it, or has another type")
        whole: NDArray[Any] = np.frombuffer(data[start:stop], dtype=dtype)
        return whole.reshape(shape)


def _content(handle: int, path: Path) -> memoryview:
    """All bytes of an open file."""
    size = os.fstat(handle).st_size
    if size == 0:
        return memoryview(b"")
    if not lies_on_network(path):
        return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_READ))
    with os.fdopen(os.dup(handle), "rb") as file:
        return memoryview(file.read())


def fill(path: Path, data: bytes) -> None:
    """Write a new file so that a power cut cannot lose it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
