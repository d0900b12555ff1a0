"""Opening files that a person names: what is no regular file is refused at once, never waited for.

A named pipe without a writer would be waited for without end, and a device may never end. So the kind
is asked before opening, the opening itself does not wait, and the kind is asked again of what was opened:
whoever swaps the file in between gains nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "it is a named pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


class NotRegularFileError(OSError):
    """What is there is a pipe, a socket or a device; ``strerror`` says which."""


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular file for reading bytes.

    Raises:
        NotRegularFileError: it is a pipe, a socket or a device.
        IsADirectoryError: it is a folder.
        OSError: it cannot be opened; a name that no file can have (with a NUL) counts as missing.
    """
    try:
        _require_regular(os.stat(path), path)  # noqa: PTH116 - no Path: names need not be UTF-8
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    try:
        _require_regular(os.fstat(handle), path)
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | Path, most: int) -> bytes:
    """The bytes of a regular file that is not larger than it should be.

    Args:
        path: the file.
        most: how many bytes it may have.

    Raises:
        OSError: see :func:`open_regular`; ``EFBIG`` when it is larger.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return data


def _require_regular(status: os.stat_result, path: str | Path) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = next((words for holds, words in _KINDS if holds(status.st_mode)), "it is no regular file")
    raise NotRegularFileError(errno.EINVAL, f"{kind}, not a file", str(path))
