"""Names, signatures and fields that others build on change only where somebody saw them change."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, resources

import pytest
from public_surface import PACKAGES, WRITTEN, public_surface


def test_the_public_surface_is_the_one_written_down() -> None:
    written = WRITTEN.read_text(encoding="utf-8").splitlines()
    assert public_surface().splitlines() == written, (
        "the public surface has changed; see that it should, run `python tests/public_surface.py`, and tell "
        "people in CHANGELOG.md"
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_that_of_a_module_which_would_take_its_place_when_imported(package: str) -> None:
    names = {path.name.removesuffix(".py") for path in resources.files(package).iterdir()}
    assert not names & set(import_module(package).__all__)


def test_names_of_the_models_are_imported_when_first_used() -> None:
    script = "import freeda_models, sys; freeda_models.load_preset; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
