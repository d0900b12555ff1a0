"""The pictures of tasks: inside the task, on the shelf, or at the Label Studio that was named at the start.

A task never leads to a file of this machine, nor to any other server.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freeda_segment.errors import ImageError
from freeda_studio.errors import RequestError, TooLargeError
from freeda_studio.labelling.server import MAX_BYTES, LabelStudioServer
from freeda_studio.shelf import Shelf

_ON_SHELF = re.compile(r"/api/v1/pictures/([0-9a-f]{24})/view(?:\?.*)?")
_INSIDE = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)


class TaskPictures:
    """Finds the pictures of tasks.

    Args:
        shelf: of the studio.
        server: None where no Label Studio was named.
    """

    def __init__(self, shelf: Shelf, server: LabelStudioServer | None = None) -> None:
        self._shelf, self._server = shelf, server

    @contextmanager
    def file(self, address: object) -> Iterator[Path]:
        """A file with a task's picture, for as long as the block runs.

        Args:
            address: as the task's data has it.

        Raises:
            RequestError: it is no address, or leads where pictures are not fetched from.
            TooLargeError, MissingError, StorageError: the picture cannot be had.
            ImageError: raised in the block, names the task's picture and not the file.
        """
        if not isinstance(address, str):
            raise RequestError("the task has no picture; its data must name one by a text.")
        on_shelf = _ON_SHELF.fullmatch(address)
        if on_shelf is not None:
            yield self._shelf.find(on_shelf[1]).path
            return
        with tempfile.TemporaryDirectory(prefix="freeda-") as folder:
            path = Path(folder) / "picture"
            path.write_bytes(self._content(address))
            try:
                yield path
            except ImageError as error:
                raise ImageError(str(error).replace(str(path), "the task's picture")) from error

    def _content(self, address: str) -> bytes:
        if address[:5].lower() == "data:":
            return _inside(address)
        if not address.startswith("/") and not re.match("https?://", address, re.IGNORECASE):
            raise RequestError(
                "the task's picture is at an address of a kind that is not fetched; use http or https, or "
                "put it into the task as a data URI."
            )
        if self._server is None:
            raise RequestError(
                "the task's picture is on a server that was not named; start with --label-studio URL."
            )
        return self._server.read(address)


def _inside(address: str) -> bytes:
    """The picture in a data URI."""
    start = _INSIDE.match(address)
    if start is None:
        raise RequestError(
            "the task's data URI holds no picture in base64; begin it with data:image/png;base64,"
        )
    if (len(address) - start.end()) * 3 // 4 > MAX_BYTES:
        raise TooLargeError(f"the task's picture has over {MAX_BYTES // 2**20} MiB; give a smaller one.")
    try:
        return base64.b64decode(address[start.end() :], validate=True)
    except ValueError:
        raise RequestError("the task's data URI is not valid base64; encode it again.") from None
