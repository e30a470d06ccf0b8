"""What every branch of the tree of settings is: frozen, and strict about names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Tree(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
