"""Kinds of files that lie among pictures, by their names and by their first bytes.

Of HEIC, which phones write, the package ``pillow-heif`` makes a kind that can be read; it is an extra.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as a picture in a folder, beside HEIC where it can be read."""

HEIF = "HEIF"
"""Pillow's name of the format, once it can be read."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
HEIF_ADVICE = "install what reads it: pip install 'freeda[heic]'"

_RAW = ".3fr .arw .cr2 .cr3 .dng .erf .iiq .nef .nrw .orf .pef .raf .raw .rw2 .srw .x3f"
_VIDEO = ".3gp .avi .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv"
_KIND_OF_SUFFIX = {
    **dict.fromkeys(HEIF_SUFFIXES, "HEIC"),
    **dict.fromkeys(_RAW.split(), "camera RAW"),
    **dict.fromkeys(_VIDEO.split(), "video"),
    **dict.fromkeys((".j2k", ".jp2", ".jpf", ".jpx", ".j2c"), "JPEG 2000"),
    **{f".{name}": name.upper() for name in ("ai", "cur", "dds", "eps", "exr", "fits", "hdr", "icns", "ico")},
    **{f".{name}": name.upper() for name in ("pcx", "pdf", "psd", "qoi", "sgi", "svg", "tga", "wmf", "xcf")},
    ".jxl": "JPEG XL",
}

_FIRST_BYTES = (
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"v/1\x01", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"SIMPLE  =", "FITS"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"gimp xcf", "XCF"),
    (b"\x1a\x45\xdf\xa3", "video"),
    (b"FUJIFILMCCD-RAW", "camera RAW"),
    (b"IIRO", "camera RAW"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
LOOKED_AT = 512
"""Bytes at the beginning of a file that tell its kind."""


def kind_by_name(path: Path) -> str | None:
    """What a file is by its name, as people call it: ``HEIC``; None where that is not known."""
    return _KIND_OF_SUFFIX.get(path.suffix.lower())


def kind_by_content(head: bytes) -> str | None:
    """What a file is that is no picture of the formats read here, by its first bytes.

    Args:
        head: its first bytes, :data:`LOOKED_AT` of them where there are so many.

    Returns:
        A name as people call it, such as ``PSD``; None where nothing is known of it.
    """
    if head[4:8] == b"ftyp":
        return "HEIC" if head[8:12] in _HEIF_BRANDS else "video"
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return "video"
    for first, kind in _FIRST_BYTES:
        if head.startswith(first):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "SVG" if b"<svg" in text else "XML"
    return "HTML" if text.startswith((b"<!doctype html", b"<html")) else None


@cache
def reads_heif() -> bool:
    """Whether HEIC can be read; has Pillow know it, the first time it is asked."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def is_picture_name(path: Path) -> bool:
    """Whether a file is a picture that can be read, by its name."""
    suffix = path.suffix.lower()
    return suffix in PICTURE_SUFFIXES or (suffix in HEIF_SUFFIXES and reads_heif())
