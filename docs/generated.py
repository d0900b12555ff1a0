"""Pages that programs write: written, or compared with what is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def write_or_check(page: Path, text: str, arguments: Sequence[str] | None = None) -> None:
    """Write a page; with ``--check`` only compare, and exit with 1 when it is stale."""
    parser = argparse.ArgumentParser(description=f"Write docs/{page.name}.")
    parser.add_argument("--check", action="store_true", help="only compare; exit with 1 when it is stale")
    if not parser.parse_args(arguments).check:
        page.write_text(text, encoding="utf-8")
        return
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"docs/{page.name} is stale; run `make docs`.\n")
        sys.exit(1)
