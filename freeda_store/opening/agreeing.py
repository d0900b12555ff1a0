"""Opens a bank's stores and sees that they agree: what its vectors show is what its database lists."""

from __future__ import annotations

from freeda_store.address import Address
from freeda_store.manifest import Manifest
from freeda_store.opening.folder import open_address, require_all_points
from freeda_store.repair.answers import require_right_view
from freeda_store.writing.stores import Stores


def open_to_write(address: Address, create: Manifest | None) -> tuple[Stores, Manifest, Address]:
    """Open the stores that write, and write the files that readers lack.

    Raises:
        BankDamagedError: they do not agree.
        Others: those of ``folder.open_address``.
    """
    stores, manifest, parsed = open_address(address, create)
    try:
        require_right(stores)
        stores.catch_up()
    except BaseException:
        stores.close()
        raise
    return stores, manifest, parsed


def require_right(stores: Stores) -> None:
    """Refuse a folder whose engine holds or shows something else than its database lists.

    Raises:
        BankDamagedError: names what differs.
    """
    require_all_points(stores)
    require_right_view(stores)


def pinned_revision(stores: Stores, address: Address) -> int | None:
    """The id of the revision that an address names; None when it names none.

    Raises:
        RevisionMissingError: the bank has no such revision or tag.
    """
    return None if address.version is None else stores.known.history().resolve(address.version).id
