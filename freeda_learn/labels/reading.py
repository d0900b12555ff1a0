"""Which format labels have, and their reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from freeda_learn.errors import LabelsError
from freeda_learn.labels.coco import is_coco, read_coco
from freeda_learn.labels.common import (
    Entry,
    Labels,
    PictureFolder,
    PictureLabels,
    read_bytes,
    read_class_names,
    read_json,
)
from freeda_learn.labels.datasets import is_dataset, read_dataset
from freeda_learn.labels.indexed import read_indexed
from freeda_learn.labels.label_studio import is_label_studio, read_label_studio
from freeda_learn.labels.labelme import is_labelme, read_labelme
from freeda_learn.labels.yolo import read_yolo
from freeda_store.files.picture_kinds import is_picture_name

CLASS_FILES = ("classes.txt", "names.txt", "labels.txt")
_YOLO_FILES = ("data.yaml", "data.yml", "dataset.yaml")


def open_labels(pictures: str | Path, labels: str | Path, classes: str | Path | None = None) -> Labels:
    """Find out what labels are, and make them ready to be read; nothing is decoded yet.

    Args:
        pictures: folder of the pictures.
        labels: a JSON file of COCO or Label Studio; or a folder of LabelMe's JSON files, of YOLO's text
            files, of indexed PNG masks, or of folders of pictures that are classes; or the name of a data set
            that ``freeda evaluate`` knows.
        classes: file with the names of classes, one a line, for masks and YOLO; found beside the labels if
            None.

    Raises:
        LabelsError: they cannot be read, or are of no format that is known.
    """
    path = Path(labels)
    if is_dataset(str(labels)) and not path.exists():
        return read_dataset(Path(pictures), str(labels))
    folder = PictureFolder(Path(pictures))
    if path.is_dir():
        return _open_folder(path, folder, None if classes is None else Path(classes))
    values = read_json(path)
    if is_coco(values):
        return read_coco(path, values, folder)
    if is_label_studio(values):
        return read_label_studio(path, values, folder)
    if is_labelme(values):
        return read_labelme([path], folder)
    raise LabelsError(
        f"{path} is JSON of no known kind; expected COCO (images, annotations, categories), an export of "
        "Label Studio (a list of tasks), or LabelMe (shapes, imagePath)."
    )


def _open_folder(path: Path, folder: PictureFolder, classes: Path | None) -> Labels:
    jsons = _files(path, ".json")
    if jsons:
        return read_labelme(jsons, folder)
    texts = [each for each in _files(path, ".txt") if each.name not in CLASS_FILES]
    if texts:
        return read_yolo(texts, _names(path, classes, "YOLO's labels"), folder)
    if path.resolve() == folder.folder.resolve():
        return _class_folders(path)
    if any(each.suffix.lower() == ".png" for each in path.rglob("*")):
        return read_indexed(path, _names(path, classes, "masks"), folder)
    raise LabelsError(
        f"{path} holds neither LabelMe's *.json, nor YOLO's *.txt, nor masks *.png; give the folder of the "
        "labels, or the pictures' own folder where each folder in it is a class."
    )


def _files(path: Path, suffix: str) -> list[Path]:
    return sorted(
        each for each in path.rglob(f"*{suffix}") if not each.name.startswith(".") and each.is_file()
    )


def _names(path: Path, classes: Path | None, what: str) -> Sequence[str]:
    """The names of classes by number."""
    if classes is not None and classes.suffix in (".yaml", ".yml"):
        return _yaml_names(classes)
    if classes is not None:
        return read_class_names(classes)
    for place in (path, path.parent, path.parent.parent):
        for name in CLASS_FILES:
            if (place / name).is_file():
                return read_class_names(place / name)
        for name in _YOLO_FILES:
            if (place / name).is_file():
                return _yaml_names(place / name)
    raise LabelsError(f"the classes of {what} in {path} have no names; give a file of them with --classes.")


def _yaml_names(path: Path) -> Sequence[str]:
    """``names`` of YOLO's data file: a list, or names by number."""
    import yaml

    try:
        values = yaml.safe_load(read_bytes(path).decode("utf-8", "replace"))
        names = values["names"]
        listed = [names[number] for number in range(len(names))] if isinstance(names, dict) else list(names)
    except (yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
        raise LabelsError(f"{path} has no list 'names' of classes ({type(error).__name__}).") from None
    return [str(name) for name in listed]


def _class_folders(path: Path) -> Labels:
    """Each folder in a folder is a class, and its pictures show nothing else."""
    found = [
        (each.name, picture)
        for each in sorted(path.iterdir())
        if each.is_dir() and not each.name.startswith(".")
        for picture in sorted(each.rglob("*"))
        if is_picture_name(picture) and not picture.name.startswith(".") and picture.is_file()
    ]
    if not found:
        raise LabelsError(f"{path} holds no folder with pictures; each is to be a class, named as it is.")

    def entries() -> Iterator[Entry]:
        for name, picture in found:
            yield PictureLabels(picture, whole=name)

    return Labels("a folder a class", entries, len(found))
