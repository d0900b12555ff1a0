"""A bank's collection on a Qdrant server: its settings, its metadata, and the alias it goes by.

A collection is made under a name of its own and gets the bank's name as an alias when it is whole,
so that a half-made one is no bank, and a restored one takes over by moving the alias.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from freeda_store.errors import StorageError
from freeda_store.vectors.filters import INTEGER_FIELDS, NUMBER_FIELDS, TEXT_FIELDS
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.sending import guard

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

METADATA_KEY = "freeda"
"""Everything is one JSON string under this key: a server merges metadata key by key."""
MAX_QUERY_LIMIT = 1_000_000
"""Strict mode's limit; a tie of equal text keys may be fetched whole."""
_SEARCHED_FIELDS = ("noun", "source", "license", "kind")
"""Text fields whose index is worth memory; those of the others stay on disk."""


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

    integers = ("added_in", "retired_in", *INTEGER_FIELDS)
    schemas: dict[str, Any] = dict.fromkeys(integers, models.PayloadSchemaType.INTEGER)
    schemas |= dict.fromkeys(NUMBER_FIELDS, models.PayloadSchemaType.FLOAT)
    for field in TEXT_FIELDS:
        schemas[field] = models.KeywordIndexParams(
            type=models.KeywordIndexType.KEYWORD, on_disk=field not in _SEARCHED_FIELDS
        )
    return schemas


def read_metadata(client: QdrantClient, collection: str) -> str | None:
    """What was published with a collection; None when there is no collection.

    Raises:
        StorageError: the server refuses, or the collection is no bank's.
    """
    from qdrant_client.http.exceptions import UnexpectedResponse

    def get() -> Any:
        try:
            return client.get_collection(collection).config.metadata or {}
        except UnexpectedResponse as error:
            if error.status_code == 404:
                return None
            raise
        except ValueError as error:  # what the client's local mode says
            if "not found" in str(error):
                return None
            raise

    metadata = guard(collection, get)
    if metadata is None:
        return None
    if not isinstance(metadata.get(METADATA_KEY), str):
        raise StorageError(
            f"the Qdrant collection '{collection}' holds no bank of freeda; name another in the profile."
        )
    return str(metadata[METADATA_KEY])


def write_metadata(client: QdrantClient, collection: str, document: str) -> None:
    """Publish with a collection, whatever its alias."""
    real = real_name(client, collection)
    guard(collection, lambda: client.update_collection(real, metadata={METADATA_KEY: document}))


def create_aliased(client: QdrantClient, alias: str, sizes: VectorSizes, metadata: str) -> None:
    """Make a collection, and give it its alias last."""
    from qdrant_client import models

    real = f"{alias}-{uuid4().hex[:8]}"
    create_collection(client, real, sizes, metadata)
    named = models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name=real, alias_name=alias)
    )
    guard(alias, lambda: client.update_collection_aliases([named]))


def real_name(client: QdrantClient, collection: str) -> str:
    """The collection behind an alias, or the name itself."""
    aliases = guard(collection, client.get_aliases).aliases
    return next((a.collection_name for a in aliases if a.alias_name == collection), collection)


def is_remote(client: QdrantClient) -> bool:
    """Whether a real server is behind the client; its local modes know no payload index."""
    from qdrant_client.qdrant_remote import QdrantRemote

    return isinstance(client._client, QdrantRemote)
