"""Names and seeds made from content: the same captions give the same seeds, runs and keys for ever.

The pictures drawn from a seed are the same up to rounding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from freeda_store.records import Caption

RUN_KEY_CAPTIONS = 16
"""How many captions name a run. Few, so that a live pipe starts soon and that a file which was
corrected or continued further down still resumes its run."""


def caption_seed(caption: Caption, base_seed: int) -> int:
    """The seed of a caption's noise, 0 to 2**31 - 1.

    It is read from the SHA-256 of the base seed and of what makes a caption the one it is: its text,
    external id and source. Place in the file, batch and run do not matter.
    """
    digest = _digest(["seed", base_seed, caption.text, caption.external_id, caption.source])
    return int.from_bytes(digest[:4], "big") >> 1


def run_key(first_captions: Iterable[Caption], base_seed: int) -> str:
    """The name under which a run that died is found again: SHA-256, in hex.

    It is made from the base seed and the first :data:`RUN_KEY_CAPTIONS` captions of the input. Batch
    size, limit and message are left out: a run may go on with others. Only captions that come live,
    through a pipe, are not waited for beyond a limit, so there a limit smaller than that number counts.
    """
    identities = [[caption.text, caption.external_id, caption.source] for caption in first_captions]
    return _digest(["run", base_seed, identities]).hex()


def _digest(parts: object) -> bytes:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).digest()
