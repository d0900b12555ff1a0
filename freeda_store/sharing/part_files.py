"""A part as four files, and four files that may come from anywhere as a part.

Tables are Parquet without compression or dictionaries: pictures and vectors are most of a part and do
not shrink, and a reader can refuse what unfolds to more than its size. Vectors are safetensors:
``texts`` float32, ``visuals`` float16 and, where a prototype has one, ``semantics`` float16.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from freeda_store.errors import ArchiveError
from freeda_store.fields import Holder, Holds, attributes, caption_of, from_cells, names, to_cells
from freeda_store.records import FloatArray, Prototype
from freeda_store.sharing.layout import GENERATIONS, PROTOTYPES, THUMBNAILS, VECTORS
from freeda_store.sharing.part_tables import read_table, write_table
from freeda_store.sharing.parts import HalfArray, Part, SharedGeneration, thumbnail_keys
from freeda_store.thumbnails.folder import KEY_PATTERN
from freeda_store.vectors.protocol import VectorSizes


def encode_part(part: Part) -> dict[str, bytes]:
    """The files of a part by their names; the same part gives the same bytes."""
    from safetensors.numpy import save

    pairs = [(generation, own) for generation in part.generations for own in generation.prototypes]
    vectors = {
        "texts": np.ascontiguousarray(part.texts, dtype=np.float32),
        "visuals": np.ascontiguousarray(part.visuals, dtype=np.float16),
    }
    if part.semantics is not None:
        vectors["semantics"] = np.ascontiguousarray(part.semantics, dtype=np.float16)
    thumbnails = [{"key": key, "data": part.thumbnails[key]} for key in sorted(part.thumbnails)]
    return {
        GENERATIONS: write_table(GENERATIONS, map(_generation_row, part.generations)),
        PROTOTYPES: write_table(PROTOTYPES, (_prototype_row(*pair) for pair in pairs)),
        THUMBNAILS: write_table(THUMBNAILS, thumbnails),
        VECTORS: save(vectors),
    }


def decode_part(files: Mapping[str, bytes], name: str, sizes: VectorSizes) -> Part:
    """The part of files by their names.

    Their form is checked here, and that they fit each other; whether the part can be one of a bank is
    for the bank to check that takes it (``checking.check_part``).

    Args:
        files: the bytes of all four files.
        name: where they come from, for messages.
        sizes: lengths of the vectors.

    Raises:
        ArchiveError: a file is not of its format, or they contradict each other.
    """
    try:
        rows: list[tuple[str, Prototype]] = [
            (row["generation"], _prototype(row)) for row in read_table(PROTOTYPES, files[PROTOTYPES])
        ]
        own: dict[str, list[Prototype]] = {}
        for key, prototype in rows:
            own.setdefault(key, []).append(prototype)
        generations = [_generation(row, own) for row in read_table(GENERATIONS, files[GENERATIONS])]
        theirs = [prototype for generation in generations for prototype in generation.prototypes]
        order = [prototype for _, prototype in rows]
        _require(order == theirs, "its prototypes are not those of its generations, in their order")
        _require(len({prototype.id for prototype in order}) == len(order), "a prototype comes twice")
        texts, visuals, semantics = _read_vectors(files[VECTORS], len(order), sizes)
        thumbnails = _read_thumbnails(files[THUMBNAILS], generations)
    except (ArchiveError, ValueError, RecursionError) as error:
        raise ArchiveError(f"{name} is not valid ({str(error)[:200]}); get a sound copy.") from error
    return Part(tuple(generations), texts, visuals, thumbnails, semantics)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ArchiveError(otherwise)


def _generation_row(generation: SharedGeneration) -> dict[str, Any]:
    caption = generation.caption
    return {
        "key": str(generation.key),
        **to_cells(Holder.CAPTION, caption),
        "extra": json.dumps(dict(caption.extra), sort_keys=True),
        **to_cells(Holder.GENERATION, generation),
        "notes": list(generation.notes),
        "complete": generation.complete,
    }


def _generation(row: Mapping[str, Any], own: Mapping[str, list[Prototype]]) -> SharedGeneration:
    extra = json.loads(row["extra"], parse_constant=_refuse_constant, parse_float=_finite)
    _require(isinstance(extra, dict), f"extra fields of generation {row['key'][:40]} are no object")
    told = from_cells(Holder.CAPTION, row)
    texts = (*told.values(), *row["notes"])
    _require(not any("\x00" in text for text in texts), f"a NUL in generation {row['key'][:40]}")
    return SharedGeneration(
        key=_uuid(row["key"]),
        caption=caption_of(told, extra),
        notes=tuple(row["notes"]),
        complete=row["complete"],
        prototypes=tuple(own.get(row["key"], ())),
        **_checked(from_cells(Holder.GENERATION, row)),
    )


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"extra fields hold {digits[:20]}, which is too large")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"extra fields hold {name}")


def _prototype_row(generation: SharedGeneration, prototype: Prototype) -> dict[str, Any]:
    return {
        "id": str(prototype.id),
        "generation": str(generation.key),
        **to_cells(Holder.PROTOTYPE, prototype),
    }


def _prototype(row: Mapping[str, Any]) -> Prototype:
    noun, kind = row["noun"], row["kind"]
    _require("\x00" not in noun + kind and len(kind) <= 32, f"noun of prototype {row['id'][:40]}")
    return Prototype(id=_uuid(row["id"]), **attributes(_checked(from_cells(Holder.PROTOTYPE, row))))


def _uuid(text: str) -> UUID:
    """An id in its one canonical form."""
    id_ = UUID(text)
    _require(str(id_) == text, f"{text[:40]!r} is no id")
    return id_


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Values by field, whose thumbnails are keys; ``""`` where no picture was kept."""
    for name in values.keys() & set(names(Holds.THUMBNAIL)):
        key = values[name]
        _require(not key or KEY_PATTERN.fullmatch(key) is not None, f"{key[:80]!r} is no thumbnail key")
    return values


def _read_vectors(
    data: bytes, count: int, sizes: VectorSizes
) -> tuple[FloatArray, HalfArray, HalfArray | None]:
    """Texts float32 (N, D_text), visuals float16 (N, D_visual) and semantics float16 (N, D_clip), if any."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ArchiveError(f"{VECTORS} is no safetensors file ({error})") from error
    expected = {
        "texts": ((count, sizes.text), np.dtype(np.float32)),
        "visuals": ((count, sizes.visual), np.dtype(np.float16)),
    }
    if "semantics" in arrays:
        expected["semantics"] = ((count, sizes.semantic), np.dtype(np.float16))
    found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    _require(found == expected, f"{VECTORS} holds {found}, expected {expected}")
    return arrays["texts"], arrays["visuals"], arrays.get("semantics")


def _read_thumbnails(data: bytes, generations: Sequence[SharedGeneration]) -> dict[str, bytes]:
    """Thumbnails by key, each the SHA-256 of its bytes and named by a generation."""
    wanted = set(thumbnail_keys(generations))
    found: dict[str, bytes] = {}
    for row in read_table(THUMBNAILS, data):
        key, content = row["key"], row["data"]
        _require(key in wanted and key not in found, f"thumbnail {key[:80]!r} is not one of this part")
        _require(
            hashlib.sha256(content).hexdigest() == key, f"thumbnail {key} holds other bytes than its key"
        )
        found[key] = content
    return found
