"""Draw what each output format holds, from its files: ``python -m docs.output_images``.

Two example pictures are segmented with the small bank of the demonstration, and what is drawn is read back
from each format's own files.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pycocotools.coco import COCO

from freeda_cli.demo import CLASSES, SMALL_BANK, examples_folder
from freeda_segment import open_segmenter
from freeda_segment.jobs import Failed, Task
from freeda_segment.jobs.job import Job
from freeda_segment.outputs import FORMATS
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.runs import LABELS, RUN_FORMATS, Run, RunPicture, write_run
from freeda_store import import_bank

PICTURE = "car-and-tree"
TARGETS = Path(__file__).parent / "images"
SIDE = 320
NAMES = CLASSES.split(",")

Shape = tuple[int, list[tuple[float, float]]]
"""A class and the corners of a polygon."""


def write_all(folder: Path) -> None:
    """The formats of single pictures and of the run, of two examples."""
    import_bank(examples_folder() / SMALL_BANK, str(folder / "bank"))
    examples = Path(__file__).parent.parent / "examples"
    tasks = [Task(examples / f"{name}.png", name) for name in (PICTURE, "cat-and-mushroom")]
    with open_segmenter(str(folder / "bank"), preset="tiny") as segmenter:
        job = Job(segmenter, segmenter.prepare(CLASSES), folder, list(FORMATS))
        outcomes = list(job.run(tasks))
    pictures = []
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            raise outcome.error
        task, report = outcome.task, outcome.report
        pictures.append(RunPicture.of(task.path, task.stem, outcome.files[LABELS], report))
    list(write_run(folder, Run.of(pictures, report), list(RUN_FORMATS)))


def backdrop() -> Image.Image:
    """The picture, pale."""
    picture = Image.open(examples_folder() / f"{PICTURE}.png").convert("RGB")
    return Image.blend(picture, Image.new("RGB", picture.size, "white"), 0.45)


def drawn(shapes: Iterator[Shape]) -> Image.Image:
    """Polygons over the picture, each with its corners."""
    sheet, colours = backdrop(), class_colours(len(NAMES)).tolist()
    for index, corners in shapes:
        tint = Image.new("RGB", sheet.size, tuple(colours[index]))
        mask = Image.new("L", sheet.size)
        ImageDraw.Draw(mask).polygon(corners, fill=110)
        sheet.paste(tint, mask=mask)
        draw = ImageDraw.Draw(sheet)
        draw.line([*corners, corners[0]], fill=tuple(value // 2 for value in colours[index]), width=2)
        for x, y in corners:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill="white", outline="black")
    return sheet


def of_coco(folder: Path) -> Image.Image:
    """Polygons of the objects, as pycocotools gives them."""
    coco = COCO(str(folder / "coco" / "annotations.json"))
    (image,) = (each["id"] for each in coco.dataset["images"] if each["file_name"] == f"{PICTURE}.png")
    found = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
    return drawn((each["category_id"] - 1, _pairs(each["segmentation"][0])) for each in found)


def of_yolo(folder: Path) -> Image.Image:
    """Polygons of the objects, as shares of width and height."""
    lines = (folder / "yolo" / "labels" / f"{PICTURE}.txt").read_text().splitlines()
    rows = [line.split() for line in lines]
    return drawn((int(label), _pairs([512 * float(each) for each in rest])) for label, *rest in rows)


def of_labelme(folder: Path) -> Image.Image:
    """Polygons of the objects, with the names of their classes."""
    document = json.loads((folder / "labelme" / f"{PICTURE}.json").read_text())
    return drawn(
        (NAMES.index(each["label"]), [(x, y) for x, y in each["points"]]) for each in document["shapes"]
    )


def of_label_studio(folder: Path) -> Image.Image:
    """Polygons in percent of width and height."""
    tasks = json.loads((folder / "label-studio-polygons" / "tasks.json").read_text())
    (result,) = (task["predictions"][0]["result"] for task in tasks if PICTURE in task["data"]["image"])
    values = [each["value"] for each in result]
    return drawn(
        (NAMES.index(each["polygonlabels"][0]), [(5.12 * x, 5.12 * y) for x, y in each["points"]])
        for each in values
    )


def of_panoptic(folder: Path) -> Image.Image:
    """The numbers of the segments, made visible: they are 1 to 4."""
    picture = Image.open(folder / "coco-panoptic" / "panoptic" / f"{PICTURE}.png")
    return Image.fromarray(np.asarray(picture) * np.uint8(60))


def of_labels(place: str) -> Callable[[Path], Image.Image]:
    """A label map in the colours of its palette."""
    return lambda folder: Image.open(folder / place).convert("RGB")


def of_geojson(folder: Path) -> Image.Image:
    """Outlines of the classes."""
    document = json.loads((folder / f"{PICTURE}.geojson").read_text())
    sheet = backdrop()
    draw = ImageDraw.Draw(sheet)
    for feature in document["features"]:
        for polygon in feature["geometry"]["coordinates"]:
            for ring in polygon:
                draw.line([(x, y) for x, y in ring], fill=feature["properties"]["colour"], width=4)
    return sheet


def of_scores(folder: Path) -> Image.Image:
    """Scores from the lowest, black, to the highest."""
    with np.load(folder / f"{PICTURE}.npz") as archive:
        scores = archive["scores"]
    shown = (scores - scores.min()) / (scores.max() - scores.min()) * 255
    return Image.fromarray(shown.astype(np.uint8)).convert("RGB")


def _pairs(numbers: list[float]) -> list[tuple[float, float]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


DRAWN: Mapping[str, Callable[[Path], Image.Image]] = {
    "png": of_labels(f"{PICTURE}.labels.png"),
    "geojson": of_geojson,
    "npz": of_scores,
    "coco": of_coco,
    "coco-panoptic": of_panoptic,
    "yolo": of_yolo,
    "labelme": of_labelme,
    "label-studio": of_label_studio,
    "mmseg": of_labels(f"mmseg/ann_dir/{PICTURE}.png"),
}
"""What is drawn of each format."""


def main() -> None:
    """Write ``docs/images/output-FORMAT.png``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_all(folder)
        for format_name, draw in DRAWN.items():
            sheet = draw(folder).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            target = TARGETS / f"output-{format_name}.png"
            sheet.quantize(128).save(target, optimize=True)
            print(target)


if __name__ == "__main__":
    main()
