"""What loading templates promises: good ones work, and each fault is named with file, place and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.planner.prompting import library
from consumer.planner.prompts import Prompts, TemplateError
from tests.unit.prompts.products import product

EN: dict[str, Any] = {
    "subject": "gadget",
    "scenes": ["a long white table that stands alone in a wide and very bright room with tall windows"],
    "light": ["soft daylight falls in from the left"],
    "camera": ["moves in slowly from a medium shot"],
    "motions": ["the gadget turns slowly and shows its side"],
    "style": ["quiet advertising"],
    "text": [
        ["A single continuous medium shot of the {{ product }}", "in {{ colour }}", "centred on {{ scene }}"],
        ["It is daytime: {{ light }}", "so that every edge is clear and true to life from the first frame on"],
        "The camera {{ camera }} while {{ motion }} without any haste at all",
        ["The framing brings out {{ points }}", "made of {{ material }}"],
        "The whole has the look of {{ style }}",
    ],
    "image": ["The camera {{ camera }}"],
    "negative": ["people", "hands"],
}


def template(**changes: Any) -> dict[str, Any]:
    """A good template with changes; ``en`` changes its English block."""
    block = EN | changes.pop("en", {})
    block = {key: value for key, value in block.items() if value is not None}
    return {"category": "gadgets", "version": "2.1.0", "aliases": ["widgets"], "locales": {"en": block}} | changes


def write(folder: Path, value: Any, name: str = "own.yaml") -> Path:
    """Save a template file."""
    file = folder / name
    file.write_text(value if isinstance(value, str) else yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return file


def problems(folder: Path, value: Any) -> str:
    """What loading says, checked to name the file."""
    file = write(folder, value)
    with pytest.raises(TemplateError) as caught:
        Prompts.load(folder)
    assert caught.value.file == file
    assert caught.value.problems
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_own_templates_are_used_beside_the_built_in_ones(tmp_path: Path) -> None:
    """A new category works by key and alias; the others stay."""
    write(tmp_path, template())
    prompts = Prompts.load(tmp_path)
    made = prompts.compose(product(category="Widgets", locale="zh-CN", name="Thing"))
    assert (made.template, made.version, made.locale) == ("gadgets", "2.1.0", "en")
    assert "of the Thing, centred on a long white table" in made.prompt
    assert prompts.compose(product(category="food")).template == "food"


def test_own_templates_replace_a_category_and_its_aliases(tmp_path: Path) -> None:
    """One's own word wins over the built-in one, for keys and for aliases."""
    write(tmp_path, template(category="food", aliases=["kitchen"]))
    prompts = Prompts.load(tmp_path)
    assert prompts.versions["food"] == "2.1.0"
    assert prompts.compose(product(category="kitchen")).template == "food"
    assert prompts.compose(product(category="零食")).template == "general"


def test_a_sentence_goes_with_its_first_clause(tmp_path: Path) -> None:
    """Other clauses go alone."""
    write(tmp_path, template())
    prompts = Prompts.load(tmp_path)
    bare = prompts.compose(product(category="gadgets", attributes={"material": "oak"}))
    assert "framing" not in bare.prompt
    assert "oak" not in bare.prompt
    full = prompts.compose(product(category="gadgets", attributes={"material": "oak"}, selling_points=("Strong",)))
    assert "The framing brings out strong, made of oak. The whole" in full.prompt


def test_a_template_without_english_serves_everyone(tmp_path: Path) -> None:
    """Where a template has one language only, that is the language; clauses are joined its way."""
    value = template()
    value["locales"] = {"fr": value["locales"]["en"]}
    write(tmp_path, value)
    made = Prompts.load(tmp_path).compose(product(category="gadgets", colour="#112233", locale="zh"))
    assert made.locale == "fr"
    assert "Kettle, centred" in made.prompt


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    """Only .yaml and .yml are templates."""
    write(tmp_path, "not a template", "README.md")
    write(tmp_path, template(), "a.yml")
    assert "gadgets" in Prompts.load(tmp_path).versions


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """With the setting that names it."""
    with pytest.raises(NotADirectoryError, match=r"planner\.templates: .*gone"):
        Prompts.load(tmp_path / "gone")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "2.1"}, "version: '2.1' is no semantic version; write MAJOR.MINOR.PATCH"),
        ({"version": "1.0.0-01"}, "version: '1.0.0-01' is no semantic version"),
        ({"version": 2.1}, "version: 2.1 is not text; quote it"),
        ({"category": "My Things"}, "category: 'My Things' is no category name"),
        ({"alias": ["x"]}, "alias: is not a key known here; remove it or correct it to one of: category, version"),
        ({"locales": {}}, "locales: is empty"),
        ({"locales": {"English": EN}}, "locales.English: 'English' is no locale"),
        ({"en": {"light": None}}, "locales.en.light: is missing; add it (every locale block needs all its keys)"),
        (
            {"en": {"lights": ["x"]}},
            "locales.en.lights: is not a key known here; remove it or correct it to one of: subject",
        ),
        ({"en": {"scenes": []}}, "locales.en.scenes: is empty"),
        ({"en": {"scenes": [""]}}, "locales.en.scenes[0]: is empty"),
        ({"en": {"scenes": ["two\nlines"]}}, "locales.en.scenes[0]: runs over several lines"),
        ({"en": {"scenes": "one"}}, "locales.en.scenes: is no list; write each entry on a line of its own"),
        ({"en": {"functions": [{"words": ["x"], "say": "y"}]}}, "locales.en.functions[0].say: is not a key known here"),
        ({"en": {"text": ["{{ product }"]}}, "locales.en.text[0][0]: is no Jinja template"),
        (
            {"en": {"text": ["{{ produkt }}"]}},
            "locales.en.text[0][0]: {{ produkt }} is no slot here; use one of: camera",
        ),
        ({"en": {"text": ["in {{ colour }}"]}}, "locales.en.text[0][0]: opens the prompt and may be missing (colour)"),
        ({"en": {"text": [*EN["text"], "It ends."]}}, "locales.en.text[5][0]: ends with '.'; leave it out"),
        (
            {"en": {"image": ["the {{ product }} moves"]}},
            "locales.en.image[0][0]: {{ product }} is no slot here; use one of: camera",
        ),
        (
            {"en": {"text": ["Too short a text about {{ product }}"]}},
            "locales.en.text: without fields: the prompt has 6 words, 60…200",
        ),
        (
            {"en": {"image": ["word " * 60, "word " * 60]}},
            "locales.en.image: without fields: the prompt has 120 words, 1…100",
        ),
        (
            {"en": {"text": [*EN["text"], "{{ product.name }}"]}},
            "cannot be rendered: 'str object' has no attribute 'name'",
        ),
        ({"en": {"text": [*EN["text"], "a , b"]}}, "doubled or stray ' ,'"),
        ({"en": {"style": ["a {brace}"]}}, "locales.en.style: 'a {brace}' has stray punctuation or braces"),
        ({"en": {"camera": ["moves."]}}, "locales.en.camera: 'moves.' has stray punctuation"),
    ],
)
def test_each_fault_is_named_with_its_place_and_remedy(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """A template's author is told what to change, before the first product."""
    assert said in problems(tmp_path, template(**change))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("category: [", "line 1, column 12"),
        ("category: a\ncategory: b", "the key 'category' is there twice; keep one"),
        ("- a list", "the file: holds no mapping"),
        ("", "the file: holds no mapping"),
        ("? [a]\n: b", "line 1"),
        ("x: !!python/object:os.system {}", "line 1"),
    ],
)
def test_broken_yaml_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Nothing in a file is ever run."""
    assert said in problems(tmp_path, text)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Chinese editors save GBK."""
    (tmp_path / "own.yaml").write_bytes("category: 家电".encode("gbk"))
    with pytest.raises(TemplateError, match="is not UTF-8; save the file as UTF-8"):
        Prompts.load(tmp_path)


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """One round of corrections, not five."""
    said = problems(tmp_path, template(version="x", en={"light": None, "style": []}))
    assert said.count("\n") == 2


def test_two_files_for_one_category_are_refused(tmp_path: Path) -> None:
    """Which of them would count?"""
    write(tmp_path, template(), "a.yaml")
    write(tmp_path, template(aliases=[]), "b.yaml")
    with pytest.raises(TemplateError, match=r"b\.yaml: category: 'gadgets' is already in a\.yaml"):
        Prompts.load(tmp_path)


def test_one_alias_for_two_categories_is_refused(tmp_path: Path) -> None:
    """Among one's own templates as among the built-in ones."""
    write(tmp_path, template(), "a.yaml")
    write(tmp_path, template(category="other-things", aliases=["x", "WIDGETS"]), "b.yaml")
    with pytest.raises(TemplateError, match=r"aliases\[1\]: 'WIDGETS' already means 'gadgets' \(a\.yaml\)"):
        Prompts.load(tmp_path)


def test_templates_cannot_reach_python(tmp_path: Path) -> None:
    """The sandbox holds for templates too: they are data of whoever may write the folder."""
    said = problems(tmp_path, template(en={"text": [*EN["text"], "{{ product.__class__.__mro__ }}"]}))
    assert "cannot be rendered" in said
    said = problems(tmp_path, template(en={"text": [*EN["text"], "{{ range(9) }}"]}))
    assert "{{ range }} is no slot here" in said


def test_a_template_may_have_calmer_words_and_they_are_proved_like_all_others(tmp_path: Path) -> None:
    """With them there is a calmer prompt, without them none; a wrong key or stray punctuation is named."""
    write(tmp_path, template(en={"calm": {"camera": "stays still", "motion": "light passes over the gadget"}}))
    calm = Prompts.load(tmp_path).compose(product(category="gadgets")).calm_prompt
    assert calm is not None
    assert "The camera stays still while light passes over the gadget without any haste" in calm
    write(tmp_path, template())
    assert Prompts.load(tmp_path).compose(product(category="gadgets")).calm_prompt is None
    said = problems(tmp_path, template(en={"calm": {"camera": "stays still,", "motion": "light passes"}}))
    assert "locales.en.camera: 'stays still,' has stray punctuation" in said
    said = problems(tmp_path, template(en={"calm": {"camera": "stays still", "movement": "none"}}))
    assert (
        "locales.en.calm.movement: is not a key known here; remove it or correct it to one of: camera, motion" in said
    )


def test_every_built_in_template_is_whole() -> None:
    """Both languages, and enough of each list that a page of products varies."""
    loaded = library.load()
    assert len(loaded.categories) == 11
    for category in loaded.categories.values():
        assert set(category.blocks) == {"zh-CN", "en"}
        for block in category.blocks.values():
            lists = block.choices()
            assert len(lists["scene"]) >= 4
            assert len(lists["camera"]) >= 4
            assert all(len(phrases) >= 3 for phrases in lists.values())
            assert category.name == "general" or block.words
            assert block.calm
