"""Settings turned into what a renderer or dresser takes. Opens nothing but the engine that draws."""

from __future__ import annotations

from consumer.renderer.ends import Addresses
from consumer.renderer.engine_room import Limits
from consumer.renderer.options import RendererOptions, Rules
from consumer.renderer.signing import told_signer_of
from consumer.renderer.templates import BreakerRules
from consumer.settings import Settings
from model.engine import Engine, EngineSpec
from model.engines import open_engine
from model.inspect import Inspector, load_policy
from model.inspect.judges import open_judges
from model.storyboard.spec import SPEC as STORYBOARD


def renderer_options(settings: Settings, role: str, *, group: str, cluster: str) -> RendererOptions:
    """What the settings say of a renderer or dresser."""
    topics, rules, engine = settings.topics, settings.renderer, settings.engine
    return RendererOptions(
        addresses=Addresses(
            role=role,
            group=group,
            source=f"/skureel/{role}",
            video_ready=topics.video_ready,
            video_rejected=topics.video_rejected,
            clip_render_bulk=topics.clip_render_bulk,
        ),
        cluster=cluster,
        look_ahead=rules.look_ahead,
        finishers=rules.finishers,
        rules=Rules(
            attempts=rules.attempts,
            photo_policy=rules.photo_policy,
            tries=rules.tries,
            fallbacks=rules.fallbacks,
            pan=STORYBOARD,
            best_of=rules.best_of,
            breaker=BreakerRules(**rules.breaker.model_dump()),
            inspector=inspector_of(settings),
            signer=told_signer_of(settings.clip.c2pa),
        ),
        limits=Limits(
            job_timeout=engine.job_timeout,
            hang_after=engine.hang_after,
            start_timeout=engine.start_timeout,
            on_hang="restart" if engine.hosted else "exit",
        ),
        bulk_topics=frozenset({topics.clip_render_bulk, topics.clip_dress}),
        bulk_share=rules.bulk_share,
    )


def fallback_of(settings: Settings, spec: EngineSpec) -> Engine | None:
    """The engine that draws what the configured one cannot render, where photo policy or fallbacks may ask for it."""
    policy = settings.renderer.photo_policy
    wanted = policy == "storyboard" or (policy == "text" and not spec.texts) or "pan" in settings.renderer.fallbacks
    if wanted and spec.name != STORYBOARD.name:
        return open_engine("storyboard")
    return None


def inspector_of(settings: Settings) -> Inspector:
    """The configured policy and the judges it can have. Raises PolicyError and JudgeError naming the setting."""
    wanted = settings.inspection
    return Inspector(load_policy(wanted.policy), open_judges(wanted.models, ocr=wanted.ocr, device=wanted.device))
