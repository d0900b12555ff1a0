"""What the networks of mask proposals share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import torch

from freeda_models.protocols import ModelIdentity

LIMIT = 60.0
"""Largest logit of a mask that is kept."""

Options = TypeVar("Options")


class RegionNetwork(Generic[Options]):
    """A network of transformers with its processor and options.

    Args:
        model: on its device, in evaluation mode.
        processor: transformers' own for it.
        identity: which model this is.
        options: which masks are kept, and how they are found.
    """

    def __init__(self, model: Any, processor: Any, identity: ModelIdentity, options: Options) -> None:
        self._model, self._processor = model, processor
        self._identity, self._options = identity, options

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity


def kept_logits(logits: torch.Tensor) -> torch.Tensor:
    """Logits as proposals keep them: float16 on the CPU, none farther from 0 than :data:`LIMIT`."""
    return logits.clamp(-LIMIT, LIMIT).half().cpu()
