"""What the planner asks of composed words, whoever composed them."""

from __future__ import annotations

from typing import Literal, Protocol

from consumer.events import Product


class Words(Protocol):
    """What a template made of a product."""

    @property
    def prompt(self) -> str:
        """What is to be seen."""
        ...

    @property
    def negative_prompt(self) -> str:
        """What is not."""
        ...

    @property
    def captions(self) -> tuple[str, ...]:
        """Words the engine may draw, title first."""
        ...

    @property
    def locale(self) -> str:
        """The language of all of them."""
        ...


class Composer(Protocol):
    """Words for a product's clip."""

    def compose(self, product: Product, mode: Literal["text", "image"] = "text") -> Words:
        """The words."""
        ...
