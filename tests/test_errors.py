"""Every error that freeda raises for a person has one base, and tells its own exit code."""

from __future__ import annotations

import importlib
import inspect

import pytest

import freeda_errors
from freeda_cli import errors as messages
from freeda_errors import FreedaError

ROOMS = (
    "freeda_models.errors",
    "freeda_store.errors",
    "freeda_ingest.errors",
    "freeda_segment.errors",
    "freeda_learn.errors",
    "freeda_cli.errors",
)
MISUSE = {
    "UsageError",
    "DeviceError",
    "PresetError",
    "AddressError",
    "VersionError",
    "ArchiveExistsError",
    "AuthorsBankError",
    "BankMissingError",
    "FilterError",
    "ManifestMismatchError",
    "PrototypeMissingError",
    "ReadOnlyBankError",
    "ReadOnlyViewError",
    "RepositoryNameError",
    "RevisionMissingError",
    "SettingsError",
    "TableFormatError",
    "TagError",
    "CaptionsError",
    "OptionError",
    "OverwriteError",
    "ClassesError",
    "LabelsError",
    "MarkError",
}


def errors_of(room: str) -> list[type[Exception]]:
    module = importlib.import_module(room)
    classes = [value for _, value in inspect.getmembers(module, inspect.isclass)]
    return [one for one in classes if issubclass(one, Exception) and one.__module__ == room]


@pytest.mark.parametrize("room", ROOMS)
def test_all_errors_of_a_room_have_one_base(room: str) -> None:
    found = errors_of(room)
    assert found
    assert [one for one in found if not issubclass(one, FreedaError)] == []


def test_what_was_asked_wrongly_ends_with_2_and_all_else_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    for room in ROOMS:
        for kind in errors_of(room):
            assert messages.report(kind("a reason.")) == (2 if kind.__name__ in MISUSE else 1), kind
    assert "unexpected" not in capsys.readouterr().err


def test_other_errors_are_unexpected_and_end_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert messages.report(ZeroDivisionError("by zero")) == 1
    assert "unexpected ZeroDivisionError: by zero" in capsys.readouterr().err


def test_the_base_imports_nothing() -> None:
    source = inspect.getsource(freeda_errors)
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["from __future__ import annotations", "from typing import ClassVar"]
