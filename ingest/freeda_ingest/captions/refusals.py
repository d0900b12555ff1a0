"""Files that hold no captions, told apart by their first bytes, and text in encodings that are not read."""

from __future__ import annotations

import codecs
import re

import charset_normalizer

from freeda_ingest.captions.sources import UTF32_BOMS
from freeda_ingest.errors import CaptionsError

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ\x00", "packed with xz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "a Rich Text document"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95\]}(cX]")
_MARKUP = re.compile(rb"\s*<(?:\?xml|!doctype|html|svg|rss)\b", re.IGNORECASE)
_TAR_MAGIC = slice(257, 262)
_RECORD_END = re.compile(rb"[\n}]")
_NUL_SHARE = 0.2
_EUROPEAN = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256")
_WIDE = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_WIDE_SHARE = 0.3
"""Encodings that captions still come in, the likeliest first. In those with two bytes a character, most of a
text is beyond ASCII."""


def refuse_foreign(head: bytes, name: str) -> None:
    """Refuse what holds no captions or cannot be decoded.

    Args:
        head: the first bytes, unpacked.
        name: of the file.

    Raises:
        CaptionsError: with what the file seems to be.
    """
    if kind := _foreign_kind(head):
        raise CaptionsError(
            f"{name} is {kind}, not captions; give text, JSON, CSV or Parquet, as it is or packed with gzip "
            "or zstd."
        )
    if head.startswith(UTF32_BOMS):
        raise _encoding_error(name, "UTF-32", "UTF-32")
    if len(head) > 1 and head.count(0) >= _NUL_SHARE * len(head):
        if unmarked := _unmarked_utf16(head):
            raise _encoding_error(name, f"{unmarked} without a byte order mark", unmarked)
        raise CaptionsError(
            f"{name} holds binary data ({_shown(head)}), not captions; give text, JSON, CSV or Parquet."
        )
    _refuse_other_encoding(head, name)


def _foreign_kind(head: bytes) -> str:
    for magic, kind in _FOREIGN:
        if head.startswith(magic):
            return kind
    if _PICKLE.match(head):
        return "a Python pickle, which is never read,"
    if head[_TAR_MAGIC] == b"ustar":
        return "a tar archive (WebDataset?)"
    if _MARKUP.match(head):
        return "an XML or HTML page"
    return ""


def _unmarked_utf16(head: bytes) -> str:
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 4 * even:
        return "UTF-16LE"
    return "UTF-16BE" if even > 4 * odd else ""


def _refuse_other_encoding(head: bytes, name: str) -> None:
    """One bad record among many is a fault of its own; where none beyond ASCII is good, all are meant."""
    *whole, last = _RECORD_END.split(head)
    lines = [line for line in (*whole, last) if line.strip()]
    beyond = [line for line in lines if not line.isascii()]
    bad = [line for line in beyond if not _is_utf8(line, cut=line is last)]
    good = len(beyond) - len(bad)
    if bad and len(bad) > good and (len(bad) > 1 or 2 * len(bad) >= len(lines)):
        encoding = _likely_encoding(b"\n".join(bad))
        if not encoding:
            raise CaptionsError(f"{name} is no UTF-8 text ({_shown(bad[0])}); save it as UTF-8.")
        raise _encoding_error(name, encoding, encoding)


def _is_utf8(line: bytes, *, cut: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line, final=not cut)
    except UnicodeDecodeError:
        return False
    return True


def _likely_encoding(text: bytes) -> str:
    wide = sum(byte > 127 for byte in text) > _WIDE_SHARE * len(text)
    likely = (*_EUROPEAN, *_WIDE) if wide else _EUROPEAN
    matches = list(charset_normalizer.from_bytes(text, cp_isolation=list(likely)))
    if not matches:
        return ""
    best = min((match.chaos, -match.coherence) for match in matches)
    names = {
        name
        for match in matches
        if (match.chaos, -match.coherence) == best
        for name in match.could_be_from_charset
    }
    return next((name for name in likely if name in names), "")


def _encoding_error(name: str, seems: str, codec: str) -> CaptionsError:
    return CaptionsError(
        f"{name} is not UTF-8; it seems to be {seems}. Convert it, for example: iconv -f {codec} -t UTF-8."
    )


def _shown(head: bytes) -> str:
    return f"it begins with {head[:12].hex(' ')}"
