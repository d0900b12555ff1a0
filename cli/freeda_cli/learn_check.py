"""``freeda learn --check``: which pictures have other labels by what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeda_cli import console
from freeda_cli.progress import SegmentBar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeda_learn import Learner, LearnReport, Rejected
    from freeda_learn.checking import CheckedPicture

_SHOWN_CHANGED = 20


def check_learned(
    learner: Learner, bank: str, report: LearnReport, pictures: Sequence[Path]
) -> list[CheckedPicture | Rejected] | None:
    """What a run changed in pictures; None where none are to be looked at, or nothing was learned."""
    from freeda_learn.checking import View, check_pictures, names_to_check
    from freeda_store import Bank

    if report.revision is None or not pictures:
        return None
    parent = report.revision.parent
    learned = list(report.learned)
    segmenter = learner.segmenter(learner.bank)
    where = segmenter.settings.where
    after = View(segmenter, names_to_check(learned, learner.bank, where))
    with Bank.read(f"{bank}@{parent}" if parent else bank) as earlier, SegmentBar(len(pictures)) as bar:
        held = names_to_check(learned, earlier, where) if parent else ()
        before = View(learner.segmenter(earlier), held) if held else None
        return list(check_pictures(before, after, pictures, bar))


def show_checked(checked: Sequence[CheckedPicture | Rejected]) -> None:
    """The pictures whose labels are others now, those that changed most first."""
    from freeda_learn import Rejected

    for each in checked:
        if isinstance(each, Rejected):
            console.warn(f"{each.place}: {each.reason}")
    looked = [each for each in checked if not isinstance(each, Rejected)]
    changed = sorted((each for each in looked if each.changed), key=lambda each: -each.changed)
    console.say("")
    console.say(f"{len(changed):,} of {console.count(len(looked), 'picture')} have other labels than before")
    rows = ((each.picture, f"{each.changed:.1%}", _moves(each)) for each in changed[:_SHOWN_CHANGED])
    console.show_table(("picture", "changed#", "from and to"), rows)
    if len(changed) > _SHOWN_CHANGED:
        console.note(f"and {len(changed) - _SHOWN_CHANGED:,} more; --json lists all.")


def _moves(each: CheckedPicture) -> str:
    return ", ".join(f"{move.before} to {move.after} {move.area:.1%}" for move in each.moves)


def checked_values(each: CheckedPicture | Rejected) -> dict[str, Any]:
    """What changed in a picture, as JSON values."""
    from freeda_learn import Rejected

    if isinstance(each, Rejected):
        return {"picture": each.place, "error": each.reason}
    moves = [{"before": move.before, "after": move.after, "area": move.area} for move in each.moves]
    return {"picture": str(each.picture), "changed": each.changed, "moves": moves}
