"""What the system refuses: read-only media, permissions, locks, limits, broken or full disks.

None of it says anything of the bytes in a file, so none of it is ever called damage. A fault is known from
an error's number, or by looking: every file of a folder is opened as its user opens it, and read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freeda_store.errors import StorageError
from freeda_store.files.room import data_ranges

_FS_IOC_GETFLAGS = 0x80086601
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_NUMBERED = re.compile(r"\bos error (\d+)\b|\bOs \{ code: (\d+)\b|\[Errno (\d+)\]")
_BLOCK = 2**20

_READ_ONLY = "mount it for writing, or copy the bank to a disk that can be written"
_NETWORK = "see that the file server answers, or mount it again"
_ADVICE = {
    errno.EPERM: "see who may change it, and that it is not immutable (lsattr, chattr -i)",
    errno.EACCES: "correct the permissions",
    errno.EROFS: _READ_ONLY,
    errno.EIO: "the disk or its connection fails: look into the system's log, and copy the bank elsewhere",
    errno.ENOMEM: "free memory, or allow the process more (ulimit -v)",
    errno.EAGAIN: "allow the process more threads or memory (ulimit -u, ulimit -v)",
    errno.EMFILE: "allow more of them (ulimit -n)",
    errno.ENFILE: "close other programs, for the whole machine has too many files open",
    errno.EFBIG: "allow larger files (ulimit -f), or use a file system that holds them",
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "remove files of yours there, or have the quota raised",
    errno.ENOLCK: "use a file system that grants locks",
    errno.EBUSY: "close the program that holds it",
    errno.ETXTBSY: "close the program that holds it",
    errno.ENODEV: "use a file system whose files can be mapped into memory",
    errno.ESTALE: _NETWORK,
    errno.ETIMEDOUT: _NETWORK,
    errno.ENOTCONN: _NETWORK,
    errno.EHOSTDOWN: _NETWORK,
    errno.EHOSTUNREACH: _NETWORK,
}
"""What to do about each error that does not concern a file's bytes."""
_LIMITS = {
    errno.EMFILE: resource.RLIMIT_NOFILE,
    errno.ENOMEM: resource.RLIMIT_AS,
    errno.EFBIG: resource.RLIMIT_FSIZE,
}


@dataclass(frozen=True)
class SystemFault:
    """Something that the system refused.

    Attributes:
        number: of the error, as ``errno`` has it.
        reason: what happened, in the system's words and more where it is known.
        advice: what to do about it.
        path: of what; None where it is not known.
    """

    number: int
    reason: str
    advice: str
    path: Path | None = None

    def error(self, otherwise: Path) -> StorageError:
        """As an error that names the file, or ``otherwise`` where none is known."""
        return StorageError(
            f"{self.path or otherwise} cannot be used ({self.reason}); {self.advice}, then run the same "
            "command again. Nothing that was committed is lost."
        )


def fault_of(error: BaseException | str, path: Path | None = None) -> SystemFault | None:
    """The fault that an error names by its number or in the system's words; None where it names none.

    Args:
        error: an ``OSError``, or one of a library that puts the system's into its text.
        path: what was used, where the error itself does not say.
    """
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and isinstance(error.filename, str):
        path = Path(error.filename)
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    known = _numbers(str(error)) if number is None else (number,)
    found = next((each for each in known if each in _ADVICE), None)
    return None if found is None else _fault(found, path)


def system_error(error: OSError, path: Path) -> StorageError:
    """An ``OSError`` as an error of this package that names the file and says what to do."""
    number = error.errno or 0
    reason = error.strerror or str(error)
    found = fault_of(error, path) or SystemFault(number, reason, "see that the file can be used", path)
    return found.error(path)


def look(folder: Path, *, writing: bool = True, reading: bool = True) -> SystemFault | None:
    """The first fault that using every file of a folder meets; None when there is none.

    Nothing is changed: files are opened, and what they hold is read once, if asked. What is not there is no
    fault of the system.

    Args:
        folder: a folder or a file.
        writing: whether they must allow to be written, as the vector engine wants even to read.
        reading: whether what they hold is read, which finds faults of the disk.
    """
    for path in (folder, *_inside(folder)):
        if (fault := look_at(path, writing=writing, reading=reading)) is not None:
            return fault
    return None


def unwritable(folder: Path) -> SystemFault | None:
    """Why nothing can be written to a folder and the files at its top; None when all can be."""
    for path in (folder, *sorted(folder.glob("*"))):
        if (fault := _refusal(path, writing=True)) is not None:
            return fault
    return None


def memory_fault(needed: int, path: Path) -> SystemFault | None:
    """The fault that mapping so many more bytes would meet; None where the process has no limit, or room.

    Only a limit of the process (``ulimit -v``) is asked for: what is mapped need not fit into memory.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return None
    return None if used + needed <= limit else _fault(errno.ENOMEM, path)


def size_fault(path: Path) -> SystemFault | None:
    """The fault of a file that is as large as the process may make one (``ulimit -f``), or nearly."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    near = limit != resource.RLIM_INFINITY and path.is_file() and path.stat().st_size + _BLOCK > limit
    return _fault(errno.EFBIG, path) if near else None


def is_immutable(path: Path) -> bool:
    """Whether a file or folder may not be changed by anybody, where the file system says so."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        flags = fcntl.ioctl(handle, _FS_IOC_GETFLAGS, bytes(8))
    except OSError:
        return False
    finally:
        os.close(handle)
    return bool(struct.unpack("I", flags[:4])[0] & (_IMMUTABLE | _APPEND_ONLY))


def _numbers(text: str) -> tuple[int, ...]:
    """Numbers of the errors that a text names, as numbers or in words."""
    numbered = [int(next(filter(None, groups))) for groups in _NUMBERED.findall(text)]
    return (*numbered, *(each for each in _ADVICE if os.strerror(each) in text))


def _fault(number: int, path: Path | None) -> SystemFault:
    reason, advice = os.strerror(number), _ADVICE[number]
    if number == errno.EPERM and path is not None and is_immutable(path):
        return SystemFault(number, f"{reason}: it is immutable", "allow changes by `chattr -i` (or -a)", path)
    if number == errno.EACCES and path is not None and (told := _ownership(path)):
        reason = f"{reason}: {told}"
    if number in _LIMITS and (limit := resource.getrlimit(_LIMITS[number])[0]) != resource.RLIM_INFINITY:
        reason = f"{reason}: the limit is {limit:,}"
    return SystemFault(number, reason, advice, path)


def _ownership(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    mode = stat.filemode(status.st_mode)
    return f"{mode} of user {status.st_uid}, and this is user {os.geteuid()}"


def _inside(folder: Path) -> Iterator[Path]:
    """Everything in a folder that can be listed, in order, without following links to folders."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in [*folders, *sorted(files)])


def look_at(path: Path, *, writing: bool = True, reading: bool = True) -> SystemFault | None:
    """:func:`look` at one file, or at a folder without what is in it."""
    if (fault := _refusal(path, writing=writing)) is not None:
        return fault
    try:
        if reading and path.is_file():
            _read(path)
    except OSError as error:
        return fault_of(error, path)
    return None


def _refusal(path: Path, *, writing: bool) -> SystemFault | None:
    """Why a file or folder cannot be opened; a pipe or device is not touched."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            os.close(os.open(path, (os.O_RDWR if writing else os.O_RDONLY) | os.O_CLOEXEC))
        elif stat.S_ISDIR(mode):
            _enter(path, writing=writing)
    except OSError as error:
        return fault_of(error, path)
    return None


def _enter(folder: Path, *, writing: bool) -> None:
    """Raise what listing a folder, or making a file in it, would raise."""
    wanted = os.R_OK | os.X_OK | (os.W_OK if writing else 0)
    if writing and os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    if writing and is_immutable(folder):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(folder))
    if not os.access(folder, wanted, effective_ids=os.access in os.supports_effective_ids):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _read(path: Path) -> None:
    """Read what a file holds, without its holes: the engine's files are mostly that."""
    with path.open("rb", buffering=0) as file:
        for start, stop in data_ranges(file.fileno(), os.fstat(file.fileno()).st_size):
            offset = start
            while offset < stop and (block := os.pread(file.fileno(), min(_BLOCK, stop - offset), offset)):
                offset += len(block)
