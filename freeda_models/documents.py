"""Types of fields in presets and in models' own configurations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from freeda_errors import documents

Text = Annotated[documents.Text, StringConstraints(max_length=4096)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
"""TOML and JSON know lists only."""
Size = Annotated[int, Field(ge=1, le=2**20)]
"""Of a tensor, in one of its dimensions."""
