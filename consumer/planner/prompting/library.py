"""Template files compiled and proved: every block is rendered full and empty before the first product is seen.

It knows slots and limits; it knows no product and does not choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

from jinja2 import StrictUndefined, Template, meta
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from consumer.planner.prompting import schema, vocabulary
from consumer.planner.prompting.schema import (
    ATTRIBUTES,
    ATTRIBUTES_SHOWN,
    CHOICES,
    IMAGE_SLOTS,
    LIMITS,
    OPTIONAL,
    POINTS,
    TEXT_SLOTS,
    TemplateError,
)
from consumer.planner.prompting.text import PAUSES, count

BUILT_IN = Path(__file__).parent.parent / "templates"
GENERAL = "general"

TEXT_LENGTH = (60, 200)
"""Words (or 字) of a text prompt: Wan's own advice."""
IMAGE_LENGTH = (1, 100)

_FLAW = re.compile(
    rf" {{2,}}|[{re.escape(PAUSES)}] *[{re.escape(PAUSES)}]|[{{}}]|^[\s{re.escape(PAUSES)}]| [{re.escape(PAUSES)}]"
)
_WORD = re.compile(r"[a-z]+")


def _environment() -> ImmutableSandboxedEnvironment:
    # Prompts are plain text: escaping for HTML would write "&amp;" into them.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    return environment


@dataclass(frozen=True, slots=True)
class Block:
    """One category in one locale, ready to render."""

    locale: str
    tongue: str
    subject: str
    scenes: tuple[str, ...]
    light: tuple[str, ...]
    camera: tuple[str, ...]
    motions: tuple[str, ...]
    style: tuple[str, ...]
    calm: Mapping[str, str]
    """Camera and motion of the calmer prompt; empty where there is none."""
    words: Mapping[str, str]
    """Motion by a word of the name, in scripts with spaces."""
    pieces: tuple[tuple[str, str], ...]
    """Motion by a piece of the name, in scripts without."""
    text: Template
    image: Template
    negative: str

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Every phrase that may fill each of the template's own slots."""
        camera, calm = (tuple(filter(None, (self.calm.get(slot),))) for slot in ("camera", "motion"))
        motions = (*self.motions, *self.words.values(), *(motion for _, motion in self.pieces), *calm)
        camera = (*self.camera, *camera)
        return dict(zip(CHOICES, (self.scenes, self.light, camera, motions, self.style), strict=True))

    def function(self, name: str) -> str | None:
        """The motion of the thing at work that fits ``name``; the last fitting word decides, as English says it."""
        head = name.lower()
        for joint in (" for ", " with ", ",", "("):
            head = head.partition(joint)[0]  # a kettle for tea is a kettle
        for word in reversed(_WORD.findall(head)):
            if word in self.words:
                return self.words[word]
        for piece, motion in self.pieces:
            if piece in head:
                return motion
        return None


@dataclass(frozen=True, slots=True)
class Category:
    """One category's template."""

    name: str
    version: str
    aliases: tuple[str, ...]
    blocks: Mapping[str, Block]
    file: Path
    built_in: bool = False

    def block(self, locale: str) -> Block:
        """Exact locale, else the first of its language, else English, else the first there is."""
        wanted = locale.replace("_", "-").lower()
        tongue = vocabulary.language(wanted)
        exact = (b for tag, b in self.blocks.items() if tag.lower() == wanted)
        related = (b for b in self.blocks.values() if b.tongue == tongue)
        english = (b for b in self.blocks.values() if b.tongue == "en")
        return next((b for found in (exact, related, english) for b in found), next(iter(self.blocks.values())))


def render(template: Template, values: dict[str, str]) -> str:
    """``template`` with ``values``. Raises what its expressions raise; proved templates raise nothing."""
    # Template.render copies the values twice, which is a third of the time a prompt takes.
    return "".join(template.root_render_func(template.new_context(values, shared=True)))


def fold(category: str) -> str:
    """The form in which category names are compared: ``Home & Kitchen`` is ``home kitchen``."""
    return " ".join(re.sub(r"[\W_]+", " ", category.casefold()).replace(" and ", " ").split())


@dataclass(frozen=True, slots=True)
class Library:
    """All templates by folded name and alias."""

    categories: Mapping[str, Category]
    names: Mapping[str, Category]

    def category(self, written: str) -> Category:
        """By key or alias, of the whole or of the most specific known step of a path; else the general one."""
        if found := self.names.get(fold(written)):
            return found
        for step in reversed(re.split(r"[>/|»›\\:：＞]", written)):
            if found := self.names.get(fold(step)):
                return found
        return self.categories[GENERAL]


def load(folder: Path | None = None) -> Library:
    """The built-in templates, and those in ``folder``, which replace built-in ones of the same category.

    Raises TemplateError naming file, place and remedy; NotADirectoryError where ``folder`` is none.
    """
    own: list[Category] = []
    if folder is not None:
        if not folder.is_dir():
            raise NotADirectoryError(f"planner.templates: {folder} is not a folder; create it or drop the setting")
        own = _folder(folder)
    taken = {category.name for category in own}
    built_in = [category for category in _built_in() if category.name not in taken]
    names: dict[str, Category] = {}
    for group in (built_in, own):  # an alias of one's own templates wins over a built-in one
        names |= _names(group)
    names |= {fold(category.name): category for category in (*built_in, *own)}
    return Library({category.name: category for category in (*built_in, *own)}, names)


@cache
def _built_in() -> list[Category]:
    """Read and proved once: they are part of the program."""
    return _folder(BUILT_IN)


def _folder(folder: Path) -> list[Category]:
    environment = _environment()
    files = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    categories = [_category(environment, file) for file in files]
    by_name: dict[str, Category] = {}
    for category in categories:
        other = by_name.setdefault(category.name, category)
        if other is not category:
            problem = f"{category.name!r} is already in {other.file.name}; keep one of them"
            raise TemplateError(category.file, [("category", problem)])
    _names(categories)
    return categories


def _names(categories: Iterable[Category]) -> dict[str, Category]:
    names: dict[str, Category] = {}
    for category in categories:
        for index, alias in enumerate(category.aliases):
            other = names.setdefault(fold(alias), category)
            if other is not category:
                raise TemplateError(
                    category.file,
                    [(f"aliases[{index}]", f"{alias!r} already means {other.name!r} ({other.file.name}); remove one")],
                )
    return names


def _category(environment: ImmutableSandboxedEnvironment, file: Path) -> Category:
    parsed = schema.read(file)
    problems: list[tuple[str, str]] = []
    blocks = {tag: _block(environment, tag, block, problems) for tag, block in parsed.locales.items()}
    if problems:
        raise TemplateError(file, problems)
    for tag, block in blocks.items():
        _prove(f"locales.{tag}", block, problems)
    if problems:
        raise TemplateError(file, problems)
    return Category(parsed.category, parsed.version, parsed.aliases, blocks, file, file.parent == BUILT_IN)


def _block(
    environment: ImmutableSandboxedEnvironment, tag: str, block: schema.LocaleBlock, problems: list[tuple[str, str]]
) -> Block:
    tongue = vocabulary.language(tag)
    pairs = [(word.lower(), function.motion) for function in block.functions for word in function.words]
    text = _source(environment, tongue, block.text, TEXT_SLOTS)
    image = _source(environment, tongue, block.image, IMAGE_SLOTS)
    for mode, source in (("text", text), ("image", image)):
        problems.extend((f"locales.{tag}.{mode}{place}", problem) for place, problem in source.problems)
    return Block(
        locale=tag,
        tongue=tongue,
        subject=block.subject,
        scenes=block.scenes,
        light=block.light,
        camera=block.camera,
        motions=block.motions,
        style=block.style,
        calm=block.calm.model_dump() if block.calm else {},
        words={word: motion for word, motion in pairs if _WORD.fullmatch(word)},
        pieces=tuple(pair for pair in pairs if not _WORD.fullmatch(pair[0])),
        text=environment.from_string(text.jinja),
        image=environment.from_string(image.jinja),
        negative=("，" if tongue == "zh" else ", ").join(block.negative),
    )


@dataclass(slots=True)
class _Source:
    """One Jinja template of all sentences, in which a clause stands only if each slot it names is filled."""

    jinja: str
    problems: list[tuple[str, str]]


def _source(
    environment: ImmutableSandboxedEnvironment,
    tongue: str,
    sentences: tuple[schema.Sentence, ...],
    slots: frozenset[str],
) -> _Source:
    between, stop, gap = vocabulary.JOINTS.get(tongue) or vocabulary.JOINTS[""]
    source = _Source("", [])
    for number, sentence in enumerate(sentences):
        guards = []
        for index, clause in enumerate(sentence):
            used, found = _used(environment, clause, slots)
            source.problems.extend((f"[{number}][{index}]", problem) for problem in found)
            guards.append(" and ".join(slot for slot in OPTIONAL if slot in used))
        if number == 0 and guards[0]:
            problem = f"opens the prompt and may be missing ({guards[0]}); use product or scene"
            source.problems.append(("[0][0]", problem))
        rest = zip(sentence[1:], guards[1:], strict=True)
        body = sentence[0] + "".join(_guarded(guard, between + clause) for clause, guard in rest)
        source.jinja += _guarded(guards[0], (gap if number else "") + body + stop)
    if source.problems:
        source.jinja = ""  # not to be compiled: the file is refused
    return source


def _guarded(guard: str, words: str) -> str:
    return f"{{% if {guard} %}}{words}{{% endif %}}" if guard else words


def _used(environment: ImmutableSandboxedEnvironment, clause: str, slots: frozenset[str]) -> tuple[set[str], list[str]]:
    """The slots a clause names, and what is wrong with it."""
    try:
        used = meta.find_undeclared_variables(environment.parse(clause))
    except JinjaError as error:
        return set(), [f"is no Jinja template: {error.message}; correct {clause!r}"]
    known = ", ".join(sorted(slots))
    problems = [f"{{{{ {name} }}}} is no slot here; use one of: {known}" for name in sorted(used - slots)]
    if clause[-1] in PAUSES:
        problems.append(f"ends with {clause[-1]!r}; leave it out, clauses and sentences are joined for you")
    return used, problems


def _extremes(block: Block) -> Iterator[tuple[str, dict[str, str]]]:
    """The fields and choices of the shortest prompt there can be, and of the longest ones."""
    filler = "词" if block.tongue in {"zh", "ja"} else "word "
    full = {name: (filler * words).strip() for name, (words, _) in LIMITS.items()}
    full["points"] = vocabulary.join([full["points"]] * POINTS, block.tongue)
    choices = block.choices()
    shortest = {name: min(phrases, key=count) for name, phrases in choices.items()}
    longest = {name: max(phrases, key=count) for name, phrases in choices.items()}
    yield "without fields", dict.fromkeys(LIMITS, "") | {"product": "x"} | shortest
    for left_out in combinations(ATTRIBUTES, len(ATTRIBUTES) - ATTRIBUTES_SHOWN):
        yield "with full fields", full | dict.fromkeys(left_out, "") | longest


def _prove(path: str, block: Block, problems: list[tuple[str, str]]) -> None:
    """Renders the shortest and the longest prompts there can be and says what is wrong with them."""
    found: dict[tuple[str, str], None] = {}
    for name, phrases in block.choices().items():
        for phrase in phrases:
            if _FLAW.search(phrase) or phrase[-1] in PAUSES:
                found[f"{path}.{name}", f"{phrase!r} has stray punctuation or braces; write plain words"] = None
    for mode, template, length in (("text", block.text, TEXT_LENGTH), ("image", block.image, IMAGE_LENGTH)):
        for what, values in _extremes(block):
            if problem := _tried(template, values, length):
                found[f"{path}.{mode}", f"{what}: {problem}"] = None
    problems.extend(found)


def _tried(template: Template, values: dict[str, str], length: tuple[int, int]) -> str | None:
    """What is wrong with the prompt these values give."""
    try:
        prompt = render(template, values)
    except Exception as error:  # noqa: BLE001 - a template may raise what its expressions raise
        return f"cannot be rendered: {error}; correct it"
    words = count(prompt)
    if not length[0] <= words <= length[1]:
        return f"the prompt has {words} words, {length[0]}…{length[1]} work; write more or less"
    if flaw := _FLAW.search(prompt):
        around = prompt[max(0, flaw.start() - 20) : flaw.end() + 20]
        return f"doubled or stray {flaw.group()!r} in {around!r}; remove it"
    return None
