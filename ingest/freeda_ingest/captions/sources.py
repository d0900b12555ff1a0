"""Bytes of a captions file, whatever it is packed in: gzip and Zstandard are unpacked, UTF-16 that is
marked becomes UTF-8, and a byte order mark is dropped, all as the bytes are asked for."""

from __future__ import annotations

import codecs
import io
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
from typing_extensions import override

from freeda_ingest.captions.records import BrokenFileError
from freeda_ingest.errors import CaptionsError
from freeda_store.closeable import Closeable
from freeda_store.files.regular_files import open_regular

STDIN = "-"
HEAD_BYTES = 1 << 16
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""What describes the pictures of a Hugging Face ``imagefolder``."""

_UNPACKED_BYTES = 1 << 14  # what a cut archive loses of its end
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class CaptionSource(Closeable):
    """An open captions file.

    Args:
        stream: its bytes.
        name: for messages.
        live: it comes through a pipe, and can be read only once as it is.

    Attributes:
        head: the first bytes, unpacked and in UTF-8: 64 KiB, or of a pipe at least a line.
        live: whether it still comes through a pipe, and can be read only once.
        packing: ``gzip``, ``zstd`` or nothing.
    """

    def __init__(self, stream: IO[bytes], name: str, *, live: bool) -> None:
        self._stream, self.live, self._owned = stream, live, name != STDIN
        self._first = _head(_read_some_of(stream), lines=live)
        self.name = "standard input" if name == STDIN else name
        self.packing = next((kind for magic, kind in _PACKED.items() if self._first.startswith(magic)), "")
        if live and (self.packing or self._first.startswith(UTF16_BOMS)):
            self._keep()
        try:
            self.head = _head(self.chunks(), lines=self.live)
        except BrokenFileError as error:
            raise CaptionsError(f"{self.name} cannot be unpacked ({error}); get it anew.") from None

    def chunks(self) -> Iterator[bytes]:
        """All bytes from the start. Of a live source this is possible once, after :meth:`keep` again.

        Raises:
            BrokenFileError: while iterating, what is packed is cut short or broken.
        """
        return _as_utf8(self._unpacked())

    def keep(self) -> None:
        """Copy what comes live, so that it can be read more than once."""
        if self.live:
            self._keep()

    def file(self) -> IO[bytes]:
        """The unpacked bytes as a file that can seek."""
        self.keep()
        if not self.packing:
            self._stream.seek(0)
            return self._stream
        copy = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - the caller reads it to its end
        try:
            copy.writelines(self._unpacked())
        except BrokenFileError as error:
            copy.close()
            raise CaptionsError(f"{self.name} cannot be unpacked ({error}); get it anew.") from None
        copy.seek(0)
        return copy

    @override
    def close(self) -> None:
        if self._owned:
            self._stream.close()

    def _keep(self) -> None:
        copy = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - closed by close()
        copy.writelines(chain([self._first], _read_some_of(self._stream)))
        self.close()
        self._stream, self.live, self._owned = copy, False, True

    def _unpacked(self) -> Iterator[bytes]:
        if self.live:
            return chain([self._first], _read_some_of(self._stream))
        self._stream.seek(0)
        return _unpack(self._stream, self.packing) if self.packing else _read_some_of(self._stream)


def open_source(path: str | Path) -> CaptionSource:
    """Open a captions file, or standard input for ``-``.

    Raises:
        CaptionsError: it is missing, a folder without Hugging Face metadata, or not readable.
    """
    if str(path) == STDIN:
        return CaptionSource(sys.stdin.buffer, STDIN, live=True)
    file = captions_file(path)
    try:
        stream: IO[bytes] = file.open("rb") if is_descriptor(file) else open_regular(file)
    except FileNotFoundError:
        raise CaptionsError(
            f"captions file {file} does not exist; give the path of a file, or '-'."
        ) from None
    except OSError as error:
        raise CaptionsError(
            f"captions file {file} cannot be read ({error.strerror}); give the path of a file, or '-'."
        ) from error
    try:
        return CaptionSource(stream, str(file), live=not stream.seekable())
    except BaseException:
        stream.close()
        raise


def captions_file(path: str | Path) -> Path:
    """The file itself, or of a Hugging Face ``imagefolder`` the file that describes its pictures.

    Raises:
        CaptionsError: a folder that holds none.
    """
    file = Path(path)
    if is_descriptor(file) or not file.is_dir():
        return file
    for name in METADATA:
        if (file / name).is_file():
            return file / name
    raise CaptionsError(
        f"{file} is a folder without {', '.join(METADATA[:-1])} or {METADATA[-1]}; "
        "give the path of one captions file in it."
    )


def is_descriptor(path: Path) -> bool:
    """Whether a path names what this process has open already, as ``<(command)`` of a shell does."""
    return str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/"))


def _head(chunks: Iterable[bytes], *, lines: bool) -> bytes:
    """The first 64 KiB; with ``lines`` a whole line is enough, so that a live pipe is read as it comes."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES or (lines and b"\n" in head.lstrip()):
            break
    return head


def _read_some_of(stream: IO[bytes]) -> Iterator[bytes]:
    """What is there already, waiting only when nothing is."""
    read: object = getattr(stream, "read1", stream.read)
    assert callable(read)
    while piece := cast("bytes", read(HEAD_BYTES)):
        yield piece


class _Borrowed(io.RawIOBase):
    """A stream that is not closed by the one that reads it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _unpack(stream: IO[bytes], packing: str) -> Iterator[bytes]:
    try:
        unpacked = pa.CompressedInputStream(_Borrowed(stream), packing)
        while piece := unpacked.read(_UNPACKED_BYTES):
            yield piece
    except (OSError, EOFError, pa.ArrowException) as error:
        raise BrokenFileError(f"its {packing} data end too soon or are broken: {error}") from error


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Without a byte order mark; halves of surrogate pairs stay, for they are a fault of one record."""
    first = next(chunks, b"")
    if not first.startswith(UTF16_BOMS) or first.startswith(UTF32_BOMS):
        yield from chain([first.removeprefix(codecs.BOM_UTF8)] if first else [], chunks)
        return
    decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
    for chunk in chain([first], chunks):
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:
        yield b"\xff"  # half a character at the end, which its record is rejected for
