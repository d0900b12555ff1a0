"""Revisions that change what is shown without adding prototypes: retiring, and going back to an older one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from freeda_store.history import History
from freeda_store.ids import digest
from freeda_store.limits import storable
from freeda_store.records import RevisionInfo
from freeda_store.writing.stores import Stores, commit, show_retirements


def retire(stores: Stores, message: str, choose: Callable[[History], Sequence[UUID]]) -> RevisionInfo | None:
    """Hide prototypes from a new revision on.

    Args:
        stores: of a bank that may be written.
        message: what a person reads in the history.
        choose: which prototypes, by the history as it is while no other revision can be committed.

    Returns:
        The new revision; None, and no revision is made, when there is nothing to hide.
    """
    with stores.commit_lock:
        stores.before_writing()
        history = stores.catalog.history()
        ids = choose(history)
        if history.head is None or not ids:
            return None
        message = storable(message)
        run_key = f"retire {digest(message, sorted(ids))} after {history.head.number}"
        revision = stores.catalog.open_revision(run_key, message)
        stores.catalog.retire(revision, ids)
        show_retirements(stores, ids)
        commit(stores, revision, history.head.id)
        return _committed(stores, revision)


def roll_back(stores: Stores, version: int | str, message: str) -> RevisionInfo:
    """Show again what an older revision showed; see :meth:`freeda_store.Bank.rollback`.

    Raises:
        RevisionMissingError: there is no such revision or tag.
    """
    with stores.commit_lock:
        history = stores.catalog.history()
        target, head = history.resolve(version), history.head
        run_key = f"rollback to {target.number} after "
        if head is not None and (target == head or head.run_key.startswith(run_key)):
            return history.info(head)
        stores.before_writing()
        said = storable(message) or f"roll back to {target.number}"
        run_key += str(head.number if head else 0)
        revision = stores.catalog.open_revision(run_key, said)
        commit(stores, revision, target.id)
        return _committed(stores, revision)


def _committed(stores: Stores, revision: int) -> RevisionInfo:
    history = stores.catalog.history()
    return history.info(history.by_id(revision))
