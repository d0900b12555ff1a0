"""One file of vectors that a revision added: safetensors, written once and mapped into memory by readers.

A text key is kept once in a file, however many prototypes share it. So equal keys are compared with a query
once, and ties stay ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import BankDamagedError
from freeda_store.files.system_faults import system_error
from freeda_store.files.whole_files import replaced, sync
from freeda_store.records import FloatArray
from freeda_store.revisions.tensors import MALFORMED, Format, Tensors, fill
from freeda_store.vectors.protocol import VectorSizes

ID = np.dtype("S16")
"""Ids as bytes, in the order of UUIDs. A single item loses zeros at its end; ``tobytes`` keeps them."""
_DIGEST_BYTES = 16
_FORMAT = Format(
    "freeda revision 1",
    {
        "ids": ("U8", np.dtype("u1")),
        "key_digests": ("U8", np.dtype("u1")),
        "key_of": ("I32", np.dtype("<i4")),
        "keys": ("F32", np.dtype("<f4")),
        "visuals": ("F16", np.dtype("<f2")),
        "semantics": ("F16", np.dtype("<f2")),
    },
    optional=frozenset({"semantics"}),
)
"""``semantics`` lack in files in which no prototype has any, as in those of earlier versions."""


@dataclass(frozen=True, eq=False)
class VectorFile:
    """A file's content, in memory or mapped into it.

    Attributes:
        path: of the file.
        digest: BLAKE2b of its tensors, as the file says.
        ids: S16 (N,), rising.
        key_of: int32 (N,), the row of ``keys`` that each prototype has.
        keys: float32 (U, D_text), no two alike; zeros stand for none.
        key_digests: S16 (U,), BLAKE2b of each row of ``keys``.
        visuals: float16 (N, D_visual).
        semantics: float16 (N, D_clip), zeros for a prototype that has none; (N, 0) in a file without any.
    """

    path: Path
    digest: str
    ids: NDArray[np.bytes_]
    key_of: NDArray[np.int32]
    keys: FloatArray
    key_digests: NDArray[np.bytes_]
    visuals: NDArray[np.float16]
    semantics: NDArray[np.float16]

    def is_whole(self) -> bool:
        """Whether it holds what was written; reads all of it."""
        tensors = {
            "ids": self.ids,
            "key_digests": self.key_digests,
            "key_of": self.key_of,
            "keys": self.keys,
            "visuals": self.visuals,
        }
        return self.digest == _FORMAT.digest(
            tensors | ({"semantics": self.semantics} if self.semantics.shape[1] else {})
        )


def id_bytes(ids: Sequence[UUID]) -> NDArray[np.bytes_]:
    """Ids as S16 (N,)."""
    return np.frombuffer(b"".join(id_.bytes for id_ in ids), dtype=ID)


def write_file(
    path: Path, ids: Sequence[UUID], texts: FloatArray, visuals: FloatArray, semantics: FloatArray
) -> None:
    """Write a file, whole or not at all, so that a power cut cannot lose it.

    Args:
        path: the file; one that is there is replaced, and who has it mapped keeps the old one.
        ids: rising.
        texts: float32 (N, D_text), keys of length 1, zeros for a prototype that has none.
        visuals: (N, D_visual) that float16 holds.
        semantics: (N, D_clip) that float16 holds, zeros for a prototype that has none.

    Raises:
        OSError: the system refuses.
    """
    from safetensors.numpy import save

    rows: dict[bytes, int] = {}
    key_of = np.array([rows.setdefault(text.tobytes(), len(rows)) for text in texts], dtype="<i4")
    kept = b"".join(rows)
    digests = b"".join(map(_key_digest, rows))
    tensors: dict[str, NDArray[Any]] = {
        "ids": id_bytes(ids),
        "key_digests": np.frombuffer(digests, dtype=ID),
        "key_of": key_of,
        "keys": np.frombuffer(kept, dtype="<f4").reshape(len(rows), texts.shape[1]),
        "visuals": np.ascontiguousarray(visuals, dtype="<f2"),
    }
    if semantics.any():
        tensors["semantics"] = np.ascontiguousarray(semantics, dtype="<f2")
    metadata = _FORMAT.about(_FORMAT.digest(tensors))
    data = save({name: as_bytes(tensor) for name, tensor in tensors.items()}, metadata=metadata)
    with replaced(path) as part:
        fill(part, data)
    sync(path.parent)


def no_key(width: int) -> np.bytes_:
    """What ``key_digests`` has for the key of those that have none.

    Args:
        width: length of text vectors.
    """
    digest: np.bytes_ = np.frombuffer(_key_digest(bytes(4 * width)), dtype=ID)[0]
    return digest


def _key_digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()


def open_file(path: Path, sizes: VectorSizes) -> VectorFile:
    """Map a file into memory; on a network file system, where a mapped file may vanish, read it.

    Args:
        path: the file.
        sizes: lengths of the bank's vectors.

    Raises:
        BankDamagedError: it is truncated, or is none of these files.
        StorageError: the system refuses to read it.
        FileNotFoundError: it is not there.
    """
    try:
        return _checked(path, *_FORMAT.mapped(path), sizes)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise system_error(error, path) from error
    except MALFORMED as error:
        reason = " ".join(str(error).split())[:80]
        raise BankDamagedError(
            f"{path} is damaged ({reason}); `freeda bank verify --repair` writes it anew from the bank's "
            "vectors, or restore it from a copy."
        ) from error


def _checked(path: Path, digest: str, tensors: Tensors, sizes: VectorSizes) -> VectorFile:
    """The content of a file.

    Raises:
        ValueError: its tensors do not belong together.
    """
    count = len(tensors["visuals"])
    made = VectorFile(
        path=path,
        digest=digest,
        ids=as_ids(tensors["ids"]),
        key_of=tensors["key_of"],
        keys=tensors["keys"],
        key_digests=as_ids(tensors["key_digests"]),
        visuals=tensors["visuals"],
        semantics=tensors.get("semantics", np.empty((count, 0), dtype=np.float16)),
    )
    count, kinds = len(made.ids), len(made.keys)
    shapes = (made.key_of.shape, made.keys.shape, made.key_digests.shape, made.visuals.shape)
    lengths = {made.semantics.shape[0], count}
    if len(lengths) > 1 or shapes != ((count,), (kinds, sizes.text), (kinds,), (count, sizes.visual)):
        raise ValueError(f"its tensors have shapes {shapes}")
    if count and not (int(made.key_of.min()) >= 0 and int(made.key_of.max()) < kinds):
        raise ValueError("a prototype has no key")
    return made


def as_bytes(tensor: NDArray[Any]) -> NDArray[Any]:
    """S16 (N,) as uint8 (N, 16), which safetensors knows."""
    return tensor.view("u1").reshape(-1, ID.itemsize) if tensor.dtype == ID else tensor


def as_ids(tensor: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """uint8 (N, 16) as S16 (N,), what :func:`as_bytes` was given."""
    return tensor.reshape(-1, ID.itemsize).view(ID)[:, 0]
