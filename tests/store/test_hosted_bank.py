"""The tests of banks and their verification once more, on Qdrant's client and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosted_makers import Team
from test_bank import (  # noqa: F401 - collected here with the fixtures below
    test_a_thread_may_write_while_another_reads,
    test_captions_without_nouns_are_remembered,
    test_concurrent_writers_of_the_same_captions,
    test_empty_bank,
    test_filters_and_infos,
    test_invalid_generations_write_nothing,
    test_one_run_has_one_writer,
    test_open_revisions_are_unseen_and_resumed,
    test_retire_by_filter_and_by_id,
    test_rollback_and_ingest_again,
    test_the_same_again_makes_no_revision,
    test_versions_in_addresses,
    test_what_is_written_is_found,
    test_wrong_questions,
)
from test_verify import (  # noqa: F401
    filled,
    test_leftovers_of_a_run_that_goes_on_are_no_fault,
    test_lost_points_of_an_open_revision_are_drawn_again,
    test_points_without_rows,
    test_rows_without_points_are_drawn_again,
    test_wrong_payloads,
)

from freeda_store import Bank

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")


@pytest.fixture
def folder(team: Team) -> str:
    """The address of a hosted bank, where the borrowed tests expect a folder."""
    return "team"


@pytest.fixture
def bank(team: Team) -> Iterator[Bank]:
    with Bank.open("team") as opened:
        yield opened
