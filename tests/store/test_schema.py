from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from store_makers import WITHOUT_ORIGINS, make_generation

from freeda_store import Bank, parse_filter
from freeda_store.errors import NewerSchemaError, UpgradeError
from freeda_store.sql import schema
from freeda_store.sql.tables import Base

LATER = '''
"""A later migration."""
import sqlalchemy as sa
from alembic import op
revision = "test_later"
down_revision = "{head}"
def upgrade():
    op.add_column("caption", sa.Column("language", sa.Text(), nullable=False, server_default="en"))
    op.execute("UPDATE revision SET message = message || ' (upgraded)'")
    {more}
'''


@pytest.fixture
def filled(folder: Path) -> Path:
    with Bank.open(folder) as bank, bank.write("first", "run") as writer:
        writer.add([make_generation(i) for i in range(3)])
        writer.commit()
    return folder


def add_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str = "pass") -> None:
    """Make this code newer than the banks before it by one migration."""
    folder = Path(shutil.copytree(schema.migrations_folder(), tmp_path / "migrations"))
    later = LATER.format(head=schema.SCHEMA_VERSIONS[-1], more=more)
    (folder / "versions" / "test_later.py").write_text(later)
    monkeypatch.setattr(schema, "migrations_folder", lambda: folder)
    monkeypatch.setattr(schema, "SCHEMA_VERSIONS", (*schema.SCHEMA_VERSIONS, "test_later"))


def sql(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(query).fetchall()
        connection.commit()
    return rows


def test_known_versions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == schema.SCHEMA_VERSIONS


def test_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = schema.create_tables(tmp_path / "new.sqlite")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
    (made,) = sql(tmp_path / "new.sqlite", "SELECT sql FROM sqlite_master WHERE name = 'revision'")
    assert "AUTOINCREMENT" in str(made[0])


def test_an_older_bank_is_upgraded_after_a_copy(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_migration(tmp_path, monkeypatch)
    with Bank.open(filled) as bank:
        assert bank.stats().prototypes == 6
        assert [r.message for r in bank.revisions()] == ["first (upgraded)"]
    assert sql(filled / "bank.sqlite", "SELECT DISTINCT language FROM caption") == [("en",)]
    (copy,) = (filled / "backups").iterdir()
    assert copy.name == "bank-schema-0004.sqlite"
    assert sql(copy, "SELECT message FROM revision") == [("first",)]
    assert sql(copy, "SELECT version_num FROM alembic_version") == [("0004",)]
    with Bank.open(filled) as bank:
        assert [r.message for r in bank.revisions()] == ["first (upgraded)"]
    assert len(list((filled / "backups").iterdir())) == 1


def test_a_bank_from_before_origins_is_what_it_was(filled: Path) -> None:
    with Bank.read(filled) as bank:
        before = {info.id: info for info in bank.infos()}
    for statement in WITHOUT_ORIGINS:
        sql(filled / "bank.sqlite", statement)
    with Bank.open(filled) as bank:
        assert {info.id: info for info in bank.infos()} == before
        assert {info.origin for info in before.values()} == {"generated"}
        assert len(list(bank.infos(parse_filter(["origin=generated"])))) == len(before)
        assert not list(bank.infos(parse_filter(["origin=learned"])))
        assert bank.verify().ok


def test_a_failed_upgrade_changes_nothing(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sql(filled / "bank.sqlite", "SELECT sql FROM sqlite_master ORDER BY name")
    with monkeypatch.context() as patch:
        add_migration(tmp_path, patch, more="op.execute('INSERT INTO nowhere VALUES (1)')")
        for _ in range(2):
            with pytest.raises(UpgradeError, match="it is unchanged, and a copy is in"):
                Bank.open(filled)
    assert sql(filled / "bank.sqlite", "SELECT sql FROM sqlite_master ORDER BY name") == before
    assert sorted(path.name for path in (filled / "backups").iterdir()) == [
        "bank-schema-0004-2.sqlite",
        "bank-schema-0004.sqlite",
    ]
    with Bank.open(filled) as bank:
        assert [r.message for r in bank.revisions()] == ["first"]


def test_a_newer_bank_is_refused(filled: Path) -> None:
    sql(filled / "bank.sqlite", "UPDATE alembic_version SET version_num = '9999'")
    data = (filled / "bank.sqlite").read_bytes()
    with pytest.raises(NewerSchemaError, match=r"has schema 9999.*up to 0004.*newer freeda"):
        Bank.open(filled)
    assert (filled / "bank.sqlite").read_bytes() == data
    assert not (filled / "backups").exists()
