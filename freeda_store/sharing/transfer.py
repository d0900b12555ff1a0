"""Copying from one bank to another by their addresses: push and pull."""

from __future__ import annotations

import os
from pathlib import Path

from freeda_store.address import Address
from freeda_store.errors import AddressError
from freeda_store.sharing.bank_sink import BankSink
from freeda_store.sharing.bank_source import BankSource
from freeda_store.sharing.copy import CopyReport, ProgressCallback, copy


def copy_bank(
    source: str | Path,
    target: str | Path,
    *,
    progress: ProgressCallback | None = None,
    discard_unfinished: bool = False,
) -> CopyReport:
    """Bring one bank up to another, between folders and hosted banks in every direction.

    Only revisions that the target has not are copied; they keep ids, numbers, times and tags, so
    that both banks show the same at every version. Repeating a copy that was cut short, by Ctrl-C or
    a power cut, goes on where it was; until a revision is whole no reader sees any of it.

    Args:
        source: where to copy from; ``DIR@3`` or ``DIR@tag`` gives the revisions up to that one.
        target: where to copy to; a new bank is made as its source is.
        progress: called after every part.
        discard_unfinished: forget runs that ended early in the target and whose ids are needed.

    Raises:
        AddressError: both are the same bank.
        DivergedError: neither history is the beginning of the other.
        ManifestMismatchError: the banks were made with different models or settings.
        UnfinishedRunError: a run that was not finished stands in the way; see ``discard_unfinished``.
        ReadOnlyBankError, ReadOnlyViewError: the target, or the source's profile, can only be read.
        Others: those of ``Bank.open`` and of a writer.
    """
    if _place(source) == _place(target):
        raise AddressError(f"{source} and {target} are the same bank; give two.")
    with (
        BankSource.open(source) as opened,
        BankSink.open(target, opened.manifest(), discard_unfinished=discard_unfinished) as sink,
    ):
        return copy(opened, sink, progress)


def _place(address: str | Path) -> Path:
    """A bank's folder as the disk knows it; of a profile, a path that nothing has."""
    return Path(os.path.realpath(Address.parse(address).folder))
