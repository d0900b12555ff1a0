"""``freeda serve`` before it listens: what it refuses, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("url", ["label-studio", "ftp://x", "http://user:password@x"])
def test_an_address_of_label_studio_that_is_none_is_refused(freeda: Any, bank: Path, url: str) -> None:
    result = freeda("serve", "--bank", bank, "--label-studio", url)
    assert result.exit_code == 2
    assert "correct --label-studio" in result.stderr
    assert "password" not in result.stderr


def test_a_key_of_label_studio_that_is_none_is_not_shown(
    freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a secret")
    result = freeda("serve", "--bank", bank, "--label-studio", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "LABEL_STUDIO_API_KEY is no key" in result.stderr
    assert "secret" not in result.stderr + result.stdout
