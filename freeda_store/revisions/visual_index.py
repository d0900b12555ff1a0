"""The index of a large folder's visual vectors: an inverted file beside the files of revisions.

It follows from them: without it the same is found, in a time that grows with the bank. It is written whole,
after a commit that leaves many prototypes outside of it, and holds the directions of 8 bits cell by cell,
so that a reader maps what it looks into and loads nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import BankDamagedError
from freeda_store.files.system_faults import system_error
from freeda_store.files.whole_files import replaced, sync
from freeda_store.revisions.file import ID, as_bytes, as_ids
from freeda_store.revisions.library import Library, Places
from freeda_store.revisions.tensors import MALFORMED, Format, Tensors
from freeda_store.vectors.cells import Cells, cells_of
from freeda_store.vectors.codes import Codes, directions, encode
from freeda_store.vectors.distinct import alike, arranged, ranks, steps

NAME = "visuals.index.safetensors"
_FORMAT = Format(
    "freeda visual index 1",
    {
        "ids": ("U8", np.dtype("u1")),
        "row_of": ("I32", np.dtype("<i4")),
        "centroids": ("F32", np.dtype("<f4")),
        "starts": ("I64", np.dtype("<i8")),
        "values": ("I8", np.dtype("i1")),
        "scales": ("F32", np.dtype("<f4")),
        "errors": ("F32", np.dtype("<f4")),
    },
)
_ALIGNED = 8


@dataclass(frozen=True, eq=False)
class VisualIndex:
    """An index, mapped into memory.

    Attributes:
        path: of the file.
        digest: BLAKE2b of its tensors, as the file says.
        ids: S16 (N,), rising: the prototypes in it.
        row_of: int32 (N,), the row of each prototype's vector; prototypes of one region share one.
        codes: of the different vectors, (U, D), cell by cell.
        cells: where they lie.
    """

    path: Path
    digest: str
    ids: NDArray[np.bytes_]
    row_of: NDArray[np.int32]
    codes: Codes
    cells: Cells

    def is_whole(self) -> bool:
        """Whether it holds what was written; reads all of it."""
        return self.digest == _FORMAT.digest(
            {
                "ids": as_bytes(self.ids),
                "row_of": self.row_of,
                "centroids": self.cells.centroids,
                "starts": self.cells.starts,
                "values": self.codes.values,
                "scales": self.codes.scales,
                "errors": self.codes.errors,
            }
        )


def open_index(path: Path, width: int) -> VisualIndex | None:
    """Map an index; None where there is none.

    Args:
        path: the file.
        width: length of the bank's visual vectors.

    Raises:
        BankDamagedError: it is truncated, or is no index of such vectors.
        StorageError: the system refuses to read it.
    """
    try:
        return _checked(path, *_FORMAT.mapped(path), width)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise system_error(error, path) from error
    except MALFORMED as error:
        reason = " ".join(str(error).split())[:80]
        raise BankDamagedError(
            f"{path} is damaged ({reason}); `freeda bank verify --repair` makes it anew."
        ) from error


def index_bytes(count: int, width: int) -> int:
    """What an index of so many prototypes takes on disk, at most."""
    a_prototype = ID.itemsize + 4 + width + 8
    return count * a_prototype + cells_of(count) * (4 * width + 8) + 4096


def _checked(path: Path, digest: str, tensors: Tensors, width: int) -> VisualIndex:
    """An index whose tensors belong together.

    Raises:
        ValueError: they do not.
    """
    ids = as_ids(tensors["ids"])
    codes = Codes(tensors["values"], tensors["scales"], tensors["errors"])
    made = VisualIndex(
        path, digest, ids, tensors["row_of"], codes, Cells(tensors["centroids"], tensors["starts"])
    )
    kinds, cells = len(codes.scales), len(made.cells.centroids)
    shapes = [tensors[name].shape for name in ("row_of", "centroids", "starts", "values", "errors")]
    if shapes != [(len(ids),), (cells, width), (cells + 1,), (kinds, width), (kinds,)]:
        raise ValueError(f"its tensors have shapes {shapes}")
    if len(ids) == 0 or int(made.row_of.min()) < 0 or int(made.row_of.max()) >= kinds:
        raise ValueError("a prototype has no vector")
    starts = made.cells.starts
    if int(starts[0]) != 0 or int(starts[-1]) != kinds or (np.diff(starts) < 0).any():
        raise ValueError("its cells are not one after another")
    if not (np.isfinite(made.cells.centroids).all() and np.isfinite(codes.scales).all()):
        raise ValueError("it holds a value that is not finite")
    return made


def write_index(path: Path, library: Library) -> None:
    """Write the index of all prototypes, whole or not at all, in place of any that is there.

    Args:
        path: the file; who has an old one mapped keeps it.
        library: the prototypes.

    Raises:
        OSError: the system refuses.
        ValueError: a vector holds a value that is not finite.
    """
    width = library.sizes.visual
    firsts, kind_of = alike(library.visuals, len(library.ids), width)
    order, cells = arranged(library.visuals, firsts, width)
    tensors: dict[str, NDArray[Any]] = {
        "ids": as_bytes(library.ids),
        "row_of": ranks(order)[kind_of].astype("<i4"),
        "centroids": cells.centroids,
        "starts": cells.starts.astype("<i8"),
    }
    with replaced(path) as part:
        _write(part, tensors, library, firsts[order])
    sync(path.parent)


def _write(part: Path, tensors: dict[str, NDArray[Any]], library: Library, places: Places) -> None:
    """Fill a file, with the codes of vectors as they come: they may be more than memory holds."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    shapes |= {"values": (len(places), library.sizes.visual)}
    shapes |= {"scales": (len(places),), "errors": (len(places),)}
    spans = _spans(shapes)
    header = _header(shapes, spans, "0" * 32)
    size = max(stop for _, stop in spans.values())
    with part.open("r+b") as file:
        file.write(header)
        os.posix_fallocate(file.fileno(), 0, len(header) + size)
        held = np.memmap(file, dtype="u1", mode="r+", offset=0, shape=(len(header) + size,))
        data = held[len(header) :]
        written = {
            name: data[start:stop].view(_FORMAT.types[name][1]).reshape(shapes[name])
            for name, (start, stop) in spans.items()
        }
        for name, tensor in tensors.items():
            written[name][:] = tensor
        codes = Codes(written["values"], written["scales"], written["errors"])
        for rows in steps(len(places), library.sizes.visual):
            codes.put(rows, encode(directions(library.visuals(places[rows]))))
        held[: len(header)] = np.frombuffer(_header(shapes, spans, _FORMAT.digest(written)), dtype="u1")
        held.flush()
        os.fsync(file.fileno())


def _spans(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Where the bytes of each tensor begin and end, behind the header."""
    sizes = [int(np.prod(shapes[name])) * dtype.itemsize for name, (_, dtype) in _FORMAT.types.items()]
    return dict(zip(_FORMAT.types, pairwise([0, *accumulate(sizes)]), strict=True))


def _header(shapes: dict[str, tuple[int, ...]], spans: dict[str, tuple[int, int]], digest: str) -> bytes:
    """The beginning of a safetensors file."""
    told: dict[str, Any] = {"__metadata__": _FORMAT.about(digest)}
    for name, (kind, _) in _FORMAT.types.items():
        told[name] = {"dtype": kind, "shape": shapes[name], "data_offsets": spans[name]}
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(8, "little") + text
