"""Laws of the documents: what they repeat is true, what they name exists, and the two languages say the same."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from consumer import settings, wiring
from consumer.cli import app
from consumer.observe.metrics import CATALOGUE
from consumer.operate import samples
from consumer.settings import Settings
from model.label import validate_producer
from model.wan import profile as profiles
from tests.unit.docs import pages
from tests.unit.docs.documents import CODE, blocks, broken_links, headings, links, prose, rows

ROOT = pages.ROOT
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
DOCUMENTS = [README, CHINESE, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
ALL = [
    *DOCUMENTS,
    ROOT / "docs" / "WAN.md",
    ROOT / "docs" / "SETTINGS.md",
    ROOT / "docs" / "METRICS.md",
    ROOT / "docs" / "FAULTS.md",
    ROOT / "docs" / "PROMPTS.md",
    ROOT / "docs" / "REVIEW.md",
    ROOT / "schemas" / "README.md",
]
EVERY = pytest.mark.parametrize("file", ALL, ids=[str(file.relative_to(ROOT)) for file in ALL])
FIELDS = {"clip.url"}
"""Of an event, not a setting."""
SECRETS = ("PASSWORD", "SECRET_KEY", "ACCESS_KEY", "DATABASE__URL")


def read(file: Path) -> str:
    """A document's text."""
    return file.read_text(encoding="utf-8")


def command() -> Any:
    """The command line's own description of itself; a click group, whichever copy of click typer brings."""
    return typer.main.get_command(app)


def exports(document: str) -> dict[str, str]:
    """What the ``sh env`` blocks export."""
    lines = "\n".join(block.text for block in blocks(document) if block.kind == "sh env")
    words = [word for word in shlex.split(lines) if word != "export"]
    return dict(word.split("=", 1) for word in words)


# What is repeated from the code.


@pytest.mark.parametrize("name", [*pages.GENERATED, *pages.SECTIONS])
def test_what_documents_repeat_from_the_code_is_true(name: str) -> None:
    """Settings, metrics, layers and modules: run ``python -m tests.unit.docs.pages`` after changing them."""
    assert read(ROOT / name) == pages.expected(name), "run: python -m tests.unit.docs.pages"


def test_every_module_has_exactly_one_line() -> None:
    """A newcomer finds each file once, and none that is gone."""
    listed = re.findall(r"^- `((?:consumer|model)/[^`]+\.py)`: ", read(ROOT / "ARCHITECTURE.md"), re.MULTILINE)
    assert sorted(listed) == sorted(path.as_posix() for path in pages.sources())


def test_every_line_of_a_module_says_something() -> None:
    """Each module opens with a sentence."""
    assert [path for path in pages.sources() if not pages.first_sentence(path).rstrip("`").endswith((".", ":"))] == []


def test_every_metric_is_explained_once() -> None:
    """The page is the catalogue."""
    listed = [row[0].strip("`") for row in rows(read(ROOT / "docs" / "METRICS.md"))]
    assert [name for name in listed if name.startswith("skureel_")] == [spec.name for spec in CATALOGUE]


def test_every_setting_is_explained() -> None:
    """The full page holds every leaf of the tree, with the variable that sets it."""
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows(read(ROOT / "docs" / "SETTINGS.md"))}
    for name in pages.defaults():
        assert listed[name] == "SKUREEL_" + name.replace(".", "__").upper()


@pytest.mark.parametrize("file", [README, CHINESE], ids=["en", "zh-CN"])
def test_the_readme_tells_true_defaults(file: Path) -> None:
    """Each setting of the short table exists and has the default that it shows."""
    known = pages.defaults()
    told = {row[0].strip("`"): row[1] for row in rows(read(file)) if len(row) == 3 and "." in row[0]}
    assert len(told) > 10
    assert {name: known.get(name) for name in told} == told


@pytest.mark.parametrize("file", [README, CHINESE], ids=["en", "zh-CN"])
def test_the_readme_lists_every_command(file: Path) -> None:
    """The table has each command once, in the order of --help."""
    listed = [row[0].strip("`").split()[1] for row in rows(read(file)) if row[0].startswith("`skureel ")]
    assert listed == list(command().commands)


def test_the_readme_counts_the_sample_catalog() -> None:
    """The number of products, and what the second run prints, are those of the catalog."""
    count = len(samples.load())
    assert f"a catalog of {count} products" in read(README)
    assert f"all {count} clips" in read(README)
    assert f"{count} 个" in read(CHINESE)


def test_the_readme_names_every_topic() -> None:
    """Whoever runs Kafka knows what will be created."""
    for file in (README, CHINESE):
        for topic in Settings.model_fields["topics"].default.model_dump().values():
            assert f"`{topic}`" in read(file)


def test_the_changelog_has_this_version() -> None:
    """A release begins with its section."""
    version = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## \[{re.escape(version)}\]", read(ROOT / "CHANGELOG.md"), re.MULTILINE)


# What is named exists.


@EVERY
def test_links_lead_somewhere(file: Path) -> None:
    """Every link into the project leads to a file, and to a heading of it where it names one."""
    assert broken_links(ROOT, file, read(file)) == []


@pytest.mark.parametrize("file", DOCUMENTS, ids=[file.name for file in DOCUMENTS])
def test_files_that_are_named_exist(file: Path) -> None:
    """Paths in code type that begin with a folder of the project are there; the tree is searched as git sees it."""
    tops = ("consumer/", "model/", "schemas/", "tests/", "deploy/", "docs/", ".ci/")
    named = {word for word in CODE.findall(prose(read(file))) if word.startswith(tops) and " " not in word}
    plain = {word for word in named if not set(word) & set("<>*…")}
    assert [word for word in sorted(plain) if not (ROOT / word).exists()] == []


@EVERY
def test_make_targets_that_are_named_exist(file: Path) -> None:
    """`make …` in any document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    said = re.findall(r"(?:^|`)make ([a-z-]+)", read(file), re.MULTILINE)
    assert set(said) <= targets


@EVERY
def test_commands_that_are_shown_parse(file: Path) -> None:
    """Every `skureel …` line of a block, runnable or not, is one that the command line takes."""
    lines = [
        line for block in blocks(read(file)) if block.kind.split(" ")[0] == "sh" for line in block.text.split("\n")
    ]
    for line in lines:
        for part in re.split(r"\s\|\s", line):
            words = shlex.split(part, comments=True) if part.startswith("skureel ") else []
            if words:
                chosen = command().commands[words[1]]
                chosen.make_context(f"skureel {words[1]}", words[2:])


@EVERY
def test_code_in_prose_names_real_settings_and_commands(file: Path) -> None:
    """`branch.name` in code type is a setting where the branch is one, and `skureel word` is a command."""
    branches, known = set(Settings.model_fields), pages.defaults()
    for word in CODE.findall(prose(read(file))):
        if re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)+", word) and word.split(".")[0] in branches:
            assert word in known or word in FIELDS, word
        if found := re.match(r"skureel ([a-z]+)", word):
            assert found[1] in command().commands, word


@pytest.mark.parametrize("file", [*DOCUMENTS, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda file: file.name)
def test_documents_name_no_place_of_their_own(file: Path) -> None:
    """No absolute path of some machine, no host but examples, this machine, and the standards'."""
    text = read(file)
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp|Users|opt|var)/\S*", text) == []
    hosts = set(re.findall(r"https?://([^/\s`'\"):;,]*[\w])", text))
    allowed = {"127.0.0.1", "keepachangelog.com", "semver.org", "host"}
    assert {host for host in hosts if not (host in allowed or host.endswith("example.com"))} == set()


def test_pictures_are_small_and_described() -> None:
    """The README opens quickly, and can be heard as well as seen."""
    for file in (README, CHINESE):
        pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", read(file))
        assert pictures
        for text, target in pictures:
            assert len(text) > 10
            assert (ROOT / target).stat().st_size < 200_000
            assert (ROOT / target).read_bytes().startswith(b"\x89PNG")


# The two languages.


def test_both_readmes_have_the_same_shape() -> None:
    """The same headings in number, level and order; every block, link and table the same size."""
    english, chinese = read(README), read(CHINESE)
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(chinese)]
    assert len(rows(english)) == len(rows(chinese))
    assert [len(row) for row in rows(english)] == [len(row) for row in rows(chinese)]


def test_both_readmes_show_the_same_code() -> None:
    """Commands, files and output are identical, letter by letter."""
    assert blocks(read(README)) == blocks(read(CHINESE))


def test_both_readmes_lead_to_the_same_places() -> None:
    """The same links in the same order, each other's and anchors apart."""

    def targets(file: Path) -> list[str]:
        return [link for link in links(read(file)) if not link.startswith(("README", "#"))]

    assert targets(README) == targets(CHINESE)
    assert "README.zh-CN.md" in links(read(README))
    assert "README.md" in links(read(CHINESE))


def test_both_readmes_name_the_same_things() -> None:
    """Settings, topics, files and commands in code type: none is left out on either side, list by list."""
    assert sorted(CODE.findall(prose(read(README)))) == sorted(CODE.findall(prose(read(CHINESE))))


def test_the_chinese_readme_is_chinese() -> None:
    """Every heading but the name is written in Chinese, and no paragraph was left in English."""
    for _, text in headings(read(CHINESE))[1:]:
        assert re.search(r"[\u4e00-\u9fff]", text), text
    for paragraph in prose(read(CHINESE)).split("\n\n"):
        words = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\|", "", paragraph)
        assert len(re.findall(r"[A-Za-z]{2,}", words)) < 40 or re.search(r"[\u4e00-\u9fff]", words), paragraph


# The examples of a configuration.


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder, and nothing of this machine's own settings."""
    for name in [name for name in os.environ if name.upper().startswith("SKUREEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_example_and_the_variables_say_the_same(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The TOML file with the secrets gives the very settings that the variables alone give."""
    given = exports(read(README))
    secrets = {name: value for name, value in given.items() if name.endswith(SECRETS)}
    assert len(secrets) == 4
    file = alone / "skureel.toml"
    file.write_text(next(block.text for block in blocks(read(README)) if block.kind == "toml"), encoding="utf-8")
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    from_file = settings.load()
    file.unlink()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    from_variables = settings.load()

    def values(loaded: Settings) -> dict[str, Any]:
        return loaded.model_dump(mode="python")

    assert from_file.file == Path("skureel.toml")
    assert from_variables.file is None
    assert values(from_file) == values(from_variables)
    assert from_file.kafka.exactly_once
    assert from_file.store.kind == "s3"
    assert from_file.database.url.get_secret_value().startswith("postgresql+psycopg://")


def test_the_example_shows_no_secret() -> None:
    """What stands for a password cannot be mistaken for one."""
    given = exports(read(README))
    assert all("…" in value for name, value in given.items() if name.endswith(SECRETS))


def test_make_demo_is_the_demo() -> None:
    """`make demo` runs the command whose options the README shows, into the folder it names."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "skureel demo --out demo-out" in done.stdout


def test_make_test_is_what_ci_runs() -> None:
    """The second of the two commands is the whole of CI."""
    assert read(ROOT / ".ci" / "run").rstrip().endswith("exec make test")


WAN = ROOT / "docs" / "WAN.md"


def test_the_wan_pages_example_is_a_configuration(alone: Path) -> None:
    """Its TOML is taken as it stands, and gives an engine whose spec a planner can ask for."""
    (alone / "skureel.toml").write_text(next(each.text for each in blocks(read(WAN)) if each.kind == "toml"))
    loaded = settings.load()
    spec = wiring.engine_of(loaded).spec
    assert (spec.name, wiring.planning_of(loaded, spec).base) == ("wan", (832, 480, 97))
    assert loaded.clip.producer is not None
    assert validate_producer(loaded.clip.producer) == loaded.clip.producer


def test_the_wan_pages_profiles_are_the_built_in_ones() -> None:
    """Name, sampler, steps, guidance and sizes, as the profiles' own files have them."""

    def row(name: str) -> tuple[str, ...]:
        found = profiles.load(name)
        rendered = ", ".join(f"{width}x{height}" for width, height in (each.render for each in found.buckets))
        stored = ", ".join(f"{width}x{height}" for width, height in (each.base for each in found.buckets))
        return (
            f"`{name}`",
            {"unipc": "UniPC", "few-step": "few-step"}[found.sampler],
            str(found.steps),
            str(found.guidance) if found.guided else "none",
            rendered,
            "as rendered" if stored == rendered else stored,
        )

    shown = [each for each in rows(read(WAN)) if each[0].strip("`") in profiles.known()]
    assert sorted(shown) == sorted(map(row, profiles.known()))


def test_the_wan_page_names_every_part_of_a_profile() -> None:
    """A field that is not explained is a field that nobody sets."""
    said = set(CODE.findall(prose(read(WAN))))
    fields = set(profiles.Profile.model_fields) - {
        "name",
        "about",
        "max_frames",
        "text_tokens",
        "dtype",
        "fps",
        "decode",
    }
    assert fields <= said
