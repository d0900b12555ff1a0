"""Dataclasses that hold arrays compare by identity: a generated ``==`` of arrays raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    {
        path.parent
        for place in (ROOT, ROOT / "ingest", ROOT / "cli")
        for path in place.glob("freeda*/__init__.py")
    }
)
ARRAYS = {"NDArray", "ndarray", "Tensor"}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def names(annotation: ast.expr) -> set[str]:
    """The names in an annotation, those of functions it takes or gives left out."""
    if isinstance(annotation, ast.Subscript) and "Callable" in names(annotation.value):
        return set()
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return names(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return set()
    own = {annotation.id} if isinstance(annotation, ast.Name) else set()
    own |= {annotation.attr} if isinstance(annotation, ast.Attribute) else set()
    inside = (child for child in ast.iter_child_nodes(annotation) if isinstance(child, ast.expr))
    return own.union(*map(names, inside))


def aliases(trees: list[ast.Module]) -> set[str]:
    """What modules call their arrays, such as ``FloatArray``."""
    return ARRAYS | {
        target.id
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and names(node.value) & ARRAYS
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def made_by(node: ast.ClassDef) -> ast.expr | None:
    """The ``dataclass`` decorator of a class."""
    for each in node.decorator_list:
        if "dataclass" in names(each.func if isinstance(each, ast.Call) else each):
            return each
    return None


def compares_by_identity(decorator: ast.expr) -> bool:
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    return any(each.arg == "eq" and ast.unparse(each.value) == "False" for each in keywords)


def holders(trees: dict[str, ast.Module]) -> dict[str, bool]:
    """The dataclasses that hold arrays, and whether each compares by identity."""
    arrays = aliases(list(trees.values()))
    found = {}
    for place, tree in trees.items():
        for node in ast.walk(tree):
            decorator = made_by(node) if isinstance(node, ast.ClassDef) else None
            if not isinstance(node, ast.ClassDef) or decorator is None:
                continue
            fields = (each.annotation for each in node.body if isinstance(each, ast.AnnAssign))
            if any(names(annotation) & arrays for annotation in fields):
                found[f"{place}:{node.name}"] = compares_by_identity(decorator)
    return found


def test_dataclasses_with_arrays_compare_by_identity() -> None:
    found = holders(dict(parsed()))
    assert len(found) > 30
    assert [name for name, by_identity in found.items() if not by_identity] == []


@pytest.mark.parametrize(
    ("decorator", "annotation", "told"),
    [
        ("dataclass", "FloatArray", {"m:A": False}),
        ("dataclass(frozen=True)", "tuple[FloatArray, ...] | None", {"m:A": False}),
        ("dataclasses.dataclass(frozen=True, eq=True)", "'np.ndarray'", {"m:A": False}),
        ("dataclass(frozen=True, eq=False)", "dict[str, FloatArray]", {"m:A": True}),
        ("dataclass", "Callable[[FloatArray], FloatArray]", {}),
        ("dataclass", "str", {}),
        ("final", "FloatArray", {}),
    ],
)
def test_what_is_found(decorator: str, annotation: str, told: dict[str, bool]) -> None:
    text = f"FloatArray = NDArray[np.float32]\n@{decorator}\nclass A:\n    x: {annotation}\n"
    assert holders({"m": ast.parse(text)}) == told
