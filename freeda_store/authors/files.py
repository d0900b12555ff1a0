"""The bank that the authors of FreeDA published: a folder of ``.npy`` files and a faiss index.

Their code lists the folder with ``sorted(os.listdir(...))`` and takes the n-th file for the n-th key
of the index. So the folder must hold their files and nothing else. Each file holds one visual
prototype, or several that share the file's one key. Nothing is unpickled; their pickled list of names
is not read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_store.errors import AuthorsBankError, FaissMissingError
from freeda_store.records import FloatArray

SUFFIX = ".npy"
_SAMPLED_KEYS = 64
_KEPT_OPEN = 1024
_INDICES = ("IndexHNSWFlat", "IndexFlat", "IndexFlatIP", "IndexFlatL2")

# 000000000009_1_red_car.npy and red_car_12.npy name a noun; 000000000009.npy does not
_NOUN_LAST = re.compile(r"\d[\d_-]*[_-](?P<noun>[^\W\d_].*?)(?:[_-]\d+)*")
_NOUN_FIRST = re.compile(r"(?P<noun>[^\W\d_][^\d]*?)(?:[_-]\d+)+")


@dataclass(frozen=True)
class AuthorsRow:
    """One visual prototype of the folder, not read yet.

    Attributes:
        name: its own name: the file's, followed by ``#1``, ``#2`` ... for further rows of one file.
        file: the file's name.
        place: which of the files it is, from 0.
        row: which row of the file.
        key: number of its key in the index.
        noun: read from the file's name.
    """

    name: str
    file: str
    place: int
    row: int
    key: int
    noun: str


def noun_of(file: str) -> str:
    """The noun in a file's name, or the name without its suffix when there is none.

    ``000000000009_1_red_car.npy`` gives ``red car``, ``000000000009_1.npy`` gives ``000000000009_1``.
    """
    stem = file.removesuffix(SUFFIX)
    found = _NOUN_LAST.fullmatch(stem) or _NOUN_FIRST.fullmatch(stem)
    words = found["noun"].replace("_", " ").split() if found else []
    return " ".join(words) or stem or file


class AuthorsBank:
    """The authors' files, read where they lie.

    Attributes:
        folder: of the ``.npy`` files.
        files: their names, in the order of the index.
        text_dim, visual_dim: lengths of text keys and visual prototypes.
    """

    def __init__(self, folder: Path, index: Path) -> None:
        """Look at both; only the index is opened, mapped into memory where faiss can.

        Raises:
            AuthorsBankError: the folder is missing, empty or holds anything else; the index is missing,
                broken, of another kind, or has another number of keys than the folder has prototypes.
            FaissMissingError: faiss is not installed.
        """
        self.folder = folder
        self.files = _list(folder)
        self._index_path = index
        self._opened: dict[str, NDArray[Any]] = {}
        self._index = _read_index(index)
        self.text_dim = int(self._index.d)
        self.visual_dim = self._open(self.files[0]).shape[1]
        self._keys_of_rows = self._match()

    def _match(self) -> bool:
        """Whether every row of a file has a key of its own, and not every file one."""
        keys = int(self._index.ntotal)
        if keys == len(self.files):
            return False
        total = sum(self._open(file).shape[0] for file in self.files)
        if keys == total:
            return True
        held = f"{len(self.files):,} files" + (f" with {total:,} rows" if total != len(self.files) else "")
        raise AuthorsBankError(
            f"{self.folder} holds {held}, but {self._index_path} has {keys:,} keys, so they do not belong "
            "together; unpack both from the same release again."
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the names, the number of keys, and keys from all over the index; hex."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(os.fsencode(file) + b"\0")
        keys = int(self._index.ntotal)
        digest.update(f"{keys} {self.text_dim} {self.visual_dim} {self._keys_of_rows}".encode())
        for place in np.unique(np.linspace(0, keys - 1, min(keys, _SAMPLED_KEYS)).astype(int)):
            digest.update(self._index.reconstruct(int(place)).tobytes())
        return digest.hexdigest()

    def rows(self) -> Iterator[AuthorsRow]:
        """All prototypes in the order of the index, none of them read.

        Raises:
            AuthorsBankError: see :meth:`visual`.
        """
        key = 0
        for number, file in enumerate(self.files):
            noun, name = noun_of(printable(file)), printable(file)
            for row in range(self._open(file).shape[0]):
                told = name if row == 0 else f"{name}#{row}"
                yield AuthorsRow(told, file, number, row, key if self._keys_of_rows else number, noun)
                key += 1

    def text(self, row: AuthorsRow) -> FloatArray:
        """The key of a prototype as the index holds it, float32 (D_text,)."""
        return np.asarray(self._index.reconstruct(row.key), dtype=np.float32)

    def visual(self, row: AuthorsRow) -> NDArray[np.float64]:
        """A visual prototype, float64 (D_visual,).

        Raises:
            AuthorsBankError: its file is no array of numbers, or its vectors have another length than
                those of the first file.
        """
        vectors = self._open(row.file)
        if vectors.shape[1] != self.visual_dim:
            raise AuthorsBankError(
                f"{self.folder / row.file} holds vectors of {vectors.shape[1]} numbers, and "
                f"{self.files[0]} of {self.visual_dim}; unpack the folder again."
            )
        return np.asarray(vectors[row.row], dtype=np.float64)

    def _open(self, file: str) -> NDArray[Any]:
        """The vectors of a file as rows, mapped into memory; the last ones are kept."""
        if file in self._opened:
            return self._opened[file]
        path = self.folder / file
        try:
            array = np.lib.format.open_memmap(path, mode="r")  # refuses objects, so unpickles nothing
        except (OSError, ValueError) as error:
            raise AuthorsBankError(
                f"{path} cannot be read ({_one_line(error)}); unpack the folder again."
            ) from error
        if array.dtype.kind != "f" or array.ndim not in (1, 2) or not array.size:
            raise AuthorsBankError(
                f"{path} holds {array.dtype} {array.shape}; expected floating point numbers of shape (D,) "
                "or (N, D), at least one."
            )
        if len(self._opened) >= _KEPT_OPEN:
            self._opened.clear()
        return self._opened.setdefault(file, array.reshape(-1, array.shape[-1]))


def _list(folder: Path) -> list[str]:
    """Names of the files, sorted as the authors' code sorts them."""
    if not folder.is_dir():
        raise AuthorsBankError(f"{folder} is no folder; give the folder with the authors' .npy files.")
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_file()) for entry in entries)
    for name, is_file in names:
        if not (is_file and name.endswith(SUFFIX)):
            raise AuthorsBankError(
                f"{folder / printable(name)} is no .npy file: anything else in the folder gives every "
                "prototype after it a wrong key; move it out of the folder."
            )
    if not names:
        raise AuthorsBankError(f"{folder} is empty; unpack the authors' .npy files into it.")
    return [name for name, _ in names]


def _read_index(path: Path) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise FaissMissingError(
            "the authors' index is read with faiss, which is not installed; "
            "install it with `pip install 'freeda[faiss]'`."
        ) from error
    if not path.is_file():
        raise AuthorsBankError(f"{path} is no file; give the authors' knn.index.")
    mapped = getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
    try:
        index = faiss.read_index(str(path), mapped)
    except RuntimeError as error:
        raise AuthorsBankError(
            f"{path} cannot be read as a faiss index ({_cause(error)}); unpack it again."
        ) from error
    kind = type(index).__name__
    if kind not in _INDICES:
        raise AuthorsBankError(f"{path} holds a faiss {kind}; expected the authors' IndexHNSWFlat.")
    return index


def _cause(error: RuntimeError) -> str:
    """What faiss says, without the place in its source."""
    return _one_line(error).rpartition("Error: ")[2]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def printable(name: str) -> str:
    """A file's name as valid Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
