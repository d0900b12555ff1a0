"""How what is known of a bank is laid out for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeda_store import BankDiff, PrototypeInfo, RevisionInfo, VerifyReport

_SHOWN = 12
PROTOTYPE_COLUMNS = ("id", "noun", "contrast#", "area#", "clip#", "outlier#", "source", "caption")


def revision_row(revision: RevisionInfo) -> tuple[object, ...]:
    """One line of ``bank log``."""
    parent = "" if revision.parent is None else revision.parent
    return (
        revision.number,
        parent,
        revision.committed_at[:19].replace("T", " "),
        f"+{revision.prototypes_added:,}",
        f"-{revision.prototypes_retired:,}",
        " ".join(revision.tags),
        revision.message,
    )


def prototype_row(info: PrototypeInfo) -> tuple[object, ...]:
    """One prototype, for :data:`PROTOTYPE_COLUMNS`."""
    from freeda_store.records import NO_NOUN

    scores = info.scores
    return (
        info.id,
        info.noun or NO_NOUN,
        f"{scores.contrast:.2f}" if scores.known else "",
        f"{scores.area:.1%}" if scores.known else "",
        f"{scores.clip_agreement:.3f}" if scores.known else "",
        f"{scores.outlier_distance:.2f}",
        info.source or "unknown",
        info.caption,
    )


def diff_facts(diff: BankDiff) -> list[tuple[str, str]]:
    """The lines of ``bank diff``."""
    return [
        ("prototypes gained", f"{len(diff.prototypes_gained):,}"),
        ("prototypes lost", f"{len(diff.prototypes_lost):,}"),
        ("nouns gained", _names(diff.nouns_gained)),
        ("nouns lost", _names(diff.nouns_lost)),
    ]


def _names(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    rest = len(names) - _SHOWN
    tail = f" and {rest:,} more (--json lists all)" if rest > 0 else ""
    return f"{len(names):,}: {', '.join(names[:_SHOWN])}{tail}"


def verify_facts(report: VerifyReport) -> list[tuple[str, str]]:
    """What ``bank verify`` found; nothing but the count when all is well."""
    restore = "restore them from a copy of the bank"
    anew = "ingest the same captions to make them anew"
    forgotten = f"forgotten; {anew}"
    if report.regained:
        rest = f"; the rest is {forgotten}" if report.lost else ""
        forgotten = f"{len(report.regained):,} taken from the files of revisions{rest}"
    forget = (forgotten, f"--repair takes them from the files of revisions, or forgets them; then {anew}")
    rewrite = ("rewritten", "--repair rewrites them")
    by_hand = "nothing proves who is right, so they stay; compare with a copy (--json lists them)"
    snapshot = "left as they are; only a snapshot of the server brings them back"
    altered = (forget[0] if report.kept_in else snapshot, f"of a folder, {forget[1]}")
    rebuilt = "built anew" if report.kept_in else f"left as they are; {restore}"
    files = f"{len(report.files_left):,} could not be written anew" if report.files_left else "written anew"
    set_again = "left; make the collection anew" if report.settings_left else "set again"
    found = (
        ("faults of the database", report.database_faults, "", "restore the database from a copy"),
        ("wrong answers of the vectors", report.wrong_answers, rebuilt, "--repair builds them anew"),
        ("revisions with wrong files", report.wrong_files, files, "--repair writes them anew"),
        ("settings of the collection", report.wrong_settings, set_again, "--repair sets them again"),
        ("vectors unknown to the database", report.points_without_row, "removed", "--repair removes them"),
        ("prototypes without vectors", report.rows_without_point, *forget),
        ("prototypes with other vectors than were written", report.wrong_vectors, *altered),
        ("vectors that contradict the database", report.wrong_payloads, *rewrite),
        ("rows that the vectors prove wrong", report.wrong_rows, "restored", "--repair restores them"),
        ("wrong checksums", report.wrong_checksums, *rewrite),
        ("wrong semantic vectors", report.wrong_semantics, *rewrite),
        ("unresolved contradictions", report.contradictions, by_hand, by_hand),
        ("files that nothing refers to", report.stray_thumbnails, "deleted", "--repair deletes them"),
        ("missing thumbnails", report.missing_thumbnails, restore, restore),
        ("damaged thumbnails", report.damaged_thumbnails, restore, restore),
    )
    facts = [("prototypes checked", f"{report.prototypes:,}")]
    facts += [
        (name, f"{len(those):,}; {done if report.repaired else remedy}")
        for name, those, done, remedy in found
        if those
    ]
    facts += [
        ("", told)
        for told in (
            *report.database_faults,
            *report.wrong_answers,
            *report.wrong_files,
            *report.wrong_settings,
        )[:_SHOWN]
    ]
    if report.uncompared:
        remedy = "they have one now" if report.repaired else "--repair gives them one"
        facts.append(
            ("vectors without a checksum", f"{report.uncompared:,}, compared with nothing; {remedy}")
        )
    if report.leftovers:
        facts.append(
            ("of unfinished runs", f"{report.leftovers:,}; no fault, the same command goes on from there")
        )
    if report.kept_in:
        facts.append(("what was replaced", f"is kept in {report.kept_in}"))
    return facts


def verify_verdict(report: VerifyReport) -> str:
    """The last words of ``bank verify``, after the bank's name."""
    if report.lost:
        kept = report.prototypes - len(report.lost)
        return f"was not sound; of {report.prototypes:,} prototypes {kept:,} could be kept"
    if report.ok:
        return "is sound"
    return "was not sound" if report.mended else "is not sound"
