"""What a person may build on: every public name of the packages, with signatures, fields and members.

``python tests/public_surface.py`` writes ``tests/public_surface.txt`` anew; the diff shows what others will
have to change.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

PACKAGES = ("freeda", "freeda_store", "freeda_segment", "freeda_ingest", "freeda_learn", "freeda_models")
WRITTEN = Path(__file__).with_suffix(".txt")


def public_surface() -> str:
    """All of it as text, one name a line, what belongs to a class indented below it."""
    lines = ["# Written by `python tests/public_surface.py`."]
    for package in PACKAGES:
        module = import_module(package)
        lines += ["", f"## {package}", ""]
        for name in sorted(module.__all__):
            lines += _described(package, name, getattr(module, name))
    return "\n".join(lines) + "\n"


def _described(package: str, name: str, value: Any) -> Iterator[str]:
    home = str(getattr(value, "__module__", package)).partition(".")[0]
    if home != package and home in PACKAGES:
        yield f"{name}: as in {home}"
    elif inspect.isclass(value):
        yield f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
        yield from (f"    {line}" for line in _members(value))
    elif inspect.isfunction(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _members(owner: type) -> Iterator[str]:
    if issubclass(owner, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in owner)
    elif dataclasses.is_dataclass(owner):
        yield from (_field(field) for field in dataclasses.fields(owner) if not field.name.startswith("_"))
    elif issubclass(owner, BaseModel):
        yield from (f"{name}: {kind}" for name, kind in owner.__annotations__.items() if name[0] != "_")
    elif "__init__" in vars(owner) and not getattr(owner, "_is_protocol", False):
        yield f"__init__{_signature(owner.__init__)}"
    for name, member in sorted(vars(owner).items()):
        if name.startswith("_"):
            continue
        function = getattr(member, "__func__", None) or getattr(member, "fget", None)
        function = function or getattr(member, "func", None) or member  # a cached property's
        if inspect.isfunction(function):
            kind = "" if function is member else f"{type(member).__name__} "
            yield f"{kind}{name}{_signature(function)}"


def _field(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}: {field.type} = {_plain(repr(field.default))}"
    factory = field.default_factory
    made = "" if factory is dataclasses.MISSING else f" = {getattr(factory, '__name__', 'made')}()"
    return f"{field.name}: {field.type}{made}"


def _signature(function: Any) -> str:
    """With annotations as they are written in the code, without quotes around them."""
    quoted = r"""(?:(?<=: )|(?<=-> ))(["'])(.*?)\1(?=[,)]| = |$)"""
    return _plain(re.sub(quoted, r"\2", str(inspect.signature(function))))


def _plain(text: str) -> str:
    """Without addresses in memory, and the lines of a default that has several."""
    return " ".join(re.sub(r" at 0x[0-9a-f]+", "", text).split())


if __name__ == "__main__":
    WRITTEN.write_text(public_surface(), encoding="utf-8")
