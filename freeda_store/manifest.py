"""The manifest pins what made a bank: every model, and the settings that shape its vectors."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from freeda_errors.documents import Document, Text, fault_of
from freeda_store.errors import BankDamagedError, ManifestMismatchError
from freeda_store.limits import MAX_DIM, MAX_INTEGER
from freeda_store.vectors.protocol import VectorSizes

MANIFEST_VERSION = 1
UNPUBLISHED = "unpublished"
"""Id of a model of which the makers of a bank did not say what it was."""


class ModelLike(Protocol):
    """Anything that identifies a model, such as freeda_models' ``ModelIdentity``."""

    @property
    def id(self) -> str:
        """Hub id, package name or folder."""

    @property
    def revision(self) -> str:
        """Commit or version, ``""`` when unknown."""

    @property
    def sha256(self) -> str:
        """Hash of the weights, ``""`` where there is none."""

    @property
    def dim(self) -> int:
        """Length of its vectors, 0 when it gives none."""

    @property
    def preprocessing(self) -> str:
        """How its input is prepared."""


_Setting = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)] | float | Text


class ModelRecord(Document):
    """One model as the manifest keeps it; the fields are those of ``ModelIdentity``."""

    id: Text
    revision: Text = ""
    sha256: Text = ""
    dim: int = Field(default=0, ge=0, le=MAX_DIM)
    preprocessing: Text = ""

    @classmethod
    def of(cls, model: ModelLike) -> ModelRecord:
        """Copy the fields of an identity."""
        return cls(
            id=model.id,
            revision=model.revision,
            sha256=model.sha256,
            dim=model.dim,
            preprocessing=model.preprocessing,
        )

    def same_as(self, other: ModelRecord) -> bool:
        """Whether both give the same vectors.

        Equal hashes of the weights make a hub name and a local folder the same model; without a
        hash on either side, id and revision decide.
        """
        if (self.dim, self.preprocessing) != (other.dim, other.preprocessing):
            return False
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return (self.id, self.revision) == (other.id, other.revision)

    def __str__(self) -> str:
        details = [
            self.revision and f"revision {self.revision}",
            self.sha256 and f"sha256 {self.sha256[:12]}",
            self.dim and f"dim {self.dim}",
            self.preprocessing,
        ]
        known = ", ".join(str(detail) for detail in details if detail)
        return f"{self.id} ({known})" if known else self.id


class Manifest(Document):
    """What made a bank.

    Attributes:
        preset: name of the preset, for people; it is not compared.
        preset_document: the preset as JSON, where it is none that comes with freeda, so that it need not be
            given again; else empty. It is not compared either.
        clip: global similarity between picture and class.
        backbone: dense features; its ``dim`` is the length of visual vectors.
        generator: the diffusion model.
        nouns: the noun extractor.
        keys: the text encoder of the key space; its ``dim`` is the length of text keys.
        key_strategy: how a noun becomes a text key.
        templates: name of the template set.
        threshold: settings that turn attribution maps into masks.
        schema_version: version of this document.
        created_by: program and version, for people; it is not compared.
    """

    preset: Text
    clip: ModelRecord
    backbone: ModelRecord
    generator: ModelRecord
    nouns: ModelRecord
    keys: ModelRecord
    key_strategy: Text
    templates: Text
    threshold: dict[Text, _Setting] = Field(default_factory=dict)
    schema_version: int = MANIFEST_VERSION
    created_by: Text = "freeda"
    preset_document: Text = ""

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Banks of bundled presets keep the manifest that they always had."""
        values: dict[str, Any] = write(self)
        if not self.preset_document:
            values.pop("preset_document", None)
        return values

    def models(self) -> dict[str, ModelRecord]:
        """The models by their role: clip, backbone, generator, nouns, keys."""
        return {role: getattr(self, role) for role in ("clip", "backbone", "generator", "nouns", "keys")}

    def check(self, other: Manifest) -> None:
        """Refuse another manifest that differs in a model or a setting.

        Raises:
            ManifestMismatchError: names the field, what the bank holds and what was given.
        """
        self.check_models(other.models())
        for name in ("key_strategy", "templates", "threshold"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ManifestMismatchError(_mismatch(name, str(mine), str(theirs)))

    def check_models(self, models: dict[str, ModelRecord]) -> None:
        """Refuse models, by role, that are not those of the bank.

        Raises:
            ManifestMismatchError: names the role, the bank's model and the given one.
        """
        stored = self.models()
        for role, given in models.items():
            if not stored[role].same_as(given):
                raise ManifestMismatchError(_mismatch(role, str(stored[role]), str(given)))

    @property
    def sizes(self) -> VectorSizes:
        """Lengths of the vectors of its prototypes."""
        return VectorSizes(self.keys.dim, self.backbone.dim, self.clip.dim)

    def check_sizes(self, sizes: VectorSizes, place: str) -> None:
        """Refuse vectors of other lengths.

        Args:
            sizes: of the vectors that are there.
            place: where that is, as in "in collection 'team'".

        Raises:
            BankDamagedError: vectors and manifest are not of one bank.
        """
        if sizes != self.sizes:
            raise BankDamagedError(
                f"the vectors {place} have lengths {sizes.text} and {sizes.visual}, its manifest says "
                f"{self.sizes.text} and {self.sizes.visual}; restore both from one copy."
            )

    @classmethod
    def from_json(cls, document: str) -> Manifest:
        """Read a stored manifest.

        Raises:
            BankDamagedError: it is not a manifest.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            raise BankDamagedError(
                f"the bank's manifest is not valid ({fault_of(error)}); restore the bank from a copy."
            ) from error


def _mismatch(name: str, stored: str, given: str) -> str:
    return (
        f"the bank was made with {name} = {stored}, but {given} was given; "
        "use the preset that made the bank, or another bank."
    )
