"""What the planner would say of words before it gets them: findings in products and promotions. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consumer.events import Product, Promo
from consumer.planner.configured import prompts_of, rules_of
from consumer.planner.drafts import judged
from consumer.planner.prompting.lint import Finding
from consumer.planner.prompting.rulebook import RuleError
from consumer.planner.prompting.schema import TemplateError
from consumer.settings import Settings


class WordingError(Exception):
    """Raised when the templates or the wording rules cannot be used; the message says what to mend."""


class Wording:
    """Templates and rules as configured. Raises WordingError."""

    def __init__(self, settings: Settings) -> None:
        try:
            self.prompts, self.rules = prompts_of(settings), rules_of(settings)
        except (TemplateError, RuleError, OSError) as error:
            raise WordingError(str(error)) from error

    def product(self, product: Product) -> tuple[Finding, ...]:
        """Findings in the product's prompt and captions. The prompt is that for words alone, which says most."""
        return judged(self.rules, self.prompts.compose(product), product.category)

    def refused(self, name: str, values: Iterable[dict[str, Any]]) -> list[str]:
        """A line for each decoded event of schema ``name`` that the planner would refuse for its words."""
        lines = []
        for value in values:
            if name == "product-created":
                identity, findings = str(value["product_id"]), self.product(Product.from_avro(value))
            elif name == "promo-changed":
                identity, findings = str(value["promo_id"]), self.rules.promo(Promo.from_avro(value))
            else:
                break
            lines += [f"{identity}: {each.check}: {each.message}" for each in self.rules.refusing(findings)]
        return lines
