"""A server or database that is away in the middle of a run is waited for, and nothing is doubled."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PASSWORD, PostgresServer, find_binaries, running_postgres
from qdrant_stub import API_KEY, QdrantStub, running_stub
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from store_makers import make_generation, make_manifest

from freeda_store import Bank
from freeda_store.errors import BankInUseError, StorageError
from freeda_store.patience import Patience
from freeda_store.sql.patient_catalog import PatientCatalog
from freeda_store.sql.postgres import open_postgres
from freeda_store.sql.tables import Base

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be stopped."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgres(binaries) as server:
        yield server


@pytest.fixture
def stub(
    tmp_path: Path, own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[QdrantStub]:
    with running_stub() as server:
        settings = tmp_path / "settings.toml"
        settings.write_text(
            f'[profiles.team]\nqdrant_url = "{server.url}"\nthumbnails = "{tmp_path}/thumbnails"\n'
            f'sql_url = "{own_postgres.new_database()}"\nretry_seconds = 30\n'
        )
        monkeypatch.setenv("FREEDA_SETTINGS", str(settings))
        monkeypatch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
        monkeypatch.setenv("FREEDA_SQL_PASSWORD", PASSWORD)
        monkeypatch.chdir(tmp_path)
        Bank.open("team", create=make_manifest()).close()
        yield server


class Away:
    """Stops something now and starts it again a little later."""

    def __init__(self, stop: Callable[[], Any], start: Callable[[], Any], seconds: float) -> None:
        stop()
        self._later = threading.Timer(seconds, start)
        self._later.start()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._later.join()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        r.getMessage()
        for r in caplog.records
        if "trying again for up to" in r.getMessage() and r.levelno >= logging.WARNING
    ]


def test_a_qdrant_that_restarts_in_the_middle_of_a_run(
    stub: QdrantStub, caplog: pytest.LogCaptureFixture
) -> None:
    with Bank.open("team") as bank:
        with bank.write("m", "run") as writer:
            writer.add([make_generation(0)])
            with Away(stub.stop, stub.start, 1):
                writer.add([make_generation(1)])
            with Away(stub.stop, stub.start, 0.6):
                writer.commit()
        assert bank.stats().prototypes == 4
        assert bank.verify().ok
    assert len(warnings_of(caplog)) == 1, "one line, not one a try"
    assert stub.url in warnings_of(caplog)[0]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_database_that_restarts_in_the_middle_of_a_run(
    stub: QdrantStub, own_postgres: PostgresServer, how: int
) -> None:
    with Bank.open("team") as bank:
        with bank.write("m", "run") as writer:
            writer.add([make_generation(0)])
            with Away(lambda: own_postgres.stop(how), own_postgres.start, 1):
                writer.add([make_generation(1)])
            with Away(lambda: own_postgres.stop(how), own_postgres.start, 1):
                writer.commit()
            with Away(stub.stop, stub.start, 0.6):
                assert [each.number for each in bank.revisions()] == [1]
        with Away(lambda: own_postgres.stop(how), own_postgres.start, 1):
            assert bank.stats().prototypes == 4
        assert bank.verify().ok


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_database_that_restarts_between_two_batches(
    stub: QdrantStub, own_postgres: PostgresServer, how: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Bank.open("team") as bank:
        catalog = bank._stores.catalog
        revision = catalog.open_revision("run", "m")
        with Away(lambda: own_postgres.stop(how), own_postgres.start, 1):
            assert catalog.open_revision("run", "m") == revision
        assert catalog.find_open("run") == revision
    assert len(warnings_of(caplog)) == 1
    assert PASSWORD not in caplog.text


@pytest.fixture
def catalog(own_postgres: PostgresServer) -> Iterator[PatientCatalog]:
    """A patient catalog on an empty database."""
    patience = Patience(20)
    engine = open_postgres(own_postgres.new_database(), PASSWORD, patience)
    Base.metadata.create_all(engine)
    made = PatientCatalog(engine, patience)
    yield made
    made.close()


def end_sessions(server: PostgresServer) -> None:
    server.run(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )


def cut(catalog: PatientCatalog, server: PostgresServer, moment: str, patch: pytest.MonkeyPatch) -> None:
    """End all sessions once: at the next statement, or when the next commit is done but not told."""
    engine = catalog._engine
    done: list[int] = []
    commit = engine.dialect.do_commit

    def before(*_: Any) -> None:
        if not done:
            done.append(1)
            end_sessions(server)

    def committed(connection: Any) -> None:
        commit(connection)
        if not done:
            done.append(1)
            end_sessions(server)
            connection.execute("SELECT 1")

    if moment == "statement":
        event.listen(engine, "before_cursor_execute", before)
    else:
        patch.setattr(engine.dialect, "do_commit", committed)


@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_connection_lost_in_a_transaction_doubles_nothing(
    catalog: PatientCatalog, own_postgres: PostgresServer, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.ids import generation_key
    from freeda_store.sql.rows import StoredGeneration

    def step(work: Callable[[], Any]) -> Any:
        cut(catalog, own_postgres, moment, monkeypatch)
        return work()

    step(lambda: catalog.write_manifest("{}"))
    first = step(lambda: catalog.open_revision("run", "m"))
    made = make_generation(1)
    key = generation_key(made.caption, made.seed)
    stored = StoredGeneration(key, made.caption, made.seed, "", (), ())
    step(lambda: catalog.insert_generations(first, [stored], {}, []))
    step(lambda: catalog.commit_revision(first, None))
    step(lambda: catalog.set_tag("v1", first))
    second = step(lambda: catalog.open_revision("other", "m"))
    step(lambda: catalog.commit_revision(second, first))
    assert [(r.id, r.number) for r in catalog.history().committed_records()] == [(first, 1), (second, 2)]
    assert step(lambda: catalog.stored(iter([key]), catalog.history().view(first))) == {key}
    assert catalog.manifest() == "{}"
    assert catalog.history().tagged("v1") == first


def test_a_deadlock_is_tried_again(catalog: PatientCatalog) -> None:
    failures = iter([True, True, False])

    def fail(connection: Connection, *_: Any) -> None:
        if next(failures, False):
            connection.connection.dbapi_connection.execute(  # type: ignore[union-attr]
                "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"
            )

    event.listen(catalog._engine, "before_cursor_execute", fail)
    assert catalog.open_revision("run", "m") == catalog.find_open("run")


def test_what_the_database_refuses_is_not_tried_again(catalog: PatientCatalog) -> None:
    start = time.monotonic()
    with catalog._engine.begin() as connection:
        connection.execute(text("DROP TABLE tag CASCADE"))
    with pytest.raises(
        StorageError, match=r"the database 'bank_\d+' on .* refused .*tables are missing; restore"
    ):
        catalog.history()
    assert time.monotonic() - start < 10


def test_all_questions_of_a_catalog_are_patient() -> None:
    import inspect

    from freeda_store.sql.catalog import Catalog

    public = {n for n, m in inspect.getmembers(Catalog, inspect.isfunction) if not n.startswith("_")}
    mine = {n for n in public if getattr(PatientCatalog, n) is not getattr(Catalog, n)}
    assert public - mine == {"transaction", "checking", "close", "prototype_ids", "prototypes"}


# words


def test_each_refusal_of_the_database_has_its_own_advice(
    own_postgres: PostgresServer, catalog: PatientCatalog
) -> None:
    from freeda_store.sql.postgres import has_tables

    def told(url: str, password: str = PASSWORD) -> str:
        with pytest.raises(StorageError) as caught:
            has_tables(open_postgres(url, password))
        line = str(caught.value)
        assert "\n" not in line
        assert PASSWORD not in line
        return line

    good = own_postgres.new_database()
    assert "check the user in sql_url and its password" in told(good, "wrong")
    assert "there is no database of this name" in told(good.replace("/bank_", "/no_bank_"))
    line = told("postgresql://freeda@127.0.0.1:1/x")
    assert "the database 'x' on 127.0.0.1:1 refused" in line
    assert "see that PostgreSQL runs there" in line
    assert "free disk space" not in line
    engine = catalog._engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text(f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on')
        )
    engine.dispose()
    with pytest.raises(
        StorageError, match="it can only be read, as a standby can; name the primary"
    ) as caught:
        catalog.open_revision("run", "m")
    assert "free disk space" not in str(caught.value)


def test_who_holds_a_lock_is_told(stub: QdrantStub) -> None:
    import os
    import socket

    with Bank.open("team") as one, Bank.open("team") as two:
        writer = one.write("m", "run")
        with pytest.raises(BankInUseError) as caught:
            two.write("m", "run")
        line = str(caught.value)
        assert f"freeda pid {os.getpid()} on {socket.gethostname()}"[:63] in line
        assert "since 20" in line
        writer.close()
