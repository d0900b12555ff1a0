"""Run by Alembic: upgrade over the connection that the caller opened."""

from __future__ import annotations

from alembic import context

from freeda_store.sql.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
