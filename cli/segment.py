"""``freeda segment``: pictures and class names in, labelled pictures out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli import console
from cli import segment_options as o
from cli.errors import FAILURE, UsageError, report_one
from cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption, WhereOption
from cli.pictures import find_pictures, output_stems
from cli.presets import SEGMENT_ROLES, announce_download, preset_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from freeda_segment import Background, ClassList, Segmentation, Segmenter
    from freeda_segment.superpixels import Superpixels

EPILOG = 'Example: freeda segment photo.jpg holiday/ -c "red car,tree,grass,sky" --out out'
_SHOWN_CLASSES = 8
_SHOWN_NOTES = 10


def segment(
    ctx: typer.Context,
    pictures: o.PicturesArgument,
    classes: o.ClassesOption = None,
    classes_file: o.ClassesFileOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    out: o.OutOption = Path(o.DEFAULT_OUT),
    background: o.BackgroundOption = None,
    background_threshold: o.BackgroundThresholdOption = None,
    k: o.KOption = None,
    alpha: o.AlphaOption = None,
    superpixels: o.SuperpixelsOption = None,
    superpixel_option: o.SuperpixelNumbersOption = None,
    refine: o.RefineOption = False,
    where: WhereOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Label every pixel of pictures with one of the classes named.

    Writes for each picture an overlay with a legend, a label map, and a report with the area and
    score of each class. A picture that cannot be read is told of, and the others go on.
    """
    from freeda_segment import Refinement, SegmentSettings, open_segmenter
    from freeda_store import Filter, parse_filter

    paths = find_pictures(pictures)
    wanted = gather_classes(classes or [], classes_file)
    filters, away = parse_filter(where or []), background_from(background, background_threshold)
    numbers = superpixel_numbers(superpixel_option or [])
    chosen = preset_for(bank, preset)
    settings = SegmentSettings.of(chosen.segment)
    settings = replace(
        settings,
        superpixels=chosen_superpixels(settings.superpixels, superpixels, numbers),
        k=settings.k if k is None else k,
        where=Filter((*settings.where.conditions, *filters.conditions)),
        alpha=settings.alpha if alpha is None else alpha,
        background=away,
        refinement=Refinement() if refine else None,
    )
    console.note(f"bank {bank}, preset {chosen.name}")
    announce_download(preset or chosen.name, SEGMENT_ROLES)
    opened = open_segmenter(bank, preset=preset or chosen.name, device=device, settings=settings)
    with opened as segmenter:
        results = _segment_all(ctx, segmenter, wanted, paths, out, as_json=as_json)
    if as_json:
        console.emit_json(results)
    failed = sum("error" in result for result in results)
    if failed:
        if len(paths) > 1:
            console.note(f"{failed} of {console.count(len(paths), 'picture')} failed.")
        raise typer.Exit(FAILURE)


def gather_classes(expressions: Sequence[str], file: Path | None) -> ClassList:
    """The classes of ``-c`` and of the file together.

    Raises:
        ClassesError: there is none, or the file cannot be read.
    """
    from freeda_segment import parse_classes, read_classes_file

    if file is None:
        return parse_classes(list(expressions))
    listed = read_classes_file(file)
    together = parse_classes([*expressions, *("|".join(each.texts) for each in listed.classes)])
    return replace(together, notes=(*listed.notes, *together.notes))


def superpixel_numbers(expressions: Sequence[str]) -> dict[str, float]:
    """``scale=100`` and its like as names and numbers.

    Raises:
        UsageError: one of them is not so written.
    """
    options = {}
    for expression in expressions:
        name, equals, number = (part.strip() for part in expression.partition("="))
        try:
            options[name] = float(number)
        except ValueError:
            equals = ""
        if not (name and equals):
            raise UsageError(f"'{expression}' is no superpixel option; write for example scale=100.")
    return options


def chosen_superpixels(current: Superpixels, name: str | None, options: Mapping[str, float]) -> Superpixels:
    """The preset's algorithm with some options changed, or another one.

    Raises:
        OptionError: unknown algorithm or option, or a number outside its range.
    """
    from freeda_segment import parse_superpixels

    same = name is None or name == current.name
    kept: dict[str, float] = asdict(current) if same else {}  # type: ignore[call-overload]
    return parse_superpixels(name or current.name, {**kept, **options})


def background_from(strategy: str | None, threshold: float | None) -> Background | None:
    """The background asked for; a threshold alone means the constant strategy.

    Raises:
        OptionError: unknown strategy, or a threshold outside 0..1.
    """
    from freeda_segment import Background, BackgroundStrategy

    if strategy is None and threshold is None:
        return None
    chosen: Any = strategy if strategy is not None else BackgroundStrategy.CONSTANT
    return Background(chosen, Background.threshold if threshold is None else threshold)


def _segment_all(
    ctx: typer.Context,
    segmenter: Segmenter,
    classes: ClassList,
    paths: Sequence[Path],
    out: Path,
    *,
    as_json: bool,
) -> list[dict[str, Any]]:
    """Segment each picture, telling of each as it is done; one record a picture."""
    from freeda_segment import open_image
    from freeda_segment.outputs import Result, write_outputs
    from freeda_segment.outputs.report import report

    prototypes = segmenter.prepare(classes)
    for line in prototypes.notes[:_SHOWN_NOTES]:
        console.warn(line)
    if len(prototypes.notes) > _SHOWN_NOTES:
        console.warn(f"and {len(prototypes.notes) - _SHOWN_NOTES} more of this kind.")
    records = []
    for path, stem in zip(paths, output_stems(paths), strict=True):
        try:
            image = open_image(path)
            result = Result(image, segmenter.segment(image, prototypes), str(path))
            written = write_outputs(out, stem, result)
        except Exception as error:  # noqa: BLE001 - one broken picture does not stop the others
            records.append({"picture": {"source": str(path)}, "error": report_one(ctx, path, error)})
            continue
        files = {name: str(file) for name, file in written.items()}
        records.append(report(result) | {"written": files})
        if not as_json:
            console.say(f"{path}: {share_line(result.segmentation)}")
            for file in files.values():
                console.say(f"  {file}")
    return records


def share_line(result: Segmentation) -> str:
    """``grass 43.1%, sky 30.0%, red car 12.5%``, the largest first."""
    found = sorted((share for share in result.shares if share.pixels), key=lambda share: -share.pixels)
    parts = [f"{share.name} {share.area:.1%}" for share in found[:_SHOWN_CLASSES]]
    if len(found) > _SHOWN_CLASSES:
        parts.append(f"and {console.count(len(found) - _SHOWN_CLASSES, 'more class', 'more classes')}")
    if result.background_area:
        parts.append(f"background {result.background_area:.1%}")
    return ", ".join(parts)
