"""A bank's collection on a Qdrant server: its settings, its metadata, and the alias it goes by.

A collection is made under a name of its own and gets the bank's name as an alias when it is whole,
so that a half-made one is no bank, and a restored one takes over by moving the alias.
"""

from __future__ import annotations

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
        "vectors_config": {
            "text": models.VectorParams(
                size=sizes.text,
                distance=models.Distance.COSINE,
                on_disk=True,
                hnsw_config=models.HnswConfigDiff(m=16, ef_construct=128, on_disk=False),
                quantization_config=models.ScalarQuantization(
                    scalar=models.ScalarQuantizationConfig(
                        type=models.ScalarType.INT8, quantile=0.99, always_ram=True
                    )
                ),
            ),
            "visual": models.VectorParams(
                size=sizes.visual,
                distance=models.Distance.DOT,
                datatype=models.Datatype.FLOAT16,
                on_disk=True,
                hnsw_config=models.HnswConfigDiff(m=0),
            ),
        },
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
        sizes: of its vectors text and visual; None when it has not both.
        metadata: what freeda wrote into it; None when nothing.
    """

    sizes: VectorSizes | None
    metadata: str | None


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
    whole = isinstance(vectors, dict) and {"text", "visual"} <= vectors.keys()
    sizes = VectorSizes(vectors["text"].size, vectors["visual"].size) if whole else None
    return CollectionFacts(sizes, metadata if isinstance(metadata, str) else None)


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
