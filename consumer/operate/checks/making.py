"""Looks at what clips are made with: encoder, typeface, templates, wording rules, engine, signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from consumer.events import utc_now
from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.planner.configured import prompts_of, rules_of
from consumer.planner.prompting.rulebook import RuleError
from consumer.planner.prompting.schema import TemplateError
from consumer.renderer.signing import signer_of
from consumer.settings import Settings
from consumer.wiring import PlanningError, engine_of, planning_of
from model.encode import choose_codec
from model.engine import EngineError
from model.errors import CodecError
from model.provenance import CredentialsError
from model.typeset import FontError, check_fonts

PORTABLE = "libx264"
"""The encoder that makes the same bytes on every machine."""
SOON = timedelta(days=30)
"""A certificate that expires sooner than this is told of."""


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    advice = "large models take longer than this to load: try `skureel generate --prompt test -o test.mp4`"
    return (
        Check("video codec", _codec, advice="reinstall PyAV: `pip install --force-reinstall av`"),
        Check("fonts", _fonts, advice="reinstall justmytype-intl-cjk and pillow"),
        Check("templates", lambda: _templates(settings), advice="is the disk of planner.templates there?"),
        Check("wording rules", lambda: _rules(settings), advice="is the disk of planner.prompt_rules there?"),
        Check("engine", lambda: _engine(settings), late="warn", advice=advice),
        Check("signing", lambda: _signing(settings), advice="is the disk of clip.c2pa.certificate there?"),
    )


def _codec() -> Iterator[Finding]:
    try:
        codec = choose_codec()
    except CodecError as error:
        yield fail("video codec", str(error), "install PyAV's own wheel: `pip install --force-reinstall av`")
        return
    found = f"H.264 by {codec.name} ({codec.reason})"
    if codec.name == PORTABLE:
        yield ok("video codec", found)
    else:
        yield warn("video codec", found, f"install a PyAV with {PORTABLE}, or all machines must have {codec.name}")


def _fonts() -> Iterator[Finding]:
    try:
        yield ok("fonts", check_fonts())
    except FontError as error:
        yield fail("fonts", str(error), "reinstall justmytype-intl-cjk and pillow")


def _templates(settings: Settings) -> Iterator[Finding]:
    folder = settings.planner.templates
    try:
        versions = prompts_of(settings).versions
    except (TemplateError, OSError) as error:
        yield fail("templates", str(error), "mend the file named, or set planner.templates")
        return
    yield ok("templates", f"{len(versions)} categories{f', with those of {folder}' if folder else ''}")


def _rules(settings: Settings) -> Iterator[Finding]:
    file = settings.planner.prompt_rules
    try:
        rules = rules_of(settings)
    except RuleError as error:
        yield fail("wording rules", str(error), "mend the rule named, or set planner.prompt_rules")
        return
    found = f"{len(rules.book.rules)} of version {rules.book.version}{f', with those of {file}' if file else ''}"
    yield ok("wording rules", found)


def _engine(settings: Settings) -> Iterator[Finding]:
    try:
        engine = engine_of(settings)
    except EngineError as error:
        todo = "set engine.name to storyboard, wan, or MODULE:FACTORY of an installed engine"
        yield fail("engine", str(error), todo if "engine.wan" not in str(error) else "see `skureel model --help`")
        return
    spec = engine.spec
    try:
        planning_of(settings, spec)
    except PlanningError as error:
        yield fail("engine", str(error), "change the setting named, or choose another engine or profile")
        return
    found = f"{spec.name} {spec.revision}, {'generative' if spec.generative else 'not generative'}"
    if spec.generative and settings.clip.producer is None:
        todo = "set clip.producer: generated clips must carry a ContentProducer code"
        yield fail("engine", f"{found}, and clip.producer is not set", todo)
        return
    try:
        engine.start()
        yield ok("engine", f"{found}; started")
    except EngineError as error:
        yield fail("engine", f"{found}: {error}", "mend what it says, or set engine.name to storyboard")
    finally:
        engine.close()


def _signing(settings: Settings) -> Iterator[Finding]:
    try:
        signer = signer_of(settings.clip.c2pa)
    except CredentialsError as error:
        yield fail("signing", str(error), "see docs/LABELS.md for what a certificate must have")
        return
    if signer is None:
        yield ok("signing", "clips are not signed: clip.c2pa.certificate is not set")
        return
    own = signer.credentials
    found = f"C2PA by {own.subject}, {own.algorithm}, until {own.expires.date().isoformat()}; tried"
    if own.expires - utc_now() < SOON:
        yield warn("signing", found, "renew the certificate: once it has expired no clip is published")
    else:
        yield ok("signing", found)
