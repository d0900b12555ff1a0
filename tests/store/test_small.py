"""Addresses, filters and manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_makers import make_generation, make_manifest

from freeda_store import Address, Manifest, ModelRecord, Origin, generation_key, parse_filter
from freeda_store.errors import AddressError, BankDamagedError, FilterError, ManifestMismatchError
from freeda_store.vectors.filters import (
    INTEGER_FIELDS,
    NUMBER_FIELDS,
    TEXT_FIELDS,
    Condition,
    Filter,
    Operator,
)


@pytest.mark.parametrize(
    ("text", "folder", "version"),
    [
        ("flowers", "flowers", None),
        ("flowers@17", "flowers", 17),
        ("a/b@v2.1-rc", "a/b", "v2.1-rc"),
        ("me@home/bank", "me@home/bank", None),
        ("me@home/bank@3", "me@home/bank", 3),
        ("a@b@tag", "a@b", "tag"),
    ],
)
def test_addresses(text: str, folder: str, version: int | str | None) -> None:
    for given_ in (text, Path(text)):
        address = Address.parse(given_)
        assert (address.folder, address.version) == (Path(folder), version)
        assert str(address) == text


@pytest.mark.parametrize("text", ["", "  ", "@3", "bank@", "bank@-1", "bank@a b", "bank@٣"])
def test_bad_addresses(text: str) -> None:
    with pytest.raises(AddressError, match="DIR@"):
        Address.parse(text)


def test_a_folder_named_like_a_version_wins(tmp_path: Path) -> None:
    (tmp_path / "bank@3").mkdir()
    assert Address.parse(tmp_path / "bank@3") == Address(tmp_path / "bank@3")


def test_filters() -> None:
    assert parse_filter([]) == Filter()
    assert parse_filter([" , "]) == Filter()
    parsed = parse_filter(["source=coco, contrast >= 1.5", "noun = red car | bus", "seed!=7"])
    assert parsed.conditions == (
        Condition("source", Operator.EQ, ("coco",)),
        Condition("contrast", Operator.GE, (1.5,)),
        Condition("noun", Operator.EQ, ("red car", "bus")),
        Condition("seed", Operator.NE, (7,)),
    )
    assert parse_filter(["source="]).conditions[0].values == ("",)
    assert hash(parsed) == hash(parse_filter([str(parsed)]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour=red", "unknown filter field 'colour'"),
        ("coco", "is not a filter"),
        ("noun>car", "only be compared with = and !="),
        ("seed>3", "only be compared with = and !="),
        ("area>big", "'big' is none"),
        ("area>nan", "finite number"),
        ("seed=1.5", "whole number"),
        ("area>1|2", "takes one number"),
    ],
)
def test_bad_filters(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        parse_filter([text])


words = st.text(st.characters(exclude_characters=",|\0", exclude_categories=["Cs"])).map(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)
equalities = st.sampled_from([Operator.EQ, Operator.NE])


def conditions(fields: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    some = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.builds(Condition, st.sampled_from(fields), equalities, some)


orders = st.builds(
    Condition,
    st.sampled_from(NUMBER_FIELDS),
    st.sampled_from([Operator.GE, Operator.LE, Operator.GT, Operator.LT]),
    st.tuples(numbers),
)
filters = st.lists(
    st.one_of(
        conditions(tuple(name for name in TEXT_FIELDS if name != "origin"), words),
        conditions(("origin",), st.sampled_from(Origin).map(str)),
        conditions(NUMBER_FIELDS, numbers),
        conditions(INTEGER_FIELDS, st.integers(0, 2**63 - 1)),
        orders,
    ),
    max_size=4,
).map(lambda some: Filter(tuple(some)))


@given(filters, st.sampled_from(["", " ", "\t"]))
def test_any_filter_is_read_as_it_was_written(wanted: Filter, space: str) -> None:
    assert parse_filter([str(wanted)]) == wanted
    spaced = [
        f"{space}{c.field}{space}{c.operator}{space}" + f"{space}|{space}".join(map(str, c.values)) + space
        for c in wanted.conditions
    ]
    assert parse_filter(spaced) == wanted
    assert parse_filter([f"{space},".join(spaced)]) == wanted


@given(filters, st.integers(0), st.text(max_size=2))
def test_a_filter_with_a_slip_is_read_or_refused(wanted: Filter, place: int, slip: str) -> None:
    text = str(wanted)
    cut = place % (len(text) + 1)
    for slipped in (text[:cut] + slip + text[cut:], text[:cut] + slip + text[cut + 1 :], slip):
        try:
            parsed = parse_filter([slipped])
        except FilterError:
            continue
        assert parse_filter([str(parsed)]) == parsed


def test_manifest_round_trip_and_comparison() -> None:
    manifest = make_manifest()
    assert Manifest.from_json(manifest.model_dump_json()) == manifest
    manifest.check(make_manifest(preset="other", created_by="me"))
    changes: dict[str, object] = {
        "clip": ModelRecord(id="clip-a", sha256="aa", dim=9),
        "generator": ModelRecord(id="sd-a", sha256="dd"),
        "nouns": ModelRecord(id="spacy-a", revision="3.9"),
        "key_strategy": "span_in_caption",
        "templates": "imagenet",
        "threshold": {"threshold": "otsu"},
    }
    for field, value in changes.items():
        with pytest.raises(ManifestMismatchError, match=f"^the bank was made with {field} = "):
            manifest.check(make_manifest(**{field: value}))
    for document in ("", "{}", '{"preset": 3}'):
        with pytest.raises(BankDamagedError, match="manifest is not valid"):
            Manifest.from_json(document)


def test_models_are_told_apart() -> None:
    hub = ModelRecord(id="hub/name", revision="1", sha256="aa", dim=4)
    assert hub.same_as(ModelRecord(id="/folder", revision="", sha256="aa", dim=4))
    assert not hub.same_as(ModelRecord(id="hub/name", revision="1", sha256="bb", dim=4))
    assert hub.same_as(ModelRecord(id="hub/name", revision="1", dim=4))
    assert not hub.same_as(ModelRecord(id="hub/name", revision="2", dim=4))
    assert not hub.same_as(ModelRecord(id="hub/name", revision="1", sha256="aa", dim=4, preprocessing="x"))
    assert str(hub) == "hub/name (revision 1, sha256 aa, dim 4)"


def test_generation_keys_are_stable() -> None:
    caption = make_generation(3).caption
    assert str(generation_key(caption, 3)) == "81a6926b-3646-5b16-9a73-dfb7701d0b39"
    assert generation_key(caption, 3) != generation_key(caption, 4)
    assert generation_key(make_generation(3, license="other").caption, 3) == generation_key(caption, 3)
