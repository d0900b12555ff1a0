"""``freeda explain``: why regions of a picture have their labels, and what retiring prototypes changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from freeda_cli import console
from freeda_cli import segment_options as o
from freeda_cli.errors import UsageError
from freeda_cli.next_commands import next_commands
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, ForceOption, JsonOption, PresetOption
from freeda_cli.presets import (
    SEGMENT_ROLES,
    announce_download,
    asked_regions,
    bank_line,
    open_bank_and_preset,
)
from freeda_cli.segment_settings import SettingChanges, gather_classes
from freeda_cli.setting_options import with_segment_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeda_segment import Comparison, Explanation

EPILOG = 'Example: freeda explain photo.jpg -c "red car,tree,grass,sky" --at 320,200'
_REGIONS = 8
_SHOWN = 5
_COLUMNS = ("class", "alike#", "similarity#", "id", "noun", "source", "caption")


@with_segment_options
def explain(
    ctx: typer.Context,
    picture: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.")],
    classes: o.ClassesOption = None,
    classes_file: o.ClassesFileOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="X,Y",
            show_default=f"the largest region of each class, of {_REGIONS} classes at most",
            help="Explain the region at this pixel, counted from the upper left corner.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.html",
            show_default=f"{o.DEFAULT_OUT}/IMAGE.explain.html",
            help="Where the page goes; the same as JSON goes beside it.",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=400, help="Prototypes to show per class."),
    ] = 12,
    retire: Annotated[
        list[str] | None,
        typer.Option(
            "--retire",
            metavar="ID",
            help="Hide this prototype in a new revision of the bank, and show what that changes.",
        ),
    ] = None,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="Why, for the history.", show_default=False)
    ] = "",
    *,
    changes: SettingChanges,
    device: DeviceOption = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show why regions have their labels: the prototypes behind them, and the runner-up class.

    Writes a page with each prototype's picture, attribution, caption, similarity and provenance. With
    --retire a bad prototype is hidden in a new revision, and the page shows the difference.
    """
    from freeda_segment import SegmentSettings, open_segmenter, read_picture, retire_and_compare
    from freeda_segment.outputs import explanation_page_of, explanation_stem, picture_hash, picture_place
    from freeda_segment.outputs.explanation_json import explanation_document
    from freeda_segment.outputs.explanation_page import ExplanationPage
    from freeda_segment.outputs.files import write_text
    from freeda_store.files.own_files import file_ids, require_free
    from freeda_store.views.viewing import WatchedThumbnails

    place, ids = pixel(at), prototype_ids(retire or [])
    wanted = gather_classes(classes or [], classes_file)
    _check_paths(picture, out)
    target = out or explanation_page_of(o.DEFAULT_OUT, explanation_stem(o.DEFAULT_OUT, picture))
    beside = target.with_name(target.name.removesuffix(".html").removesuffix(".explain") + ".explain.json")
    inputs = file_ids([picture, classes_file or "", preset or ""])
    require_free([target, beside], inputs=inputs, force=force)
    read = read_picture(picture)
    with open_bank_and_preset(bank, preset) as source:
        settings = changes.change(SegmentSettings.of(source.preset.segment))
        opened, chosen = source.bank, source.preset
        console.note(bank_line(bank, source.preset, settings.where))
        announce_download(chosen, SEGMENT_ROLES, bank=opened, regions=asked_regions(settings))
        segmenter = open_segmenter(opened, preset=chosen, device=device, settings=settings)
        if ids:
            opened.require_writable()
        encoded = segmenter.encode(read)
        before = segmenter.label(encoded, segmenter.prepare(wanted), keep_evidence=True)
        for line in before.notes:
            console.warn(line)
        places = [place] if place is not None else before.largest_regions(_REGIONS)
        explanations = [before.explain_at(*each, opened, limit) for each in places]
        comparison, after = None, []
        if ids:
            comparison = retire_and_compare(segmenter, encoded, wanted, ids, message)
            after = [comparison.after.explain_at(*each, opened, limit) for each in places]
        thumbnails = WatchedThumbnails(opened)
        commands = next_commands(ctx, picture, bank, out)
        page = ExplanationPage(before, explanations, places, thumbnails, comparison, after, commands)
        page.write(target)
    for line in thumbnails.warnings():
        console.warn(line)
    document = explanation_document(
        str(picture),
        before,
        explanations,
        comparison,
        after,
        file=picture_place(picture, target.parent),
        sha256=picture_hash(picture),
    )
    write_text(beside, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        console.emit_json(document | {"written": {"page": str(target), "json": str(beside)}})
        return
    for number, each in enumerate(explanations, start=1):
        console.say(f"region {number}, {each.area:.1%}: {verdict(each)}")
    console.show_table(_COLUMNS, (row for each in explanations for row in prototype_rows(each)))
    if comparison is not None:
        _tell_difference(comparison, after, bank)
    console.say(str(target))
    console.say(str(beside))


def _check_paths(picture: Path, out: Path | None) -> None:
    """Find out before anything is looked up, or retired, that the page cannot be made."""
    if not picture.is_file():
        found = "is a folder" if picture.is_dir() else "does not exist"
        raise UsageError(f"picture {picture} {found}; give the file of one picture.")
    if out is not None and out.is_dir():
        raise UsageError(f"--out {out} is a folder; give the page's file, for example {out / 'why.html'}.")


def pixel(text: str | None) -> tuple[int, int] | None:
    """``320,200`` as column and row.

    Raises:
        UsageError: it is not so written.
    """
    if text is None:
        return None
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"'{text}' is no pixel; write column and row, for example --at 320,200.") from None
    return x, y


def prototype_ids(texts: Sequence[str]) -> list[UUID]:
    """The ids of ``--retire``.

    Raises:
        UsageError: one is not an id.
    """
    ids = []
    for text in texts:
        try:
            ids.append(UUID(text.strip()))
        except ValueError:
            raise UsageError(f"'{text}' is no prototype's id; copy one from the page of explain.") from None
    return ids


def verdict(each: Explanation) -> str:
    """``car 0.5512, then tree 0.5400 (margin 0.0112)``."""
    told = f"{each.best.name} {each.best.score:.4f}"
    if each.runner_up is not None:
        told += f", then {each.runner_up.name} {each.runner_up.score:.4f} (margin {each.margin:.4f})"
    if each.retrieval is not None:
        told += (
            f"; by classes {each.retrieval.by_classes}, by regions {each.retrieval.by_regions or 'nothing'}"
        )
    if each.label != each.best.index:
        told += f", labelled {each.label_name or 'other'}"
    if each.other is not None and not each.label_name:
        told += f": more like the bank's '{each.other.name}' {each.other.score:.4f}"
    return told


def prototype_rows(each: Explanation) -> list[tuple[object, ...]]:
    """The first prototypes of the best class, for a table."""
    return [
        (
            each.best.name,
            "" if one.likeness is None else f"{one.likeness:.3f}",
            f"{one.similarity:.3f}",
            one.info.id,
            one.info.noun,
            one.info.source or "unknown",
            one.info.caption,
        )
        for one in each.best.prototypes[:_SHOWN]
    ]


def _tell_difference(comparison: Comparison, after: Sequence[Explanation], bank: str) -> None:
    old, new = comparison.before.provenance.revision, comparison.after.provenance.revision
    retired = console.count(len(comparison.retired), "prototype")
    console.say(f"revision {new}: {retired} hidden; undo with `freeda bank rollback {old} --bank {bank}`")
    unused = len(comparison.retired) - len(comparison.used)
    if unused:
        console.warn(f"{unused} of them stood behind no class of this picture.")
    console.say(f"{comparison.changed_area:.1%} of the picture has another label")
    for number, each in enumerate(after, start=1):
        console.say(f"region {number} now: {verdict(each)}")
