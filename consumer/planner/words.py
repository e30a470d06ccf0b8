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

    @property
    def calm_prompt(self) -> str | None:
        """What is to be seen, with the least that moves; None where there are no such words."""
        ...

    @property
    def source(self) -> str | None:
        """The template and its version, ``NAME@VERSION``; None where there is none."""
        ...


class Composer(Protocol):
    """Words for a product's clip."""

    def compose(self, product: Product, mode: Literal["text", "image"] = "text") -> Words:
        """The words."""
        ...
