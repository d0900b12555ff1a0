"""``freeda bank``: look into a bank, and correct it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import (
    bank_add,
    bank_archive,
    bank_authors,
    bank_complete,
    bank_new,
    bank_table,
    bank_transfer,
    console,
)
from freeda_cli.bank_views import (
    PROTOTYPE_COLUMNS,
    diff_facts,
    prototype_row,
    revision_row,
    verify_facts,
    verify_verdict,
)
from freeda_cli.errors import FAILURE, UsageError
from freeda_cli.options import (
    DEFAULT_BANK,
    BankOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    PresetOption,
    help_of,
    where_option,
)
from freeda_cli.presets import announce_download, preset_filter, preset_of_bank

if TYPE_CHECKING:
    from freeda_store import Bank

app = typer.Typer(
    no_args_is_help=True,
    help="Look into a bank, correct it, add to it, copy it, and prove that it is sound.",
    epilog="Example: freeda bank stats --bank flowers",
)

ListWhereOption = Annotated[list[str] | None, where_option("Count only prototypes that pass")]
SearchWhereOption = Annotated[list[str] | None, where_option("Search only among prototypes that pass")]
ShowWhereOption = Annotated[list[str] | None, where_option("Show only prototypes that pass")]
PruneWhereOption = Annotated[
    list[str] | None, where_option("Hide the prototypes that pass, and keep all others", "contrast<1.2")
]
RevisionArgument = Annotated[str, typer.Argument(metavar="REVISION", help="A revision's number, or a tag.")]


def _open(address: str) -> Bank:
    from freeda_store import Bank

    return Bank.read(address)


@app.command(epilog="Example: freeda bank stats --bank flowers@v2 --json")
def stats(bank: BankOption = DEFAULT_BANK, as_json: JsonOption = False) -> None:
    """Show what a bank holds: counts, models and size on disk."""
    from freeda_store.views.facts import stats_facts

    with _open(bank) as opened:
        counted = opened.stats()
    default = preset_filter(counted.preset)
    if as_json:
        console.emit_json(counted.to_json() | {"default_filter": default})
    else:
        console.show_facts(stats_facts(bank, counted, default))


@app.command("list", epilog="Example: freeda bank list --where 'source=coco'")
def list_nouns(
    bank: BankOption = DEFAULT_BANK, where: ListWhereOption = None, as_json: JsonOption = False
) -> None:
    """List the nouns of a bank with their number of prototypes, the most frequent first."""
    from freeda_store import parse_filter

    passing = parse_filter(where or [])
    with _open(bank) as opened:
        nouns = Counter(info.noun for info in opened.infos(passing))
    unlabelled = nouns.pop("", 0)
    rows = sorted(nouns.items(), key=lambda item: (-item[1], item[0]))
    if as_json:
        console.emit_json(dict(rows))
    else:
        console.show_table(("prototypes#", "noun"), ((f"{number:,}", noun) for noun, number in rows))
    if unlabelled:
        console.note(f"{console.count(unlabelled, 'prototype')} more of regions that nobody named")


@app.command(epilog="Example: freeda bank log --bank flowers")
def log(bank: BankOption = DEFAULT_BANK, as_json: JsonOption = False) -> None:
    """List the revisions of a bank, newest first, with their tags."""
    with _open(bank) as opened:
        revisions = opened.revisions()[::-1]
    if as_json:
        console.emit_json([asdict(revision) for revision in revisions])
        return
    columns = ("revision#", "parent#", "committed", "added#", "retired#", "tags", "message")
    console.show_table(columns, map(revision_row, revisions))


@app.command(epilog="Example: freeda bank diff 1 v2 --bank flowers")
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A revision's number, or a tag.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The revision or tag to compare with it.")],
    bank: BankOption = DEFAULT_BANK,
    as_json: JsonOption = False,
) -> None:
    """List what one revision shows that another does not."""
    from freeda_store.address import parse_version

    with _open(bank) as opened:
        found = opened.diff(parse_version(before), parse_version(after))
    if as_json:
        lists = {name: [str(item) for item in items] for name, items in asdict(found).items()}
        console.emit_json(lists)
    else:
        console.show_facts(diff_facts(found))


@app.command(epilog='Example: freeda bank search "red car" -k 5')
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, as a class name.")],
    bank: BankOption = DEFAULT_BANK,
    k: Annotated[
        int, typer.Option("-k", metavar="N", min=1, max=100_000, help="How many prototypes to list.")
    ] = 10,
    where: SearchWhereOption = None,
    preset: PresetOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """List the prototypes that a class name would retrieve, most similar first."""
    from freeda_models.loading import load_key_encoder
    from freeda_models.text.keys import embed_classes, prompts_named
    from freeda_store import parse_filter

    if not text.strip():
        raise UsageError("there is no text to search for; write for example `freeda bank search car`.")
    passing = parse_filter(where or [])
    with _open(bank) as opened:
        chosen = preset_of_bank(opened.manifest, preset)
        console.note(f"bank {bank}, preset {chosen.name}")
        announce_download(chosen, ("clip" if chosen.keys.encoder == "clip" else "keys",))
        encoder = load_key_encoder(chosen, device)
        opened.check_models({"keys": encoder.identity})
        prompts = prompts_named(opened.manifest.templates)
        (found,) = opened.nearest(embed_classes(encoder, [text.strip()], prompts), k, passing)
    hits = list(zip(found.similarities.tolist(), found.infos, strict=True))
    if as_json:
        from freeda_store.fields import to_json

        console.emit_json([{"similarity": similarity} | to_json(info) for similarity, info in hits])
        return
    rows = ((f"{similarity:.3f}", *prototype_row(info)) for similarity, info in hits)
    console.show_table(("similarity#", *PROTOTYPE_COLUMNS), rows)


@app.command(epilog="Example: freeda bank show car --out car.png")
def show(
    noun: Annotated[
        str, typer.Argument(metavar="NOUN", help="A noun as `freeda bank list` writes it; '' for none.")
    ],
    bank: BankOption = DEFAULT_BANK,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.png", show_default="NOUN.png", help="Where the picture goes."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=400, help="How many prototypes at most.")
    ] = 24,
    where: ShowWhereOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a contact sheet of a noun's prototypes: pictures, attribution, captions, scores."""
    from freeda_store import parse_filter
    from freeda_store.files.own_files import png_mark, require_free
    from freeda_store.files.whole_files import written_whole
    from freeda_store.views.contact_sheet import choose_prototypes, draw_contact_sheet, sheet_name
    from freeda_store.views.viewing import WatchedThumbnails

    passing = parse_filter(where or [])
    path = out or Path(sheet_name(noun))
    require_free([path], force=force)
    with _open(bank) as opened:
        chosen, total = choose_prototypes(opened, noun, limit=limit, where=passing)
        thumbnails = WatchedThumbnails(opened)
        sheet = draw_contact_sheet(thumbnails, chosen)
    for line in thumbnails.warnings():
        console.warn(line)
    with written_whole(path) as part:
        sheet.save(part, format="PNG", pnginfo=png_mark())
    if as_json:
        from freeda_store.fields import to_json

        console.emit_json({"path": str(path), "total": total, "shown": [to_json(i) for i in chosen]})
        return
    console.show_table(PROTOTYPE_COLUMNS, map(prototype_row, chosen))
    if total > len(chosen):
        console.note(f"{len(chosen)} of {total:,} shown, highest contrast first; --limit shows more.")
    console.say(str(path))


@app.command(epilog="Example: freeda bank tag v2 --at 17")
def tag(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A letter, then letters, digits, '.', '_', '-'.")
    ],
    bank: BankOption = DEFAULT_BANK,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="REVISION", show_default="the newest", help="Which revision: a number or a tag."
        ),
    ] = None,
    move: Annotated[bool, typer.Option("--move", help="Take the tag from another revision.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Forget the tag; its revision stays.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a revision a name, to be opened as BANK@NAME for ever."""
    from freeda_store.address import parse_version

    if delete and (at is not None or move):
        raise UsageError("--delete goes with neither --at nor --move; give one of them.")
    with _open(bank) as opened:
        if delete:
            opened.untag(name)
            if as_json:
                console.emit_json({"tag": name, "revision": None})
            else:
                console.say(f"tag {name} is forgotten")
            return
        revision = opened.tag(name, None if at is None else parse_version(at), move=move)
        if as_json:
            console.emit_json({"tag": name, "revision": revision.number})
        else:
            console.say(f"{opened.address.folder}@{name} is revision {revision.number}")


@app.command(epilog="Example: freeda bank rollback 3 --message 'the last run drew rubbish'")
def rollback(
    revision: RevisionArgument,
    bank: BankOption = DEFAULT_BANK,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="Why, for the history.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show again what an older revision showed, as a new revision; nothing is deleted."""
    from freeda_store.address import parse_version

    with _open(bank) as opened:
        made = opened.rollback(parse_version(revision), message)
    if as_json:
        console.emit_json({"revision": made.number, "message": made.message})
        return
    console.say(f"revision {made.number}: {made.message}")


@app.command(epilog="Example: freeda bank prune --where 'contrast<1.2' --dry-run")
def prune(
    bank: BankOption = DEFAULT_BANK,
    where: PruneWhereOption = None,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="Why, for the history.", show_default=False)
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be hidden.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Hide the prototypes that a filter finds, in a new revision; older revisions keep them."""
    from freeda_store import parse_filter
    from freeda_store.records import NO_NOUN

    passing = parse_filter(where or [])
    if not passing.conditions:
        raise UsageError("prune needs a filter; write for example --where 'contrast<1.2'.")
    with _open(bank) as opened:
        if not dry_run:
            opened.require_writable()
        nouns = Counter(info.noun for info in opened.infos(passing))
        before, made = opened.revision, None
        if nouns and not dry_run:
            made = opened.retire(passing, message or f"prune {passing}")
    if as_json:
        numbers = {"revision_before": before, "revision": made}
        known = {name: None if each is None else each.number for name, each in numbers.items()}
        named = {noun: number for noun, number in nouns.items() if noun}
        told = {"prototypes": nouns.total(), "nouns": named, "unlabelled": nouns[""]}
        console.emit_json(told | {"dry_run": dry_run, **known})
        return
    total = console.count(nouns.total(), "prototype")
    if nouns:
        rows = sorted(nouns.items(), key=lambda item: (-item[1], item[0]))
        told_rows = ((f"{number:,}", noun or NO_NOUN) for noun, number in rows)
        console.show_table(("prototypes#", "noun"), told_rows)
    if dry_run:
        console.say(f"{total} of {bank} would be hidden")
    elif not nouns:
        console.say(f"nothing in {bank} passes {passing}")
    elif made is not None and before is not None:
        undo = f"freeda bank rollback {before.number} --bank {bank}"
        console.say(f"revision {made.number}: {total} hidden; undo with `{undo}`")


def verify(
    bank: BankOption = DEFAULT_BANK,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that a bank's database, vectors and thumbnails are whole and agree; exit code 1 if not.

    With --repair, only what is proved wrong is replaced, and what is replaced is kept in BANK/damaged.
    Prototypes that nothing could bring back are given up, and the exit code is 1: ingest the same
    captions to make them anew.
    """
    from freeda_store.salvage import open_to_verify, salvage

    for line in salvage(bank) if repair else ():
        console.warn(line)
    with open_to_verify(bank) as opened:
        report = opened.verify(repair=repair)
    if as_json:
        console.emit_json(report.to_json())
    else:
        console.show_facts(verify_facts(report))
        console.say(f"{bank} {verify_verdict(report)}")
    if not report.mended:
        raise typer.Exit(FAILURE)


app.command(help=help_of(verify), epilog="Example: freeda bank verify --repair")(verify)
app.command("export-table", epilog=bank_table.EPILOG)(bank_table.export_table)
app.command(help=help_of(bank_transfer.push), epilog=bank_transfer.PUSH_EPILOG)(bank_transfer.push)
app.command(help=help_of(bank_transfer.pull), epilog=bank_transfer.PULL_EPILOG)(bank_transfer.pull)
app.command(help=help_of(bank_new.new), epilog=bank_new.EPILOG)(bank_new.new)
app.command(help=help_of(bank_add.add), epilog=bank_add.EPILOG)(bank_add.add)
app.command(help=help_of(bank_complete.complete), epilog=bank_complete.EPILOG)(bank_complete.complete)
app.command(help=help_of(bank_authors.import_freeda), epilog=bank_authors.EPILOG)(bank_authors.import_freeda)
for name, command, epilog in (
    ("export", bank_archive.export_archive, bank_archive.EXPORT_EPILOG),
    ("import", bank_archive.import_archive, bank_archive.IMPORT_EPILOG),
    ("publish", bank_archive.publish, bank_archive.PUBLISH_EPILOG),
    ("fetch", bank_archive.fetch, bank_archive.FETCH_EPILOG),
):
    app.command(name, help=help_of(command), epilog=epilog)(command)
