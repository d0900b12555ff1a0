"""``freeda serve`` before it listens: what it refuses, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from freeda_studio.serving import page_address
from freeda_studio.settings import Access


@pytest.mark.parametrize("url", ["label-studio", "ftp://x", "http://user:password@x"])
def test_an_address_of_label_studio_that_is_none_is_refused(freeda: Any, bank: Path, url: str) -> None:
    result = freeda("serve", "--bank", bank, "--label-studio", url)
    assert result.exit_code == 2
    assert "correct --label-studio" in result.stderr
    assert "password" not in result.stderr


def test_a_token_that_no_header_carries_is_refused(
    freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEDA_TOKEN", "geheim ö")
    result = freeda("serve", "--bank", bank, "--port", 0)
    assert result.exit_code == 2
    assert "FREEDA_TOKEN has spaces or letters that are not ASCII" in result.stderr
    assert "geheim" not in result.stderr + result.stdout


def test_the_printed_address_can_be_opened_whatever_the_token_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_TOKEN", "a&b=c#d;e+f%20")
    access = Access()
    address = urlsplit(page_address(access))
    assert parse_qs(address.query) == {"token": [access.token]}
    assert address.fragment == ""


def test_a_key_of_label_studio_that_is_none_is_not_shown(
    freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a secret")
    result = freeda("serve", "--bank", bank, "--label-studio", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "LABEL_STUDIO_API_KEY is no key" in result.stderr
    assert "secret" not in result.stderr + result.stdout
