"""Names that are to be kept out of prompts stay out, in every spelling, and stay in what is drawn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.planner.prompting.brand import Names
from consumer.planner.prompts import Prompts
from tests.unit.prompts.products import product

NAMES = ("Zyxkorp", "Ada Quuxley", "啧锐", "Zed-9")
KEEPING = Prompts.load(kept_out=NAMES)
PLAIN = Prompts.load()

pieces = st.sampled_from(
    ["Kettle", "for tea", "steel", "不锈钢", "轻便", *NAMES, "zyxkorp", "ADA QUUXLEY", "ada-quuxley"]
)
texts = st.lists(pieces, min_size=1, max_size=5).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(name=texts, colour=texts, material=texts, point=texts, locale=st.sampled_from(["en", "zh-CN"]))
def test_no_field_carries_a_name_into_a_prompt(name: str, colour: str, material: str, point: str, locale: str) -> None:
    """Name, colour, attributes and selling points, in any case and spacing; the captions keep them."""
    item = product(
        name=name,
        colour=colour,
        attributes={"material": material},
        selling_points=(point,),
        locale=locale,
        brand="Acme",
    )
    made = KEEPING.compose(item)
    told = made.prompt.lower().replace("-", " ")
    for kept_out in NAMES:
        assert kept_out.lower().replace("-", " ") not in told
    assert made.captions == PLAIN.compose(item).captions


def test_without_names_nothing_changes() -> None:
    """A list that names nothing in a record leaves its words alone."""
    item = product(name="Glass Kettle", colour="red", selling_points=("Quiet at night",))
    assert KEEPING.compose(item) == PLAIN.compose(item)
    assert not Names(())
    assert not Names(("", "  ", "!"))


def test_the_brand_and_the_names_both_go() -> None:
    """One does not shield the other."""
    made = KEEPING.compose(product(name="Acme Zyxkorp Kettle by Ada Quuxley", brand="Acme"))
    assert "Kettle" in made.prompt
    assert "Acme" not in made.prompt
    assert "Zyxkorp" not in made.prompt
    assert "Quuxley" not in made.prompt


def test_taking_a_name_away_leaves_none_joined_together() -> None:
    """What is left is looked through again."""
    assert "Zyxkorp" not in Names(("Zyxkorp",)).without("Zyx Zyxkorp korp")
