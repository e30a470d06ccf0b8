"""Settings turned into what the planner says and may say: templates and wording rules. Knows no broker."""

from __future__ import annotations

from consumer.planner.prompting.lint import Linter, load
from consumer.planner.prompts import Prompts
from consumer.settings import Settings


def prompts_of(settings: Settings) -> Prompts:
    """The template library. Raises TemplateError, NotADirectoryError."""
    return Prompts.load(settings.planner.templates, settings.planner.kept_out)


def rules_of(settings: Settings) -> Linter:
    """The wording rules. Raises RuleError."""
    return Linter(load(settings.planner.prompt_rules), settings.planner.prompt_policy)
