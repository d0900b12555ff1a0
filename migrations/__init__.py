"""Alembic migrations of the bank's tables, for SQLite and PostgreSQL.

Banks are upgraded when they are opened (``freeda_store/sql/schema.py``); nobody runs Alembic by hand.
A new migration is a file in ``versions/`` plus its id at the end of ``schema.SCHEMA_VERSIONS``.
"""
