"""How a bank lies in files: the same in an archive and in a dataset repository.

``freeda-bank.json`` is the index: the manifest, the revisions, the tags, and size and SHA-256 of every
other file. Each revision has a folder of parts; nothing is ever opened that the index does not name,
and the index can name nothing but what :func:`file_names` gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from freeda_errors.documents import Document, Excerpt, Text, fault_of
from freeda_store.address import TAG_PATTERN
from freeda_store.errors import ArchiveError, NewerArchiveError
from freeda_store.history import RevisionRecord
from freeda_store.manifest import MANIFEST_VERSION, Manifest
from freeda_store.revision_documents import Count, RevisionDocument, check_order

INDEX_NAME = "freeda-bank.json"
FORMAT = "freeda-bank"
FORMAT_VERSION = 1
"""Raised whenever the index or a file in a part changes so that an older freeda could not read it.

:func:`read_index` refuses every other version: with a second one, it turns the older index into
:class:`Index`, and ``part_files.py`` reads the older files (their columns are in ``part_tables.py``).
"""

GENERATIONS, PROTOTYPES, THUMBNAILS, VECTORS = (
    "generations.parquet",
    "prototypes.parquet",
    "thumbnails.parquet",
    "vectors.safetensors",
)
PART_FILES = (GENERATIONS, PROTOTYPES, THUMBNAILS, VECTORS)
RETIREMENTS = "retirements.parquet"

MAX_INDEX_BYTES = 2**29
MAX_FILE_BYTES = 2**30


class FileEntry(Document):
    """What a file must be."""

    size: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class RevisionEntry(RevisionDocument):
    """A committed revision, how many parts it has, and what a card shows of it."""

    parts: Count
    generations: Count
    licenses: dict[Text, Count]

    @property
    def record(self) -> RevisionRecord:
        """The revision as a bank holds it."""
        fields = set(RevisionRecord.__dataclass_fields__)
        return RevisionRecord(**self.model_dump(include=fields))


class Index(Document):
    """All that ``freeda-bank.json`` says. ``tags`` name numbers of revisions."""

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    manifest: Manifest
    revisions: list[RevisionEntry] = Field(default_factory=list)
    tags: dict[str, int] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.manifest.keys.dim, self.manifest.backbone.dim) < 1:
            raise ValueError("the manifest gives no lengths of vectors")
        check_order(self.revisions)
        for tag, number in self.tags.items():
            if not TAG_PATTERN.fullmatch(tag) or not 1 <= number <= len(self.revisions):
                raise ValueError(f"tag {tag[:64]!r} is not valid")
        expected = sum(revision.parts * len(PART_FILES) + 1 for revision in self.revisions)
        if len(self.files) != expected or not all(name in self.files for name in self._names()):
            raise ValueError("its files are not those of its revisions")
        return self

    def _names(self) -> Iterator[str]:
        for revision in self.revisions:
            yield from file_names(revision.number, revision.parts)

    def by_id(self, id_: int) -> RevisionEntry:
        """The revision of an id that is known to be there."""
        return next(revision for revision in self.revisions if revision.id == id_)

    def tag_ids(self) -> dict[str, int]:
        """Ids of revisions by tag."""
        return {tag: self.revisions[number - 1].id for tag, number in self.tags.items()}

    def licenses(self) -> dict[str, int]:
        """How many captions are under each licence, the most frequent first."""
        total: dict[str, int] = {}
        for revision in self.revisions:
            for name, number in revision.licenses.items():
                total[name] = total.get(name, 0) + number
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    def to_bytes(self) -> bytes:
        """The index as JSON, one way only."""
        return self.model_dump_json(indent=1).encode()


class _Version(Excerpt):
    """What every version of the index says."""

    format: str
    format_version: int
    manifest: Mapping[str, Any]


def part_name(number: int, part: int, file: str) -> str:
    """The name of a part's file, e.g. ``revisions/00003/part-00000/generations.parquet``."""
    return f"revisions/{number:05d}/part-{part:05d}/{file}"


def retirements_name(number: int) -> str:
    """The name of the file of what a revision retired."""
    return f"revisions/{number:05d}/{RETIREMENTS}"


def file_names(number: int, parts: int) -> Iterator[str]:
    """All files of a revision."""
    for part in range(parts):
        for file in PART_FILES:
            yield part_name(number, part, file)
    yield retirements_name(number)


def read_index(data: bytes, name: str) -> Index:
    """Read an index that may come from anywhere; ``name`` says where from.

    Raises:
        NewerArchiveError: it is of a later format.
        ArchiveError: it is no index, or contradicts itself.
    """
    try:
        version = _Version.model_validate_json(data)
        if version.format != FORMAT:
            raise ArchiveError(f"{name} holds no freeda bank but {version.format[:40]!r}.")
        schema = version.manifest.get("schema_version", 0)
        if version.format_version > FORMAT_VERSION or (isinstance(schema, int) and schema > MANIFEST_VERSION):
            raise NewerArchiveError(
                f"{name} has format {version.format_version}, and this freeda knows formats up to "
                f"{FORMAT_VERSION}; install a newer freeda to read it."
            )
        if version.format_version != FORMAT_VERSION:
            raise ArchiveError(f"{name} has the unknown format {version.format_version}.")
        return Index.model_validate_json(data)
    except ValidationError as error:
        raise ArchiveError(
            f"the index of {name} is not valid ({fault_of(error)}); get a sound copy."
        ) from error
