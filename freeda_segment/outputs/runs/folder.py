"""A folder of files that belong together, written file by file and known as whole by its list.

``freeda.json`` in it lists what freeda wrote, from before the first file is written; it says what the files
were made of as soon as all are there. So a run that is killed is begun anew by the same command, one that is
there is kept, and what is not listed is never replaced. Names are quoted as in a URL: they need not be UTF-8.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

from pydantic import ValidationError

from freeda_errors.documents import Excerpt
from freeda_segment.outputs.files import write_text, written_whole
from freeda_store.errors import OverwriteError
from freeda_store.files.own_files import GENERATOR, JSON_KEY, require_free

LIST_NAME = "freeda.json"


class _List(Excerpt):
    """What the list in a folder says."""

    generator: str = ""
    made_of: str = ""
    files: tuple[str, ...] = ()


class ExportFolder:
    """A folder that is being written.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_text(self.path / name, text)

    @contextmanager
    def written_whole(self, name: str) -> Iterator[Path]:
        """Give a temporary path; what was written there gets its name when the block ends well.

        Raises:
            OutputError: it cannot be written.
        """
        with written_whole(self.path / name) as part:
            yield part

    def link(self, name: str, file: Path) -> None:
        """Make another name of a file: a relative link, or a copy where the file system has none.

        Raises:
            OutputError: neither can be made.
        """
        link = self.path / name
        source = Path(os.path.realpath(file.parent)) / file.name
        part = link.with_name(f".{uuid4().hex}.part")
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            part.symlink_to(os.path.relpath(source, os.path.realpath(link.parent)))
            part.replace(link)
        except OSError:
            part.unlink(missing_ok=True)
            if link.is_symlink():
                link.unlink()  # what it leads to is not to be written over
            with written_whole(link) as whole:
                shutil.copyfile(source, whole)


@contextmanager
def export_folder(
    path: Path, files: Sequence[str], made_of: str, *, force: bool = False
) -> Iterator[ExportFolder | None]:
    """Give a folder to write files into; None where it holds them already.

    Files of an earlier export that are not written again are removed.

    Args:
        path: made if it does not exist.
        files: all that will be written, by their places in the folder.
        made_of: what they depend on.
        force: replace also files of others, and write also where all is there.

    Raises:
        OverwriteError: a file of somebody else is in the place of one; nothing is written.
        OutputError: a file cannot be written.
    """
    old = _read_list(path / LIST_NAME)
    if old.made_of == made_of and not force and all((path / name).exists() for name in files):
        yield None
        return
    known = set(old.files)
    for name in files:
        if not force and name not in known and os.path.lexists(path / name):
            raise OverwriteError(
                f"{path / name} exists and was not written by freeda; give another --out, or --force to "
                "replace it."
            )
    require_free([path / LIST_NAME], force=force)
    _write_list(path, "", [*old.files, *files])
    yield ExportFolder(path)
    for gone in known - set(files):
        if _lies_inside(gone):
            with suppress(OSError):
                (path / gone).unlink(missing_ok=True)
    _write_list(path, made_of, files)


def _read_list(path: Path) -> _List:
    """The list of a folder; an empty one where there is none of freeda's."""
    try:
        found = _List.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _List()
    if found.generator != GENERATOR:
        return _List()
    names = tuple(unquote(name, errors="surrogateescape") for name in found.files)
    return found.model_copy(update={"files": names})


def _write_list(folder: Path, made_of: str, files: Iterable[str]) -> None:
    names = [quote(name, safe="/ ", errors="surrogateescape") for name in dict.fromkeys(files)]
    document = {JSON_KEY: GENERATOR, "made_of": made_of, "files": names}
    write_text(folder / LIST_NAME, json.dumps(document, indent=1) + "\n")


def _lies_inside(name: str) -> bool:
    """Whether a listed file lies in the folder, whatever somebody may have written into the list."""
    return bool(name) and ".." not in Path(name).parts and not Path(name).is_absolute()
