"""What ``freeda learn`` says of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeda_cli import console

if TYPE_CHECKING:
    from freeda_learn import LearnReport

_SHOWN_REJECTS = 5


def refuse_nothing(report: LearnReport) -> None:
    """Fail where nothing at all could be learned.

    Raises:
        UnusableExampleError: says why the first cannot be used.
    """
    from freeda_learn.errors import UnusableExampleError

    if report.in_vain:
        first = report.first_rejected[0]
        more = f" ({report.rejected - 1:,} more cannot be used either)" if report.rejected > 1 else ""
        raise UnusableExampleError(f"{first.place}: {first.reason}{more}")


def report_values(report: LearnReport) -> dict[str, Any]:
    """What a run did, as JSON values."""
    return {"examples": report.examples, "learned": dict(report.learned)} | run_values(report)


def run_values(report: LearnReport) -> dict[str, Any]:
    """What any run says beside what it learned, as JSON values."""
    return {
        "done_before": report.done_before,
        "prototypes": report.prototypes,
        "rejected": report.rejected,
        "first_rejected": [{"place": each.place, "reason": each.reason} for each in report.first_rejected],
        "revision": None if report.revision is None else report.revision.number,
    }


def report_facts(report: LearnReport) -> list[tuple[str, str]]:
    """What a run did, as names and values."""
    learned = ", ".join(f"{name} {count:,}" for name, count in sorted(report.learned.items()))
    return [("examples", f"{report.examples:,}"), ("learned", learned or "none"), *run_facts(report)]


def run_facts(report: LearnReport) -> list[tuple[str, str]]:
    """What any run says beside what it learned, as names and values."""
    facts: list[tuple[str, str]] = []
    if report.done_before:
        facts.append(("done before", f"{report.done_before:,}"))
    if report.rejected:
        lines = [f"{report.rejected:,}"]
        lines += [f"{each.place}: {each.reason}" for each in report.first_rejected[:_SHOWN_REJECTS]]
        if report.rejected > _SHOWN_REJECTS:
            lines.append(f"and {report.rejected - _SHOWN_REJECTS:,} more")
        facts.append(("not usable", "\n".join(lines)))
    revision = report.revision
    made = "none made, for nothing was new" if revision is None else f"{revision.number}: {revision.message}"
    stages = ", ".join(f"{stage} {console.duration(took)}" for stage, took in report.seconds.items())
    return [
        *facts,
        ("prototypes", f"{report.prototypes:,}"),
        ("time", f"{console.duration(report.total_seconds)}: {stages}"),
        ("revision", made),
    ]
