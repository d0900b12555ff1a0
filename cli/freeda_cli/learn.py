"""``freeda learn``: what a person marked in pictures becomes prototypes of its class."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freeda_cli import console
from freeda_cli.bank_add import show_separations
from freeda_cli.errors import INTERRUPTED, UsageError
from freeda_cli.executors import DevicesOption, ExecutorName, ExecutorOption, WorkersOption, place_of
from freeda_cli.learn_check import check_learned, checked_values, show_checked
from freeda_cli.learn_report import refuse_nothing, report_facts, report_values
from freeda_cli.learn_unlabelled import (
    MinShareOption,
    MostRegionsOption,
    UnlabelledOption,
    learn_unlabelled,
    region_limits,
    require_no_names,
)
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption
from freeda_cli.presets import announce_download, preset_of_existing
from freeda_cli.progress import LearnBar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from freeda_learn import Disagreement, Example, LearnReport, Marks, Rejected
    from freeda_learn.checking import CheckedPicture
    from freeda_learn.labels.common import Labels
    from freeda_store.views.separation import Separation

EPILOG = "Example: freeda learn photo.jpg --at 320,200 --as forklift --bank mine"
_SHOWN_ODD = 5
_NUMBERS = {2: "X,Y", 4: "LEFT,TOP,RIGHT,BOTTOM"}

PicturesArgument = Annotated[
    list[str],
    typer.Argument(metavar="PICTURE", help="A picture; with --whole also several; with --labels a folder."),
]
NameOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="What it is: the name of its class.")
]
AtOption = Annotated[
    list[str] | None,
    typer.Option(
        "--at", metavar="X,Y", help="The region under this pixel, column and row from 0; may be repeated."
    ),
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option("--box", metavar="LEFT,TOP,RIGHT,BOTTOM", help="What fills this box; may be repeated."),
]
MaskOption = Annotated[
    Path | None,
    typer.Option("--mask", metavar="FILE", help="What is not black in this picture of the same size."),
]
NotAtOption = Annotated[
    list[str] | None,
    typer.Option("--not-at", metavar="X,Y", help="The region under this pixel is not it; may be repeated."),
]
WholeOption = Annotated[bool, typer.Option("--whole", help="The whole picture is it.")]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE|FOLDER",
        help="Labels of all pictures of a folder: COCO, Label Studio, LabelMe, YOLO, indexed masks, a data "
        "set's name; the folder itself where each folder in it is a class.",
    ),
]
ClassesOption = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        show_default="beside the labels",
        help="With --labels of masks or YOLO: the names of classes, one a line, by their numbers.",
    ),
]
CheckOption = Annotated[
    list[str] | None,
    typer.Option(
        "--check",
        metavar="FOLDER",
        help="Say which of these pictures have other labels than before; may be repeated.",
    ),
]
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", show_default="your user name", help="Who marked it, for the bank."),
]
NoThumbnailsOption = Annotated[
    bool, typer.Option("--no-thumbnails", help="Keep no picture: only vectors enter the bank.")
]
MessageOption = Annotated[
    str,
    typer.Option(
        "--message",
        "-m",
        metavar="TEXT",
        show_default="learn NAME",
        help="What the history says of this revision.",
    ),
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="TEXT", show_default=False, help="Provenance: where they are from.")
]
LicenseOption = Annotated[
    str, typer.Option("--license", metavar="TEXT", show_default=False, help="Provenance: their licence.")
]
UrlOption = Annotated[
    str, typer.Option("--url", metavar="URL", show_default=False, help="Provenance: their address.")
]


def learn(
    pictures: PicturesArgument,
    name: NameOption = None,
    at: AtOption = None,
    box: BoxOption = None,
    mask: MaskOption = None,
    not_at: NotAtOption = None,
    whole: WholeOption = False,
    labels: LabelsOption = None,
    classes: ClassesOption = None,
    unlabelled: UnlabelledOption = False,
    min_share: MinShareOption = None,
    most_regions: MostRegionsOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    check: CheckOption = None,
    by: ByOption = None,
    source: SourceOption = "",
    license_: LicenseOption = "",
    url: UrlOption = "",
    no_thumbnails: NoThumbnailsOption = False,
    message: MessageOption = "",
    device: DeviceOption = "auto",
    devices: DevicesOption = None,
    executor: ExecutorOption = ExecutorName.LOCAL,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a bank what a class looks like, by what is marked in pictures of your own.

    Nothing is trained and no caption is needed. What was learned stands beside what was drawn: a region
    belongs to the class when it resembles either. Running the same command again adds nothing. The
    revision is taken back with `freeda bank rollback`. With --unlabelled nothing is marked and named.
    """
    from freeda_cli.pictures import find_pictures
    from freeda_learn import LearnOptions, UnlabelledPicture, disagreements, open_learner
    from freeda_learn.labels.common import examples_of
    from freeda_store import Bank, parse_filter
    from freeda_store.opening.hindrances import require_writable
    from freeda_store.views.separation import measure_separation

    marked = bool(name or at or box or mask or not_at or whole)
    options = LearnOptions(by=by, message=message, thumbnails=not no_thumbnails)
    limits = region_limits(min_share, most_regions)
    if unlabelled:
        marks = {"--at": at, "--box": box, "--mask": mask, "--not-at": not_at, "--whole": whole}
        others = {"--as": name, "--labels": labels, "--classes": classes, "--check": check}
        require_no_names({option: bool(value) for option, value in (others | marks).items()})
        if devices is not None or workers is not None or executor is not ExecutorName.LOCAL:
            raise UsageError("--unlabelled computes in this process; leave out --devices and --executor.")
        provenance = UnlabelledPicture(Path(), source=source, license=license_, url=url)
        learn_unlabelled(
            pictures,
            provenance,
            limits,
            options,
            bank=bank,
            preset=preset,
            device=device,
            as_json=as_json,
        )
        return
    if min_share is not None or most_regions is not None:
        raise UsageError("--min-share and --most-regions are of --unlabelled; give it too.")
    label_set = _labels(pictures, labels, classes, marked=marked)
    examples = (
        _examples(pictures, name, at or [], box or [], mask, not_at or [], whole) if label_set is None else []
    )
    checked_files = find_pictures(check).pictures if check else []
    place = place_of(executor, device, devices, workers)
    require_writable(bank)
    bar = LearnBar("pictures")
    chosen = preset_of_existing(bank, preset)
    console.note(f"bank {bank}, preset {chosen.name}")
    announce_download(chosen, bank=bank)
    told: Iterable[Example | Rejected] = examples
    if label_set is not None:
        console.note(f"{labels}: {label_set.format}, {console.count(label_set.pictures, 'picture')}")
        told = examples_of(bar.following(label_set))
        run = f"learn {Path(pictures[0]).absolute()} {Path(labels or '').absolute()}"
        options = replace(options, message=message or f"learn {Path(labels or '').name}", name=run)
    told = (_with_provenance(each, source, license_, url) for each in told)
    with open_learner(bank, chosen, device=place.nearest, executor=place.executor) as learner:
        with bar:
            report = learner.learn(told if label_set is not None else list(told), options, bar)
        checked = check_learned(learner, bank, report, checked_files)
    if report.interrupted:
        console.note("stopped after the batch in hand; run the same command again to go on from here.")
        raise typer.Exit(INTERRUPTED)
    with Bank.read(bank) as opened:
        names = [each for each in report.learned if any(opened.infos(parse_filter([f"noun={each}"])))]
        measured = measure_separation(opened, names, parse_filter(["kind!=rest"])) if names else []
        odd = disagreements(opened, names)
    show_report(report, measured, odd, bank, checked, as_json=as_json)


def _examples(
    pictures: Sequence[str],
    name: str | None,
    at: Sequence[str],
    boxes: Sequence[str],
    mask: Path | None,
    not_at: Sequence[str],
    whole: bool,
) -> list[Example]:
    """What the arguments mark.

    Raises:
        UsageError: no name, nothing or too much is marked.
    """
    from freeda_cli.pictures import find_pictures
    from freeda_learn import Example, Marks
    from freeda_learn.examples import class_name
    from freeda_learn.pictures import read_mask

    if name is None:
        raise UsageError("say what it is, as in --as forklift.")
    marked = bool(at or boxes or mask)
    if not marked and not whole:
        raise UsageError("say where it is, with --at X,Y, --box, --mask FILE or --whole.")
    if marked and whole:
        raise UsageError("--whole is the whole picture; leave out --at, --box and --mask.")
    found = find_pictures(pictures).pictures
    if marked and len(found) > 1:
        raise UsageError(f"the marks are of one picture, and {len(found)} are given; name one.")
    marks = Marks(
        at=tuple((x, y) for x, y in (_numbers("--at", each, 2) for each in at)),
        boxes=tuple((a, b, c, d) for a, b, c, d in (_numbers("--box", each, 4) for each in boxes)),
        not_at=tuple((x, y) for x, y in (_numbers("--not-at", each, 2) for each in not_at)),
        mask_hw=None if mask is None else read_mask(mask),
        whole=whole,
    )
    if marked:
        _check_inside(marks, found[0])
    return [Example(picture, class_name(name), marks) for picture in found]


def _check_inside(marks: Marks, picture: Path) -> None:
    """Refuse marks beyond a picture, before networks are loaded; one that cannot be read is told of later.

    Raises:
        UsageError: names the option and the picture's size.
    """
    from freeda_learn import Marks
    from freeda_learn.errors import MarkError
    from freeda_segment.errors import ImageError
    from freeda_segment.images import upright_size

    try:
        size_hw = upright_size(picture)
    except ImageError:
        return
    for option, at, boxes in (
        ("--at", marks.at, ()),
        ("--not-at", marks.not_at, ()),
        ("--box", (), marks.boxes),
    ):
        try:
            if at or boxes:
                Marks(at=at, boxes=boxes).check_inside(size_hw)
        except MarkError as error:
            raise UsageError(f"{option}: {picture}: {error}") from None


def _labels(
    pictures: Sequence[str], labels: Path | None, classes: Path | None, *, marked: bool
) -> Labels | None:
    """The labels that are given; None where marks are to be.

    Raises:
        UsageError: more is given than one folder of pictures and its labels.
    """
    from freeda_learn.labels.reading import open_labels

    if labels is None:
        if classes is not None:
            raise UsageError("--classes names the numbers of --labels; give both.")
        return None
    if marked:
        raise UsageError("--labels says what the pictures show; leave out --as and the marks.")
    if len(pictures) > 1:
        raise UsageError(f"--labels is of one folder of pictures, and {len(pictures)} are given.")
    return open_labels(pictures[0], labels, classes)


def _with_provenance(example: Example | Rejected, source: str, license_: str, url: str) -> Example | Rejected:
    from freeda_learn import Rejected

    if isinstance(example, Rejected):
        return example
    return replace(
        example,
        source=source or example.source,
        license=license_ or example.license,
        url=url or example.url,
    )


def _numbers(option: str, text: str, count: int) -> tuple[int, ...]:
    """Whole numbers between commas.

    Raises:
        UsageError: they are other ones.
    """
    parts = text.split(",")
    if len(parts) != count or not all(re.fullmatch(r"\s*[0-9]{1,6}\s*", part) for part in parts):
        example = "320,200" if count == 2 else "100,80,400,300"
        raise UsageError(f"{option} is '{text}'; give pixels as {_NUMBERS[count]}, for example {example}.")
    return tuple(int(part) for part in parts)


def show_report(
    report: LearnReport,
    measured: Sequence[Separation],
    odd: Sequence[Disagreement],
    bank: str,
    checked: Sequence[CheckedPicture | Rejected] | None,
    *,
    as_json: bool,
) -> None:
    """Print what a run did, how what it learned stands apart, which examples disagree, and what changed.

    Raises:
        UnusableExampleError: nothing at all could be learned.
    """
    refuse_nothing(report)
    if as_json:
        concepts = {"concepts": [each.to_json() for each in measured]}
        disagree = {"disagree": [_odd_values(each) for each in odd]}
        changed = {} if checked is None else {"checked": [checked_values(each) for each in checked]}
        console.emit_json(report_values(report) | concepts | disagree | changed)
        return
    console.show_facts(report_facts(report))
    show_separations(measured, bank)
    for one in odd[:_SHOWN_ODD]:
        console.warn(
            f"'{one.example.caption}' looks more like '{one.other}' ({one.likeness:.2f}) than like the other "
            f"examples ({one.own:.2f}); if it is wrong, `freeda bank prune --where seed={one.example.seed} "
            f"--bank {quote(bank)}` takes it back."
        )
    if len(odd) > _SHOWN_ODD:
        console.warn(f"{console.count(len(odd) - _SHOWN_ODD, 'more example')} like these; --json lists all.")
    if checked is not None:
        show_checked(checked)


def _odd_values(each: Disagreement) -> dict[str, Any]:
    """An example that disagrees, as JSON values."""
    return {
        "caption": each.example.caption,
        "seed": each.example.seed,
        "own": each.own,
        "other": each.other,
        "likeness": each.likeness,
    }
