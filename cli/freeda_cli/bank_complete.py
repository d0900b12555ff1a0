"""``freeda bank complete``: what an earlier version did not keep, filled in from the bank's own pictures."""

from __future__ import annotations

from dataclasses import asdict

from freeda_cli import console
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption
from freeda_cli.presets import announce_download, preset_of_existing

_TOLD_EVERY = 1000
EPILOG = "Example: freeda bank complete --bank flowers"


def complete(
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Give an older bank what searches from regions need.

    Every prototype gets CLIP's view of its region, from the picture and the map that the bank keeps, in
    place: no revision is made, and none shows other prototypes. Prototypes without a picture, as those of an
    imported bank, stay without. Stopped, the same command goes on where it was.
    """
    from freeda_ingest.completing import CompletionReport, complete_bank
    from freeda_store.opening.hindrances import require_writable

    require_writable(bank)
    chosen = preset_of_existing(bank, preset)
    announce_download(chosen, bank=bank)

    def tell(report: CompletionReport) -> None:
        if report.completed // _TOLD_EVERY > told[0]:
            told[0] = report.completed // _TOLD_EVERY
            console.note(f"{report.completed:,} completed")

    told = [0]

    report = complete_bank(bank, preset=chosen, device=device, progress=None if as_json else tell)
    if as_json:
        console.emit_json({name: each for name, each in asdict(report).items() if not name.startswith("_")})
        return
    console.show_facts(_facts(report.completed, report.without_picture, report.unreadable))
    if report.completed:
        console.note(
            "regions agree with their nouns as they did at ingestion, but for "
            f"{report.deviation:.3f} on average, for pictures are kept compressed."
        )
    if report.unlike:
        console.warn(
            f"{console.count(report.unlike, 'prototype')} agree with their nouns otherwise than was kept; "
            "the pictures or the model may not be those that the bank was made with."
        )


def _facts(completed: int, without_picture: int, unreadable: int) -> list[tuple[str, str]]:
    facts = [("completed", f"{completed:,}")]
    if without_picture:
        facts.append(("left", f"{without_picture:,} without a picture: nothing can be seen of their regions"))
    if unreadable:
        facts.append(("unreadable", f"{unreadable:,}; `freeda bank verify` names pictures that are gone"))
    return facts
