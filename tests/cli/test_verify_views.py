"""What ``bank verify`` says of what it found."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from freeda_cli.bank_views import verify_facts, verify_verdict
from freeda_store import VerifyReport
from freeda_store.repair.evidence import Contradiction

ONE = UUID(int=1)


def test_a_sound_bank_says_only_how_much_was_checked() -> None:
    report = VerifyReport(prototypes=1008)
    assert verify_facts(report) == [("prototypes checked", "1,008")]
    assert (verify_verdict(report), report.mended) == ("is sound", True)


def test_every_finding_says_what_a_repair_does() -> None:
    report = VerifyReport(
        prototypes=3,
        wrong_rows=(ONE,),
        wrong_vectors=(ONE,),
        wrong_answers=("retired_in=2: 0 are found and 12 are stored",),
        wrong_files=("revisions: 2 prototypes of revision id 3 are missing there or differ",),
        contradictions=(Contradiction(ONE, "kind", "noun", "nomn"),),
        uncompared=2,
    )
    facts = dict(verify_facts(report))
    assert facts["rows that the vectors prove wrong"] == "1; --repair restores them"
    assert "--repair takes them from the files" in facts["prototypes with other vectors than were written"]
    assert facts["revisions with wrong files"] == "1; --repair writes them anew"
    assert facts["wrong answers of the vectors"] == "1; --repair builds them anew"
    assert "nothing proves who is right" in facts["unresolved contradictions"]
    assert facts["vectors without a checksum"].startswith("2")
    shown = [told for name, told in verify_facts(report) if not name]
    assert shown == [*report.wrong_answers, *report.wrong_files]
    assert verify_verdict(report) == "is not sound"
    told = report.to_json()
    assert told["contradictions"] == [{"id": str(ONE), "field": "kind", "row": "noun", "point": "nomn"}]
    assert (told["ok"], told["mended"]) == (False, False)


def test_a_repair_that_loses_something_says_how_much(tmp_path: Path) -> None:
    report = VerifyReport(
        prototypes=1008, wrong_vectors=(ONE,), repaired=True, lost=(ONE,), kept_in=str(tmp_path)
    )
    assert verify_verdict(report) == "was not sound; of 1,008 prototypes 1,007 could be kept"
    assert not report.mended
    assert ("what was replaced", f"is kept in {tmp_path}") in verify_facts(report)


def test_what_was_regained_is_said(tmp_path: Path) -> None:
    report = VerifyReport(
        prototypes=8, rows_without_point=(ONE,), repaired=True, regained=(ONE,), kept_in=str(tmp_path)
    )
    facts = dict(verify_facts(report))
    assert facts["prototypes without vectors"] == "1; 1 taken from the files of revisions"
    assert report.mended


def test_a_broken_database_is_told_first() -> None:
    report = VerifyReport(prototypes=1, database_faults=("row 3 missing from index ix_prototype_noun",))
    facts = verify_facts(report)
    assert facts[1] == ("faults of the database", "1; restore the database from a copy")
    assert facts[2] == ("", "row 3 missing from index ix_prototype_noun")
    assert (report.ok, report.mended) == (False, False)
