"""A bank's collection on a Qdrant server: its settings, its metadata, and the alias it goes by.

A collection is made under a name of its own and gets the bank's name as an alias when it is whole,
so that a half-made one is no bank, and a restored one takes over by moving the alias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from freeda_store.fields import REVISION_FIELDS, Holds, names
from freeda_store.vectors.filters import INTEGER_FIELDS, NUMBER_FIELDS, TEXT_FIELDS
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.sending import guard

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

DIRECTION, SEMANTIC = "direction", "semantic"
"""Named vectors beside ``text`` and ``visual``: the direction of the visual vector, which is searched, and
CLIP's view of the region. Collections of earlier versions lack both."""
METADATA_KEY = "freeda"
"""Everything is one JSON string under this key: a server merges metadata key by key."""
MAX_QUERY_LIMIT = 1_000_000
"""Strict mode's limit; a tie of equal text keys may be fetched whole."""


def create_collection(
    client: QdrantClient, collection: str, sizes: VectorSizes, metadata: str | None = None
) -> None:
    """Make an empty collection with all its payload indexes, before anything is loaded.

    Raises:
        StorageError: the server refuses, or the collection exists.
    """
    guard(collection, lambda: client.create_collection(collection, **collection_settings(sizes, metadata)))
    if is_remote(client):
        for name, schema in payload_indexes().items():
            make = partial(client.create_payload_index, collection, name, schema, wait=True)
            guard(collection, make)


def collection_settings(sizes: VectorSizes, metadata: str | None = None) -> dict[str, Any]:
    """What ``create_collection`` of the client is given."""
    from qdrant_client import models

    return {
        "vectors_config": vectors_settings(sizes),
        "on_disk_payload": True,
        "strict_mode_config": models.StrictModeConfig(
            enabled=True,
            max_query_limit=MAX_QUERY_LIMIT,
            max_timeout=300,
            upsert_max_batchsize=1000,
            unindexed_filtering_retrieve=False,
            unindexed_filtering_update=False,
        ),
        "metadata": None if metadata is None else {METADATA_KEY: metadata},
    }


def vectors_settings(sizes: VectorSizes) -> dict[str, Any]:
    """The named vectors of a collection.

    Text keys and the directions of visual vectors are searched, so they have graphs and are quantised in
    memory. Visual and semantic vectors are only fetched.
    """
    from qdrant_client import models

    half = models.Datatype.FLOAT16

    def searched(size: int, datatype: Any = None) -> Any:
        return models.VectorParams(
            size=size,
            distance=models.Distance.COSINE,
            datatype=datatype,
            on_disk=True,
            hnsw_config=models.HnswConfigDiff(m=16, ef_construct=128, on_disk=False),
            quantization_config=models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(
                    type=models.ScalarType.INT8, quantile=0.99, always_ram=True
                )
            ),
        )

    def fetched(size: int) -> Any:
        return models.VectorParams(
            size=size,
            distance=models.Distance.DOT,
            datatype=half,
            on_disk=True,
            hnsw_config=models.HnswConfigDiff(m=0),
        )

    settings = {
        "text": searched(sizes.text),
        "visual": fetched(sizes.visual),
        DIRECTION: searched(sizes.visual, half),
    }
    return settings | ({SEMANTIC: fetched(sizes.semantic)} if sizes.semantic else {})


def add_vector(client: QdrantClient, collection: str, name: str, sizes: VectorSizes) -> None:
    """Make the place of a named vector in a collection that lacks it.

    Raises:
        StorageError: the server refuses, or is too old to know how.
    """
    from qdrant_client import models

    wanted = vectors_settings(sizes)[name]
    dense = models.DenseVectorConfig(size=wanted.size, distance=wanted.distance, datatype=wanted.datatype)
    made = models.DenseVectorNameConfig(dense=dense)
    guard(collection, lambda: client.create_vector_name(collection, name, made, wait=True))
    if is_remote(client):
        configure_vectors(client, collection, [name], sizes)


def configure_vectors(
    client: QdrantClient, collection: str, vectors: Sequence[str], sizes: VectorSizes
) -> None:
    """Set graph, quantisation and place of named vectors as a bank needs them.

    Raises:
        StorageError: the server refuses.
    """
    from qdrant_client import models

    wanted = vectors_settings(sizes)
    diffs = {
        name: models.VectorParamsDiff(
            hnsw_config=wanted[name].hnsw_config,
            quantization_config=wanted[name].quantization_config,
            on_disk=True,
        )
        for name in vectors
    }
    real = real_name(client, collection)
    guard(collection, lambda: client.update_collection(real, vectors_config=diffs))


def payload_indexes() -> dict[str, Any]:
    """An index for every field that a filter may name: strict mode refuses filters without one."""
    from qdrant_client import models

    integers = (*REVISION_FIELDS, *INTEGER_FIELDS)
    schemas: dict[str, Any] = dict.fromkeys(integers, models.PayloadSchemaType.INTEGER)
    schemas |= dict.fromkeys(NUMBER_FIELDS, models.PayloadSchemaType.FLOAT)
    for field in TEXT_FIELDS:
        schemas[field] = models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD, on_disk=field not in names(Holds.TEXT, hot=True)
        )
    return schemas


@dataclass(frozen=True)
class CollectionFacts:
    """What a collection reports of itself.

    Attributes:
        sizes: of its vectors; None when it has not text and visual.
        metadata: what freeda wrote into it; None when nothing.
        searches_regions: whether it has the vector that regions are searched by.
    """

    sizes: VectorSizes | None
    metadata: str | None
    searches_regions: bool = True


def look(client: QdrantClient, collection: str) -> CollectionFacts | None:
    """What is behind a name; None when there is no such collection.

    Raises:
        StorageError: the server refuses.
    """
    from qdrant_client.http.exceptions import UnexpectedResponse

    def get() -> Any:
        try:
            return client.get_collection(collection).config
        except UnexpectedResponse as error:
            if error.status_code == 404:
                return None
            raise
        except ValueError as error:  # what the client's local mode says
            if "not found" in str(error):
                return None
            raise

    config = guard(collection, get)
    if config is None:
        return None
    vectors, metadata = config.params.vectors, (config.metadata or {}).get(METADATA_KEY)
    sizes = sizes_of(vectors)
    told = metadata if isinstance(metadata, str) else None
    return CollectionFacts(sizes, told, sizes is None or DIRECTION in vectors)


def sizes_of(vectors: Any) -> VectorSizes | None:
    """Lengths of a collection's named vectors; None where text or visual is missing."""
    if not isinstance(vectors, dict) or not {"text", "visual"} <= vectors.keys():
        return None
    semantic = vectors[SEMANTIC].size if SEMANTIC in vectors else 0
    return VectorSizes(vectors["text"].size, vectors["visual"].size, semantic)


def write_metadata(client: QdrantClient, collection: str, document: str) -> None:
    """Write into a collection's metadata, whatever its alias. This takes rights on the whole server."""
    real = real_name(client, collection)
    guard(collection, lambda: client.update_collection(real, metadata={METADATA_KEY: document}))


def own_name(alias: str) -> str:
    """A name that no collection has, for one that will go by an alias."""
    return f"{alias}-{uuid4().hex[:8]}"


def give_alias(client: QdrantClient, collection: str, alias: str) -> None:
    """Let a collection go by another name, whatever went by it before."""
    from qdrant_client import models

    named = models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
    )
    guard(alias, lambda: client.update_collection_aliases([named]))


def is_refusal(error: BaseException) -> bool:
    """Whether a server refused for want of rights."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "status_code", None) in (401, 403):
            return True
        cause = cause.__cause__
    return False


def real_name(client: QdrantClient, collection: str) -> str:
    """The collection behind an alias, or the name itself."""
    aliases = guard(collection, client.get_aliases).aliases
    return next((a.collection_name for a in aliases if a.alias_name == collection), collection)


def is_remote(client: QdrantClient) -> bool:
    """Whether a real server is behind the client; its local modes know no payload index."""
    from qdrant_client.qdrant_remote import QdrantRemote

    return isinstance(client._client, QdrantRemote)
