"""Writers whose sessions with PostgreSQL end under them, and poolers that would give them others."""

from __future__ import annotations

import time

import pytest
from hosted_makers import Team
from pooler import running_pooler
from store_makers import make_generation

from freeda_store import Bank
from freeda_store.errors import BankInUseError, SettingsError, StorageError

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")
HOLDERS = "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"


def end_sessions(team: Team) -> int:
    """End all sessions that hold a lock of freeda's, as an administrator or a fail-over does."""
    ended = team.postgres.run(team.sql_url, f"SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) AS holder")
    while team.postgres.run(team.sql_url, HOLDERS):
        time.sleep(0.01)
    return len(ended)


def test_a_lost_lock_is_taken_again(team: Team) -> None:
    with Bank.open("team") as one, Bank.open("team") as two, one.write("m", "run") as writer:
        writer.add([make_generation(1)])
        assert end_sessions(team) == 1
        writer.add([make_generation(2)])
        with pytest.raises(BankInUseError, match="'run' is being written by another process"):
            two.write("m", "run")
        assert end_sessions(team) == 1
        assert writer.commit() is not None
        assert one.stats().prototypes == 4
        assert one.verify().ok


def test_a_run_that_another_took_meanwhile_is_left_to_it(team: Team) -> None:
    with Bank.open("team") as one, Bank.open("team") as two:
        first = one.write("m", "run")
        first.add([make_generation(1)])
        end_sessions(team)
        second = two.write("m", "run")
        with pytest.raises(BankInUseError, match="'run' is being written by another process"):
            first.add([make_generation(2)])
        with pytest.raises(BankInUseError, match="'run' is being written by another process"):
            first.commit()
        second.add([make_generation(3)])
        assert second.commit() is not None
        with pytest.raises(BankInUseError, match="another process wrote run 'run' meanwhile"):
            first.commit()
        assert len(one.revisions()) == 1
        assert one.stats().prototypes == 4
        with two.write("m", "run") as again:
            again.add([make_generation(2)])
            assert again.commit() is not None
        assert one.verify().ok


def test_a_commit_whose_lock_is_lost_commits_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bank.open("team") as bank:
        writer = bank.write("m", "run")
        writer.add([make_generation(1)])
        with monkeypatch.context() as patch:
            patch.setattr(bank._stores.vectors, "flush", lambda: end_sessions(team))
            with pytest.raises(StorageError, match=r"the lock .* was lost.*run the same command again"):
                writer.commit()
        assert bank.revisions() == []
        writer.close()
        with bank.write("m", "run") as again:
            assert again.commit() is not None


def test_idle_sessions_that_hold_locks_are_not_ended(team: Team) -> None:
    (version,) = team.postgres.run(team.sql_url, "SHOW server_version_num")[0]
    if int(version) < 140_000:
        pytest.skip("PostgreSQL has no idle_session_timeout before 14")
    name = team.sql_url.split("@/")[1].split("?")[0]
    team.postgres.run("postgres", f"ALTER DATABASE \"{name}\" SET idle_session_timeout = '300ms'")
    with Bank.open("team") as bank, bank.write("m", "run") as writer:
        before = team.postgres.run(team.sql_url, HOLDERS)
        time.sleep(1)
        assert team.postgres.run(team.sql_url, HOLDERS) == before != []
        writer.add([make_generation(1)])
        assert writer.commit() is not None


@pytest.mark.parametrize("sessions_before", [0, 3])
def test_a_pooler_in_transaction_mode_is_refused(team: Team, sessions_before: int) -> None:
    import psycopg

    name = team.sql_url.split("@/")[1].split("?")[0]
    with running_pooler(team.postgres.folder, transactions=True) as pooler:
        url = f"postgresql://freeda@127.0.0.1:{pooler.port}/{name}"
        for _ in range(sessions_before):
            psycopg.connect(url, password="pw-7f3a91c2").close()
        team.add("pooled", collection="team", sql_url=url, thumbnails="t")
        with pytest.raises(SettingsError, match=r"pooler in transaction mode \(127\.0\.0\.1:\d+\)"):
            Bank.open("pooled")


def test_a_pooler_in_session_mode_serves(team: Team) -> None:
    name = team.sql_url.split("@/")[1].split("?")[0]
    with running_pooler(team.postgres.folder, transactions=False) as pooler:
        url = f"postgresql://freeda@127.0.0.1:{pooler.port}/{name}"
        team.add("pooled", collection="team", sql_url=url, thumbnails="t")
        with Bank.open("pooled") as bank, bank.write("m", "run") as writer:
            writer.add([make_generation(1)])
            assert writer.commit() is not None
