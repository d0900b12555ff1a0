"""Which preset a command uses: the one asked for, else the bank's own, else ``tiny``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeda_cli import console
from freeda_cli.options import DEFAULT_PRESET

if TYPE_CHECKING:
    from freeda_models.check import ComponentCheck
    from freeda_models.presets import Preset
    from freeda_segment import SegmentSettings
    from freeda_store import Bank, Filter, Manifest
    from freeda_store.errors import BankMissingError

SEGMENT_ROLES = ("clip", "backbone", "keys", "regions")


def preset_for(address: str, asked: str | None) -> Preset:
    """The preset asked for, or the one that made the bank, or ``tiny`` where there is no bank yet."""
    from freeda_models.presets import load_preset

    if asked is not None:
        return load_preset(asked)
    from freeda_store.errors import BankMissingError
    from freeda_store.peek import read_manifest

    try:
        return preset_of_bank(read_manifest(address), None)
    except BankMissingError:
        return load_preset(DEFAULT_PRESET)


@dataclass(frozen=True)
class BankAndPreset:
    """The bank that a command segments with, opened once, and the preset that goes with it.

    Attributes:
        preset: the one asked for, or the bank's own, or ``tiny`` where there is no bank.
        missing: why there is no bank; it is said after what is wrong with the command line.
    """

    preset: Preset
    _bank: Bank | None
    missing: BankMissingError | None = None

    @property
    def bank(self) -> Bank:
        """The bank.

        Raises:
            BankMissingError: there is none.
        """
        if self._bank is None:
            assert self.missing is not None
            raise self.missing
        return self._bank


@contextmanager
def open_bank_and_preset(address: str, asked: str | None) -> Iterator[BankAndPreset]:
    """Open a bank, to be closed in the end, and choose the preset by its manifest.

    Raises:
        PresetError: see :func:`preset_of_bank`.
        BankError: see ``freeda_store.Bank.read``; a bank that is missing is told of by what is yielded.
    """
    from freeda_models.presets import load_preset
    from freeda_store import Bank
    from freeda_store.errors import BankMissingError

    chosen = None if asked is None else load_preset(asked)
    with ExitStack() as stack:
        try:
            bank = stack.enter_context(Bank.read(address))
            found = BankAndPreset(chosen or preset_of_bank(bank.manifest, None), bank)
        except BankMissingError as error:
            found = BankAndPreset(chosen or load_preset(DEFAULT_PRESET), None, error)
        yield found


def preset_of_bank(manifest: Manifest, asked: str | None) -> Preset:
    """The preset asked for, or the one that made the bank.

    Raises:
        PresetError: it cannot be read, or the bank was made with a preset file that it does not keep.
    """
    from freeda_models.presets import preset_for_bank

    return preset_for_bank(asked, manifest)


def preset_filter(name: str) -> str | None:
    """The filter with which a bundled preset segments, ``""`` for none; None for a preset of a user's own."""
    from freeda_models.presets import load_preset, preset_names

    return ",".join(load_preset(name).segment.where) if name in preset_names() else None


def preset_of_existing(address: str, asked: str | None) -> Preset:
    """As :func:`preset_of_bank`, where the bank must be there.

    Raises:
        BankMissingError: it is not.
    """
    from freeda_store.peek import read_manifest

    return preset_of_bank(read_manifest(address), asked)


def bank_line(address: str, preset: Preset, where: Filter) -> str:
    """What a command segments with, for its first line."""
    filtered = f", prototypes with {where}" if where.conditions else ""
    return f"bank {address}, preset {preset.name}{filtered}"


def asked_regions(settings: SegmentSettings) -> str:
    """What divides pictures, as presets call it."""
    from freeda_segment.regions.providers import SUPERPIXELS

    return SUPERPIXELS if settings.regions is None else settings.regions.name


def announce_download(
    preset: Preset,
    roles: Collection[str] | None = None,
    *,
    bank: str | Bank | None = None,
    regions: str | None = None,
) -> None:
    """Say how much the first use of a preset's models will download, for it can be much.

    Args:
        preset: whose models they are.
        roles: of the models that will be used; all if None.
        bank: that they must fit.
        regions: what divides pictures, where an option may say otherwise than the preset.

    Raises:
        ManifestMismatchError: something would be downloaded that does not fit the bank, which is opened
            or given by its address.
    """
    from freeda_models.check import ComponentState, check_preset

    waiting = [
        part
        for part in check_preset(preset, regions).components
        if part.state is ComponentState.DOWNLOAD
        and (roles is None or part.role in roles)
        and (part.role, part.model) != ("keys", "clip")  # the same files as the role clip
    ]
    if waiting:
        if bank is not None:
            _refuse_other_models(bank, preset.name, waiting)
        megabytes = sum(part.size_mb for part in waiting)
        amount = console.size(round(megabytes * 1e6)) if megabytes else "an unknown amount"
        names = ", ".join(part.model for part in waiting)
        console.note(f"downloading {amount} first: {names} (--verbose shows how far it is)")


def _refuse_other_models(bank: str | Bank, name: str, waiting: Sequence[ComponentCheck]) -> None:
    """Bundled presets are compared by the names of their models, so that nothing is downloaded in vain."""
    from freeda_models.check import check_preset
    from freeda_models.presets import preset_names
    from freeda_store.errors import BankMissingError, ManifestMismatchError
    from freeda_store.peek import read_manifest

    address = bank if isinstance(bank, str) else bank.address
    try:
        made_with = (read_manifest(bank) if isinstance(bank, str) else bank.manifest).preset
    except BankMissingError:
        return
    if made_with == name or not {made_with, name} <= set(preset_names()):
        return
    fitting = {part.role: part.model for part in check_preset(made_with).components}
    for part in waiting:
        if part.role != "regions" and part.model != fitting.get(part.role):
            raise ManifestMismatchError(
                f"bank {address} was made with preset {made_with}, and the {part.role} of {name} is another: "
                f"{part.model}; use the preset that made the bank, or another bank."
            )


def unknown_words(preset: Preset, words: Sequence[str], total: int) -> str:
    """The warning about words that a preset's models do not know, with the presets that do.

    Args:
        preset: the preset in use.
        words: the words to name, quoted.
        total: how many there are.
    """
    from freeda_models.presets import load_preset, preset_names

    able = [name for name in preset_names() if not load_preset(name).nouns_known]
    rest = f" and {total - len(words):,} more" if total > len(words) else ""
    return (
        f"preset {preset.name} does not know {', '.join(words)}{rest}, so their prototypes are worth "
        f"nothing; for such words make a bank with --preset {' or '.join(able)}."
    )
