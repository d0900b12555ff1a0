"""The authors' published bank as one of ours: which models it was made with, and how it comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from freeda_models.clip.files import clip_identity
from freeda_models.dinov2.files import backbone_identity
from freeda_models.presets import Preset, load_preset
from freeda_store.authors.copy import AuthorsProgress, AuthorsReport, copy_authors_bank
from freeda_store.authors.files import AuthorsBank, printable
from freeda_store.bank import Bank
from freeda_store.errors import AuthorsBankError
from freeda_store.manifest import UNPUBLISHED, Manifest, ModelRecord

AUTHORS_PRESET = "sd21"
"""The bundled preset whose CLIP and backbone the authors used: open_clip's ViT-L-14 openai and timm's
vit_large_patch14_dinov2.lvd142m, which the hub calls facebook/dinov2-large."""
_TIMM_BACKBONES = {
    "facebook/dinov2-base": ("vit_base_patch14_dinov2.lvd142m", 768),
    "facebook/dinov2-large": ("vit_large_patch14_dinov2.lvd142m", 1024),
}
"""What timm calls these, and the lengths of their vectors, known also before their files are here."""


def authors_manifest(preset: Preset, text_dim: int, visual_dim: int) -> Manifest:
    """The manifest of a bank that holds the authors' prototypes.

    CLIP and backbone are those of the preset, so that it segments with this bank. How the authors
    drew pictures, found nouns and made text keys is not public, and the manifest says so; therefore
    nothing can be ingested into such a bank.

    Raises:
        AuthorsBankError: the preset's models give vectors of other lengths.
    """
    clip = ModelRecord.of(clip_identity(preset.clip))
    backbone = ModelRecord.of(backbone_identity(preset.backbone))
    name, known = _TIMM_BACKBONES.get(backbone.id, (backbone.id, 0))
    for what, model, gives, dim in (
        ("keys", clip.id, clip.dim, text_dim),
        ("prototypes", backbone.id, backbone.dim or known, visual_dim),
    ):
        if gives not in (0, dim):  # 0: nobody knows before its files are here
            raise AuthorsBankError(
                f"the {what} have {dim} numbers, and {model} of preset {preset.name} gives {gives}; "
                "name the preset with the models they were made with."
            )
    clip = clip.model_copy(update={"dim": text_dim})
    backbone = backbone.model_copy(update={"dim": visual_dim})
    unpublished = ModelRecord(id=UNPUBLISHED)
    return Manifest(
        preset=preset.name,
        clip=clip,
        backbone=backbone,
        generator=unpublished,
        nouns=unpublished,
        keys=clip,
        key_strategy=UNPUBLISHED,
        templates=preset.keys.templates,
        created_by=f"the authors of FreeDA, with {clip.id} and {name}",
    )


def import_authors_bank(
    address: str | Path,
    embeddings: Path,
    index: Path,
    *,
    preset: str | Preset = AUTHORS_PRESET,
    message: str = "",
    progress: Callable[[AuthorsProgress], None] | None = None,
) -> AuthorsReport:
    """Read the authors' ``.npy`` files and faiss index into a bank, made when there is none.

    Args:
        address: of the bank.
        embeddings: folder of the ``.npy`` files, with nothing else in it.
        index: their ``knn.index``.
        preset: whose CLIP and backbone made them.
        message: kept with the revision.
        progress: called after every batch.

    Raises:
        AuthorsBankError: files are missing, stray, broken or do not belong together.
        FaissMissingError: faiss is not installed.
        ManifestMismatchError: the bank holds prototypes of other models or another origin.
        BankError: see :meth:`freeda_store.Bank.open`.
    """
    chosen = preset if isinstance(preset, Preset) else load_preset(preset)
    source = AuthorsBank(embeddings, index)
    manifest = authors_manifest(chosen, source.text_dim, source.visual_dim)
    said = message or f"import {printable(embeddings.name or str(embeddings))}"
    with Bank.open(address, create=manifest) as bank:
        return copy_authors_bank(bank, source, said, progress)
