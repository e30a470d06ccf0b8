"""Settings turned into what the planner says and may say: templates and wording rules. Knows no broker."""

from __future__ import annotations

from consumer.planner.prompting.lint import Linter, load
from consumer.planner.prompts import Prompts
from consumer.settings import Settings
from model.storyboard.spec import SPEC as STORYBOARD


def prompts_of(settings: Settings) -> Prompts:
    """The template library. Raises TemplateError, NotADirectoryError."""
    # An engine that draws captions reads no prompt: nothing to make calmer.
    calm = "calm" in settings.renderer.fallbacks and settings.engine.name != STORYBOARD.name
    return Prompts.load(settings.planner.templates, settings.planner.kept_out, calm=calm)


def rules_of(settings: Settings) -> Linter:
    """The wording rules. Raises RuleError."""
    return Linter(load(settings.planner.prompt_rules), settings.planner.prompt_policy)
