"""The same tables and migrations on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hosted_makers import Team
from postgres_server import PASSWORD, PostgresServer
from store_makers import make_generation
from test_schema import add_migration

from freeda_store import Bank
from freeda_store.errors import NewerSchemaError, SettingsError, StorageError, UpgradeError
from freeda_store.sql.postgres import migrate, open_postgres
from freeda_store.sql.tables import Base


def fill(bank: Bank) -> None:
    with bank.write("first", "run") as writer:
        writer.add([make_generation(i) for i in range(3)])
        writer.commit()


def test_migrations_make_the_tables_of_the_code(postgres: PostgresServer) -> None:
    engine = open_postgres(postgres.new_database(), PASSWORD)
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_an_older_bank_is_upgraded_and_a_failure_changes_nothing(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bank.open("team") as bank:
        fill(bank)
    with monkeypatch.context() as patch:
        add_migration(tmp_path / "broken", patch, more="op.execute('INSERT INTO nowhere VALUES (1)')")
        with pytest.raises(UpgradeError, match=r"(?s)nowhere.*it is unchanged"):
            Bank.open("team")
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'language'"
    assert team.postgres.run(team.sql_url, columns) == [(0,)]
    with Bank.open("team") as bank:
        assert [r.message for r in bank.revisions()] == ["first"]
    with monkeypatch.context() as patch:
        add_migration(tmp_path, patch)
        with Bank.open("team") as bank, Bank.open("reader") as reader:
            assert [r.message for r in bank.revisions()] == ["first (upgraded)"]
            assert bank.revisions() == reader.revisions()
            assert bank.stats().prototypes == 6
    with pytest.raises(NewerSchemaError, match=r"has schema test_later.*install a newer freeda"):
        Bank.open("team")


def test_the_server_is_named_when_it_refuses(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_SQL_PASSWORD", "wrong-password")
    with pytest.raises(StorageError, match="password authentication failed") as caught:
        Bank.open("team")
    assert "wrong-password" not in str(caught.value)
    with pytest.raises(SettingsError, match="no URL"):
        open_postgres("postgresql//nothing", None)
