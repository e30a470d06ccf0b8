"""Laws of the checks on documents themselves: a check that sees nothing would pass every document."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.settings import Settings
from tests.unit.docs import pages
from tests.unit.docs.documents import Block, anchor, blocks, broken_links, headings, links, prose, rows

SAMPLE = """# Name

Text with `code` and a [link](there.md#a-part).

```sh run
# not a heading
echo '[no](link)' | cat
```

## A part, and more

| a | b |
|---|---|
| `x` | one \\| two |
"""


def test_blocks_are_found_with_all_that_stands_behind_the_fence() -> None:
    """The kind decides whether a block is run."""
    assert blocks(SAMPLE) == [Block("sh run", "# not a heading\necho '[no](link)' | cat\n")]
    assert blocks("no block") == []


def test_what_is_inside_blocks_is_no_prose() -> None:
    """A comment in a script is no heading, and a bracket in it no link."""
    assert headings(SAMPLE) == [(1, "Name"), (2, "A part, and more")]
    assert links(SAMPLE) == ["there.md#a-part"]
    assert "echo" not in prose(SAMPLE)


def test_cells_may_hold_escaped_bars() -> None:
    """A bar in a cell does not make two of it."""
    assert rows(SAMPLE)[-1] == ("`x`", "one \\| two")


def test_anchors_are_githubs() -> None:
    """Lower case, spaces to hyphens, punctuation gone, Chinese kept."""
    assert anchor("A part, and more") == "a-part-and-more"
    assert anchor("还没有的功能") == "还没有的功能"


def test_broken_links_are_seen(tmp_path: Path) -> None:
    """A missing file, a missing heading, and a way out of the project are each told; what is right is not."""
    page = tmp_path / "page.md"
    (tmp_path / "there.md").write_text("# There\n\n## A part\n", encoding="utf-8")
    page.write_text("# Page\n", encoding="utf-8")
    text = (
        "[a](there.md) [b](there.md#a-part) [c](#page) [d](https://example.com/x) "
        "[e](gone.md) [f](there.md#gone) [g](#gone) [h](../../etc/hosts)"
    )
    assert broken_links(tmp_path, page, text) == ["gone.md", "there.md#gone", "#gone", "../../etc/hosts"]


def test_a_section_is_replaced_and_nothing_else() -> None:
    """What people wrote around a written part stays as it is, and writing it again changes nothing."""
    document = "before\n<!-- x -->\nold\n<!-- /x -->\nafter\n"
    once = pages.with_section(document, "x", "new")
    assert once == "before\n<!-- x -->\n\nnew\n\n<!-- /x -->\nafter\n"
    assert pages.with_section(once, "x", "new") == once


@pytest.mark.parametrize("document", ["", "<!-- x -->", "<!-- /x -->", "<!-- x --><!-- /x --><!-- x --><!-- /x -->"])
def test_a_document_without_the_section_is_told(document: str) -> None:
    """A part that somebody deleted is not silently left out."""
    with pytest.raises(ValueError, match="wanted once"):
        pages.with_section(document, "x", "new")


@given(st.text())
def test_any_text_fits_a_cell(text: str) -> None:
    """Whatever a docstring says, the row keeps its number of cells and hides nothing as a tag."""
    cell = pages.escaped(text)
    assert "\n" not in cell
    assert "<" not in cell
    assert cell.count("|") == cell.count("\\|")


def test_defaults_are_shown_as_toml_has_them() -> None:
    """True is true, 4.0 is 4, and what has no default shows nothing."""
    known = pages.defaults()
    assert known["kafka.create_topics"] == "`true`"
    assert known["clip.seconds"] == "`4`"
    assert known["kafka.password"] == known["store.s3.secret_key"] == known["renderer.photo_hosts"] == ""
    assert len(known) == len(list(pages.leaves(Settings)))


def test_choices_are_found_inside_optionals() -> None:
    """A setting that is one of a few words names them, also where it may be left out."""
    kinds = {".".join(path): pages.choices(field.annotation) for path, _, field in pages.leaves(Settings)}
    assert kinds["kafka.delivery"] == ("exactly_once", "at_least_once")
    assert kinds["store.kind"] == ("files", "s3")
    assert kinds["clip.size"] == ()
