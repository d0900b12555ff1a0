"""Everything that can go wrong with a bank. Each message names the thing and says what to do."""

from __future__ import annotations


class BankError(Exception):
    """Base of all errors of this package."""


class AddressError(BankError):
    """A bank's address cannot be read."""


class BankMissingError(BankError):
    """There is no bank at the address."""


class BankInUseError(BankError):
    """Another process, or another ``Bank`` in this one, has the bank open."""


class BankDamagedError(BankError):
    """Files of the bank are missing, truncated or contradict each other."""


class NewerSchemaError(BankError):
    """The bank was written by a newer freeda than this one."""


class UpgradeError(BankError):
    """A bank of an older version could not be upgraded; it is left as it was."""


class ManifestMismatchError(BankError):
    """The bank was made with other models or settings than those given."""


class RevisionMissingError(BankError):
    """The bank has no such revision or tag."""


class TagError(BankError):
    """A tag's name is not allowed, or the tag already names another revision."""


class ReadOnlyViewError(BankError):
    """Something would be written through a view of an old revision."""


class ReadOnlyBankError(BankError):
    """Something would be written through a profile that can only read."""


class SettingsError(BankError):
    """The settings file, or an environment variable beside it, cannot be used."""


class FilterError(BankError):
    """A filter expression cannot be read."""


class InvalidGenerationError(BankError):
    """A generation handed to a writer breaks the rules of its fields."""


class PrototypeMissingError(BankError):
    """The view holds no prototype with this id."""


class WriterClosedError(BankError):
    """A writer is used after its commit, or after leaving its ``with`` block."""


class ThumbnailKeyError(BankError):
    """A thumbnail key is not 64 lower-case hex digits."""


class ThumbnailMissingError(BankError):
    """A thumbnail's file is gone."""


class ThumbnailDamagedError(BankError):
    """A thumbnail's file does not hold what its key says."""


class StorageError(BankError):
    """The disk or an engine refused to write; nothing that was committed is lost."""
