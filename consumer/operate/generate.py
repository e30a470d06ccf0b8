"""``skureel generate``: one clip from words or a photo, to a file. No broker, no store, no catalog."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path

from consumer.operate.progress import Bar, shown
from consumer.settings import Settings
from consumer.wiring import PlanningError, engine_of, planning_of
from model.encode import encode_base
from model.engine import Engine, EngineError, EngineSpec, Rendered, Shot
from model.errors import ClipError
from model.finish import Finished, finish
from model.inspect import inspect_file, inspect_frames
from model.recipe import Photo, Recipe, RecipeError, Scene


class GenerateError(Exception):
    """Raised when no clip came of it; the message says why and what to do."""


class WishError(GenerateError):
    """Raised when what was asked for cannot be: the engine has not even been started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for on the command line."""

    prompt: str
    negative_prompt: str = ""
    captions: tuple[str, ...] = ()
    locale: str = "en"
    photo: bytes | None = None
    seed: int = 0


def recipe_of(wish: Wish, settings: Settings, spec: EngineSpec) -> Recipe:
    """The recipe of a wish: the planner's rules, with the words taken as they are. Raises WishError, RecipeError."""
    if not wish.prompt.strip():
        raise WishError("the prompt is empty: say what is to be seen")
    photo = Photo(url="file:", sha256=hashlib.sha256(wish.photo).hexdigest()) if wish.photo else None
    if photo and not spec.photos:
        raise WishError(f"the {spec.name} engine takes no photo: leave out --image, or choose another engine")
    if not photo and not spec.texts:
        raise WishError(f"the {spec.name} engine starts from a photo: give --image")
    if spec.generative and settings.clip.producer is None:
        raise WishError("clip.producer is not set: generated clips must carry a ContentProducer code")
    try:
        planning = planning_of(settings, spec)
    except PlanningError as error:
        raise WishError(str(error)) from error
    return Recipe(
        scene=Scene(
            mode="image" if photo else "text",
            prompt=wish.prompt,
            negative_prompt=wish.negative_prompt if spec.negative else "",
            photo=photo,
            captions=(wish.captions or (wish.prompt,)) if spec.captions else (),
            locale=wish.locale,
            seed=wish.seed,
            width=planning.base.width,
            height=planning.base.height,
            frames=planning.base.frames,
            fps=planning.fps,
            steps=spec.steps,
            guidance=spec.guidance,
            engine=spec.name,
            engine_revision=spec.revision,
        ),
        dressing=planning.dressing,
    )


def generate(
    wish: Wish, settings: Settings, engine: Engine, output: Path, bar: Bar
) -> tuple[Recipe, Finished, Rendered]:
    """Render, inspect, dress and write. Gives the recipe, the finished clip and what the engine said of its work.

    Raises GenerateError when the engine or the inspection refuses; the file is then not touched.
    """
    recipe = recipe_of(wish, settings, engine.spec)
    with _unfinished(output) as unfinished:
        try:
            engine.start(bar)
            bar.told("render")
            (rendered,) = engine.render([Shot(scene=recipe.scene, photo=wish.photo)], bar)
        finally:
            engine.close()
        if isinstance(rendered, EngineError):
            raise GenerateError(f"the engine refused: {rendered}")
        bar.told("inspect")
        report = inspect_frames(rendered.frames, recipe.scene)
        if not report.passed:
            raise GenerateError("the clip failed inspection: " + "; ".join(f.message for f in report.faults))
        bar.told("encode")
        finished = finish(encode_base(rendered.frames, recipe.scene.fps), recipe, generative=engine.spec.generative)
        checked = inspect_file(finished.data, recipe)
        if not checked.passed:
            raise GenerateError("the finished file failed inspection: " + "; ".join(f.message for f in checked.faults))
        unfinished.write_bytes(finished.data)
        unfinished.replace(output)
    return recipe, finished, rendered


@contextmanager
def _unfinished(output: Path) -> Iterator[Path]:
    """A file beside the output to write into: refused at once, not after the engine's minutes. Raises WishError."""
    if output.is_dir():
        raise WishError(f"{output}: is a folder; name the file to write")
    path = output.with_name(output.name + ".tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise WishError(f"{output}: cannot be written: {error.strerror or error}") from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _photo(image: Path | None) -> bytes | None:
    if image is None:
        return None
    try:
        data = image.read_bytes()
    except OSError as error:
        raise WishError(f"{image}: {error.strerror or error}") from error
    if not data:
        raise WishError(f"{image}: is empty")
    return data


def run(settings: Settings, wish: Wish, *, image: Path | None, output: Path, json: bool) -> None:
    """The command: a bar while it works, then what was made. Raises GenerateError."""
    wish = replace(wish, photo=_photo(image))
    start = time.perf_counter()
    with shown() as bar:
        try:
            engine = engine_of(settings)
        except EngineError as error:
            raise WishError(str(error)) from error
        try:
            recipe, finished, rendered = generate(wish, settings, engine, output, bar)
        except RecipeError as error:
            raise WishError(str(error)) from error
        except (EngineError, ClipError, OSError) as error:
            raise GenerateError(str(error)) from error
    probe = finished.probe
    facts = {
        "file": str(output),
        "bytes": len(finished.data),
        "sha256": finished.sha256,
        "width": probe.width,
        "height": probe.height,
        "frames": probe.frames,
        "duration": round(probe.duration, 3),
        "codec": probe.codec,
        "engine": recipe.scene.engine,
        "engine_revision": recipe.scene.engine_revision,
        "engine_seconds": round(rendered.seconds, 3),
        "stages": {stage: round(seconds, 3) for stage, seconds in rendered.stages.items()},
        "figures": {name: float(f"{figure:.6g}") for name, figure in rendered.figures.items()},
        "total_seconds": round(time.perf_counter() - start, 3),
        "recipe": recipe.digest,
        "labels": list(finished.labels),
    }
    if json:
        print(dumps(facts, ensure_ascii=False))
    else:
        print(
            f"{output}: {probe.width}×{probe.height}, {probe.duration:.1f} s, {len(finished.data) // 1024} KiB, "
            f"{recipe.scene.engine} in {facts['total_seconds']:.1f} s"
        )
