"""Everything that can go wrong with a bank. Each message names the thing and says what to do."""

from __future__ import annotations

from freeda_errors import FreedaError


class BankError(FreedaError):
    """Base of all errors of this package."""


class AddressError(BankError):
    """A bank's address cannot be read."""

    exit_code = 2


class VersionError(AddressError):
    """What should name a revision is neither a number nor a tag."""


class BankMissingError(BankError):
    """There is no bank at the address."""

    exit_code = 2


class BankInUseError(BankError):
    """Another process, or another ``Bank`` in this one, has the bank open."""


class ForkedError(BankError):
    """A bank is used in a fork of the process that opened it."""


class BankDamagedError(BankError):
    """Files of the bank are missing, truncated or contradict each other."""


class NewerSchemaError(BankError):
    """The bank was written by a newer freeda than this one."""


class UpgradeError(BankError):
    """A bank of an older version could not be upgraded; it is left as it was."""


class ManifestMismatchError(BankError):
    """The bank was made with other models or settings than those given."""

    exit_code = 2


class RevisionMissingError(BankError):
    """The bank has no such revision or tag."""

    exit_code = 2


class TagError(BankError):
    """A tag's name is not allowed, or the tag already names another revision."""

    exit_code = 2


class ReadOnlyViewError(BankError):
    """Something would be written through a view of an old revision."""

    exit_code = 2


class ReadOnlyBankError(BankError):
    """Something would be written through a profile that can only read."""

    exit_code = 2


class SettingsError(BankError):
    """The settings file, or an environment variable beside it, cannot be used."""

    exit_code = 2


class FilterError(BankError):
    """A filter expression cannot be read."""

    exit_code = 2


class InvalidGenerationError(BankError):
    """A generation handed to a writer breaks the rules of its fields."""


class PrototypeMissingError(BankError):
    """The view holds no prototype with this id."""

    exit_code = 2


class WriterClosedError(BankError):
    """A writer is used after its commit, or after leaving its ``with`` block."""


class ThumbnailKeyError(BankError):
    """A thumbnail key is not 64 lower-case hex digits."""


class ThumbnailMissingError(BankError):
    """A thumbnail's file is gone."""


class ThumbnailAbsentError(ThumbnailMissingError):
    """A prototype was stored without a picture, on purpose; its key is empty."""


class ThumbnailDamagedError(BankError):
    """A thumbnail's file does not hold what its key says."""


class StorageError(BankError):
    """The disk or an engine refused to write; nothing that was committed is lost."""


class NotPublishedError(StorageError):
    """A change was made, and could not be published to readers without the database."""


class EngineRefusedError(StorageError):
    """The vector engine refused, and neither the system nor a file is known to be the cause."""


class TableFormatError(BankError):
    """A table would be written to a file whose name has no known format's ending."""

    exit_code = 2


class ArchiveError(BankDamagedError):
    """An archive, or a repository laid out like one, is damaged or no bank's."""


class NewerArchiveError(ArchiveError):
    """An archive was written by a newer freeda than this one."""


class OverwriteError(BankError):
    """Something would be written over a file that freeda did not write, an input, or what is no file."""

    exit_code = 2


class ArchiveExistsError(OverwriteError):
    """An archive would be written over a file that is there already."""


class RepositoryNameError(BankError):
    """A dataset repository's name cannot be read."""

    exit_code = 2


class HubError(BankError):
    """The hub of dataset repositories cannot be reached, refused, or has no such repository."""


class DivergedError(BankError):
    """Neither of two banks' histories is the beginning of the other, so neither can be copied there."""


class UnfinishedRunError(BankError):
    """A run that was not finished stands where a revision is to be copied."""


class AuthorsBankError(BankError):
    """The folder or the index of the FreeDA authors' bank is not what it should be."""

    exit_code = 2


class FaissMissingError(BankError):
    """faiss is not installed, and the index of the authors' bank cannot be read without it."""
