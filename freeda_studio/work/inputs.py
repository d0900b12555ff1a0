"""From what a person asked and sent to a task: looked at first, so that what cannot be is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from freeda_errors import FreedaError
from freeda_ingest.captions.reader import open_captions
from freeda_ingest.concepts import parse_concepts
from freeda_learn.errors import LabelsError
from freeda_learn.labels.reading import open_labels
from freeda_store.files.picture_kinds import is_picture_name
from freeda_studio.errors import RequestError, TooLargeError
from freeda_studio.shelf import plain_name
from freeda_studio.work.documents import CaptionsTask, ConceptsTask, LearningTask
from freeda_studio.work.uploads import Intake, Upload

_PICTURES, _LABELS = "pictures", "labels"
_PICTURE_FOLDERS = ("images", "imgs", "JPEGImages", "img")
_LABEL_FOLDERS = ("labels", "annotations", "masks", "SegmentationClass")
_MOST_CONCEPTS = 200
_MOST_IMAGES = 100_000


@dataclass(frozen=True)
class Wanted:
    """What every work has.

    Attributes:
        message: of its revision; made from the inputs where empty.
        seed: of what is drawn.
        limit: of captions; None for all.
    """

    message: str = ""
    seed: int = 0
    limit: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A task, and what people call it."""

    name: str
    task: CaptionsTask | ConceptsTask | LearningTask


@dataclass(frozen=True)
class ConceptsWanted:
    """Concepts to be drawn."""

    names: tuple[str, ...]
    images: int
    wanted: Wanted = Wanted()

    def prepare(self, folder: Path, intake: Intake) -> Prepared:
        """The task.

        Raises:
            OptionError, RequestError: a name is none; there are too many.
        """
        del folder, intake
        names = parse_concepts(self.names)
        if len(names) > _MOST_CONCEPTS:
            raise RequestError(f"{len(names):,} concepts are too many; name {_MOST_CONCEPTS} at most.")
        if not 1 <= self.images <= _MOST_IMAGES:
            raise RequestError(f"images is {self.images}; give a number from 1 to {_MOST_IMAGES:,}.")
        task = ConceptsTask(
            names=names, images=self.images, seed=self.wanted.seed, message=self.wanted.message
        )
        return Prepared(", ".join(names), task)


@dataclass(frozen=True, eq=False)
class CaptionsWanted:
    """A captions file to be drawn."""

    files: Sequence[Upload]
    wanted: Wanted = Wanted()

    def prepare(self, folder: Path, intake: Intake) -> Prepared:
        """The task; its file lies in the folder.

        Raises:
            RequestError: not one file was sent, or it is empty or holds no captions.
            TooLargeError: it is too large.
        """
        if len(self.files) != 1:
            raise RequestError(f"send one captions file; {len(self.files)} were sent.")
        name = plain_name(self.files[0].name)
        path = folder / (f"captions{name}" if name.startswith("-") else name)
        intake.put(self.files[0], path)
        if not path.stat().st_size:
            raise RequestError(f"{name} is empty; send a file with captions.")
        with _without(folder):
            open_captions(path).close()
        task = CaptionsTask(
            file=path.name, limit=self.wanted.limit, seed=self.wanted.seed, message=self.wanted.message
        )
        return Prepared(name, task)


@dataclass(frozen=True, eq=False)
class LearningWanted:
    """Labelled pictures to be learned from.

    Attributes:
        files: pictures and labels, as files or archives.
        labels: labels that were sent apart; none where they are among the files.
        by: who labelled them.
    """

    files: Sequence[Upload]
    labels: Sequence[Upload] = ()
    by: str | None = None
    wanted: Wanted = field(default=Wanted())

    def prepare(self, folder: Path, intake: Intake) -> Prepared:
        """The task; pictures and labels lie in the folder.

        Raises:
            RequestError: nothing was sent, or no labels are found that can be read.
            TooLargeError: it is too much.
        """
        if not self.files:
            raise RequestError("send pictures with their labels, as files, a folder or a ZIP file.")
        pictures = folder / _PICTURES
        pictures.mkdir(parents=True)
        intake.take(self.files, pictures)
        if self.labels:
            (folder / _LABELS).mkdir()
            intake.take(self.labels, folder / _LABELS)
        with _without(folder):
            where, labels = find_labels(pictures, folder / _LABELS if self.labels else None)
            open_labels(where, labels)
        task = LearningTask(
            pictures=str(where.relative_to(folder)),
            labels=str(labels.relative_to(folder)),
            by=self.by,
            message=self.wanted.message,
        )
        return Prepared(_called(self.files), task)


WorkWanted = CaptionsWanted | ConceptsWanted | LearningWanted


def find_labels(pictures: Path, apart: Path | None) -> tuple[Path, Path]:
    """The folder of pictures and the labels of it, in what was sent.

    Args:
        pictures: folder of what was sent as pictures, or as pictures with labels.
        apart: folder of what was sent as labels.

    Raises:
        LabelsError: there are no pictures, or nothing but pictures.
    """
    if not any(is_picture_name(each) for each in pictures.rglob("*")):
        raise LabelsError("what was sent holds no picture; send pictures with their labels.")
    root = _unwrapped(pictures)
    if apart is not None:
        return root, _only_file(_unwrapped(apart))
    jsons = sorted(root.rglob("*.json"))
    if len(jsons) == 1:
        return root, jsons[0]
    beside = next((root / name for name in _LABEL_FOLDERS if (root / name).is_dir()), None)
    inside = next((root / name for name in _PICTURE_FOLDERS if (root / name).is_dir()), None)
    if beside is not None and inside is not None:
        return inside, beside
    if all(map(_is_picture, root.iterdir())):
        raise LabelsError(
            "the pictures came without labels; send these too, or the pictures of each class in a folder "
            "named as it is."
        )
    return root, root


def _unwrapped(folder: Path) -> Path:
    """The folder in it, where that is all it has and is no class: archives often begin with one."""
    inner = list(folder.iterdir())
    while len(inner) == 1 and inner[0].is_dir() and any(not _is_picture(each) for each in inner[0].iterdir()):
        folder = inner[0]
        inner = list(folder.iterdir())
    return folder


def _only_file(folder: Path) -> Path:
    """The file in a folder of one JSON file; else the folder."""
    jsons = list(folder.rglob("*.json"))
    return jsons[0] if len(jsons) == 1 else folder


def _is_picture(path: Path) -> bool:
    return path.is_file() and is_picture_name(path)


def _called(files: Sequence[Upload]) -> str:
    if len(files) == 1:
        return plain_name(files[0].name)
    first = {each.name.replace("\\", "/").split("/")[0] for each in files if "/" in each.name}
    return plain_name(first.pop()) if len(first) == 1 else f"{len(files):,} files"


@contextmanager
def _without(folder: Path) -> Iterator[None]:
    """Errors of readers, without the folder of this server that they name."""
    try:
        yield
    except TooLargeError:
        raise
    except FreedaError as error:
        raise RequestError(str(error).replace(f"{folder}/", "")) from error
