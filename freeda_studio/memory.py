"""What fits into memory: a cache by bytes, the least used leaving first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from threading import Lock
from typing import Any, Generic, TypeVar
from uuid import UUID

import numpy as np
from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_LIGHT = frozenset({bool, float, int, str, type(None), UUID})
"""Kinds of values that hold no arrays; there are many of them."""


class ByteCache(Generic[K, V]):
    """Remembers values, by the bytes of the arrays in them.

    Args:
        most_bytes: of all values together; a larger one is made and not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._kept: LRUCache[K, tuple[V, int]] = LRUCache(max(1, most_bytes), getsizeof=_size)
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made where it is not known. Two threads may both make it."""
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
        made = make()
        size = held_bytes(made)
        with self._lock:
            if size <= self._kept.maxsize:
                self._kept[key] = made, size
        return made

    def known(self, key: K) -> V | None:
        """The value of a key; None where it is not known."""
        with self._lock:
            found = self._kept.get(key)
        return None if found is None else found[0]

    def forget(self, matches: Callable[[K], bool]) -> None:
        """Let go of some values."""
        with self._lock:
            for key in [key for key in self._kept if matches(key)]:
                del self._kept[key]

    @property
    def bytes(self) -> int:
        """What is held now."""
        return int(self._kept.currsize)


def _size(kept: tuple[object, int]) -> int:
    return kept[1]


def held_bytes(value: object) -> int:
    """Bytes of the arrays and byte strings in a value, each once.

    Looks into dataclasses, tuples, lists and mappings.
    """
    seen: set[int] = set()
    todo: list[Any] = [value]
    total = 0
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            owner = each if each.base is None or not isinstance(each.base, np.ndarray) else each.base
            if owner is each or id(owner) not in seen:
                seen.add(id(owner))
                total += owner.nbytes
        elif isinstance(each, bytes):
            total += len(each)
        else:
            todo.extend(part for part in _parts(each) if type(part) not in _LIGHT)
    return total


def _parts(value: Any) -> Iterable[object]:
    """What a value is made of, as far as it is looked into."""
    if isinstance(value, tuple | list):
        return value
    if isinstance(value, dict):
        return value.values()
    return [getattr(value, name) for name in _field_names(type(value))]  # type: ignore[arg-type] # classes hash


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
