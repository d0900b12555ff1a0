"""The alias of a hosted bank when it is gone: which collection it stood for, and setting it again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from freeda_store.errors import BankDamagedError, StorageError
from freeda_store.profiles.settings import Profile
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.identity import read_identity
from freeda_store.sql.postgres import has_tables, open_postgres
from freeda_store.vectors.board import Board
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import give_alias, is_refusal, look
from freeda_store.vectors.sending import guard

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def homes_of(client: QdrantClient, alias: str, bank: UUID | None) -> tuple[str, ...]:
    """The collections whose names begin with an alias and that hold a bank; none where the key sees none."""
    try:
        held = guard(alias, client.get_collections).collections
        names = sorted(each.name for each in held if each.name.startswith(alias))
        stamps = {name: Board(client, name).peek() for name in names}
    except StorageError as error:
        if is_refusal(error):
            return ()
        raise
    return tuple(name for name, stamp in stamps.items() if stamp is not None and stamp.bank == str(bank))


def say_missing(profile: Profile, homes: tuple[str, ...]) -> BankDamagedError:
    """What to say of a bank whose database is there and whose collection is not."""
    alias = profile.collection
    if len(homes) == 1:
        return BankDamagedError(
            f"the alias '{alias}' is missing; the bank is in collection '{homes[0]}'. "
            f"`freeda bank verify --repair --bank {profile.name}` sets the alias again."
        )
    if homes:
        return BankDamagedError(
            f"the alias '{alias}' is missing, and several collections hold the bank ({', '.join(homes)}); "
            "set the alias to the right one, see docs/hosting.md."
        )
    return BankDamagedError(
        f"the database of profile '{profile.name}' and collection '{alias}' do not belong together: one of "
        "them is empty; restore both from copies of one time, or correct the profile."
    )


def set_again(profile: Profile) -> list[str]:
    """Set a missing alias again where only one collection holds the bank; returns what was done.

    Raises:
        StorageError: a server refuses. Setting an alias takes rights on the whole server.
    """
    client = connect_qdrant(profile)
    engine = open_postgres(profile.sql_url, profile.sql_password())
    catalog = Catalog(engine)
    try:
        if look(client, profile.collection) is not None or not has_tables(engine):
            return []
        homes = homes_of(client, profile.collection, read_identity(catalog))
        if len(homes) != 1:
            return []
        give_alias(client, homes[0], profile.collection)
        return [f"the alias '{profile.collection}' stands for collection '{homes[0]}' again"]
    finally:
        catalog.close()
        client.close()
