"""What the documents repeat from the code, written from the code: settings, metrics, modules, layers, commands.

``python -m tests.unit.docs.pages`` brings the documents up to date; the tests compare. Knows no prose.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from consumer.observe.metrics import CATALOGUE
from consumer.policy import POLICY, SKIPS
from consumer.settings import PREFIX, Settings
from consumer.stream.failures import Verdict
from consumer.stream.outcomes import Outcome

ROOT = Path(__file__).resolve().parents[3]
HOW = "Written from the code by `python -m tests.unit.docs.pages`; a test compares."


def escaped(text: str) -> str:
    """Text for a cell of a table: one line, no bars."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("``", "`").split())


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


# Settings.


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type, FieldInfo]]:
    """Every single setting: its path, the class that declares it, and its field."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, (*path, name))
        else:
            yield (*path, name), model, field


def meanings() -> dict[tuple[str, str], str]:
    """What the modules of branches say below each field, by class and field."""
    found = {}
    folder = ROOT / "consumer" / "settings"
    modules = [ast.parse((folder / name).read_text(encoding="utf-8")) for name in ("branches.py", "rendering.py")]
    for node in (node for module in modules for node in module.body):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = (
                    after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                )
                found[node.name, field.target.id] = str(said)
    return found


def shown(value: Any) -> str:
    """A default as one would write it in TOML; nothing where there is none."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"`{value:g}`"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def choices(kind: Any) -> tuple[str, ...]:
    """The words a setting may be, where it is a choice."""
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    return tuple(word for part in get_args(kind) for word in choices(part))


def settings_page() -> str:
    """docs/SETTINGS.md."""
    said = meanings()
    parts = [
        "# Settings",
        HOW,
        (
            "Give a setting as an environment variable, or in a TOML file: `skureel.toml` in the folder where "
            "skureel starts, or the file that `SKUREEL_CONFIG` or `--config` names. The environment wins over the "
            "file, the file over the default. In TOML, `kafka.batch` is `batch` below `[kafka]`. A name that does "
            "not exist is refused."
        ),
        'Lists and maps are JSON in the environment: `SKUREEL_KAFKA__OPTIONS=\'{"security.protocol": "SSL"}\'`.',
    ]
    branch = ""
    rows: list[tuple[str, ...]] = []
    head = ("setting", "variable", "default", "meaning")
    for path, model, field in leaves(Settings):
        if path[0] != branch:
            if rows:
                parts.append(table(head, rows))
            branch, rows = path[0], []
            parts.append(f"## {branch}")
            parts.append(escaped(" ".join((Settings.model_fields[branch].annotation.__doc__ or "").split())))
        text = escaped(said.get((model.__name__, path[-1]), ""))
        if words := choices(field.annotation):
            text = f"{' or '.join(f'`{word}`' for word in words)}. {text}".strip()
        variable = PREFIX + "__".join(path).upper()
        rows.append((f"`{'.'.join(path)}`", f"`{variable}`", shown(field.default), text))
    parts.append(table(head, rows))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def defaults() -> dict[str, str]:
    """Every setting by its dotted name, with its default as the tables show it."""
    return {".".join(path): shown(field.default) for path, _, field in leaves(Settings)}


# Metrics.


def metrics_page() -> str:
    """docs/METRICS.md."""
    rows = [
        (f"`{spec.name}`", spec.kind, ", ".join(spec.labels), escaped(spec.meaning), escaped(spec.remedy))
        for spec in CATALOGUE
    ]
    parts = [
        "# Metrics",
        HOW,
        (
            "`/metrics` serves them in Prometheus' text format at `observe.host` and `observe.port` (by default "
            "`http://127.0.0.1:9464`). `/healthz` says whether the process should be left alone, `/readyz` whether it "
            "should be given work; both answer 200 or 503, with the reasons as JSON."
        ),
        "Labels never hold ids of products or records. The last column says what to do when a figure looks wrong.",
        table(("name", "kind", "labels", "meaning", "what to do"), rows),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


# The house.


def sources() -> list[Path]:
    """Every module of ours but ``__init__``, relative to the root."""
    found = (path for top in ("consumer", "model") for path in (ROOT / top).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(said.split("\n\n")[0].split())
    return escaped(re.split(r"(?<=[.!?])\s+(?=[A-Z])", paragraph)[0])


def modules() -> str:
    """One line a module, by folder."""
    parts = []
    folders = sorted({path.parent for path in sources()})
    for folder in folders:
        package = folder / "__init__.py"
        about = first_sentence(package) if (ROOT / package).exists() else ""
        lines = [f"- `{path.as_posix()}`: {first_sentence(path)}" for path in sources() if path.parent == folder]
        parts.append("\n\n".join([f"**{folder.as_posix()}/** {about}".strip(), "\n".join(lines)]))
    return "\n\n".join(parts)


def contracts() -> list[dict[str, Any]]:
    """The import contracts of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["importlinter"]["contracts"])


def layers() -> str:
    """The floors of the house, the highest first."""
    order = next(contract["layers"] for contract in contracts() if contract["type"] == "layers")
    return "```text\n" + "\n".join(order) + "\n```"


# Faults.


def outcomes() -> str:
    """How a record can end: the members of ``Outcome`` and what the code says below each."""
    rows = [(outcome.value, escaped(text)) for outcome, text in zip(Outcome, _below("Outcome"), strict=True)]
    return table(("outcome", "means"), rows).strip()


def _below(name: str) -> list[str]:
    """The texts below the members of an enum of ``consumer/stream``, in order."""
    found: list[str] = []
    for path in sorted((ROOT / "consumer" / "stream").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                texts = [each.value for each in node.body[1:] if isinstance(each, ast.Expr)]
                found += [str(each.value) for each in texts if isinstance(each, ast.Constant)]
    return found


def policy() -> str:
    """From error to outcome, the first row that covers an error deciding."""
    rows = [(f"`{rule.error.__name__}`", rule.when, rule.outcome.value, rule.then) for rule in POLICY.rules]
    return table(("error", "what happened", "outcome", "what is done"), rows).strip()


def skips() -> str:
    """Why records are skipped."""
    return table(("reason", "means"), [(f"`{name}`", text) for name, text in SKIPS.items()]).strip()


def verdicts() -> str:
    """What an error of the producer leads to."""
    return table(
        ("verdict", "means"), [(v.value, escaped(t)) for v, t in zip(Verdict, _below("Verdict"), strict=True)]
    ).strip()


# Into the documents.

GENERATED = {"docs/SETTINGS.md": settings_page, "docs/METRICS.md": metrics_page}
"""Documents that are written whole."""
SECTIONS = {
    "ARCHITECTURE.md": {"modules": modules, "layers": layers},
    "docs/FAULTS.md": {"outcomes": outcomes, "policy": policy, "skips": skips, "verdicts": verdicts},
}
"""Documents of which parts are written, between two comments that name the part."""


def with_section(document: str, name: str, content: str) -> str:
    """The document with one part replaced. Raises ValueError when it has no such part."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"wanted once: {begin} … {end}")
    before, rest = document.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def expected(name: str) -> str:
    """A document as it should be, from the code and from what people wrote in it."""
    if name in GENERATED:
        return GENERATED[name]()
    document = (ROOT / name).read_text(encoding="utf-8")
    for section, content in SECTIONS[name].items():
        document = with_section(document, section, content())
    return document


if __name__ == "__main__":
    for each in (*GENERATED, *SECTIONS):
        (ROOT / each).write_text(expected(each), encoding="utf-8")
        sys.stdout.write(f"{each}\n")
