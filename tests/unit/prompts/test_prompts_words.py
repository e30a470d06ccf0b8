"""What the word tables and the brand filter promise."""

from __future__ import annotations

import pytest

from consumer.planner.prompting import vocabulary
from consumer.planner.prompting.brand import brand


@pytest.mark.parametrize(
    ("written", "english", "chinese"),
    [
        ("red", "red", "红色"),
        ("红", "red", "红色"),
        ("正红色", "crimson", "正红色"),
        ("forest green", "forest green", "墨绿色"),
        ("Navy Blue", "navy blue", "藏青色"),
        ("雾霾蓝", "haze blue", "雾霾蓝"),
        ("matte black", "matte black", "哑光黑色"),
        ("哑光黑", "matte black", "哑光黑色"),
        ("深棕色", "dark brown", "深棕色"),
        ("black/red", "black and red", "黑色和红色"),
        ("黑、白", "black and white", "黑色和白色"),
        ("red, red", "red", "红色"),
        ("#FFFFFF", "white", "白色"),
        ("#d32", "red", "红色"),
        ("#1b2a4e", "navy", "藏青色"),
        ("燕麦色", "燕麦色", "燕麦色"),
        ("seafoam", "seafoam", "seafoam"),
        ("#12", "", ""),
    ],
)
def test_colours_speak_both_languages(written: str, english: str, chinese: str) -> None:
    """Known words and codes are translated, unknown words stay, unreadable codes go."""
    assert vocabulary.colour(written, "en") == english
    assert vocabulary.colour(written, "zh") == chinese


def test_other_languages_keep_their_colour_words() -> None:
    """There is no table for them, and a code is no word."""
    assert vocabulary.colour("bleu", "fr") == "bleu"
    assert vocabulary.colour("#112233", "fr") == ""


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("red", (211, 32, 39)),
        ("#102030", (16, 32, 48)),
        ("#fff", (255, 255, 255)),
        ("哑光黑", (17, 17, 17)),
        ("black/red", (17, 17, 17)),
        ("seafoam", None),
        ("clear", None),
        ("", None),
    ],
)
def test_colours_have_values(written: str, value: tuple[int, int, int] | None) -> None:
    """The first colour named, where it has one value."""
    assert vocabulary.rgb(written) == value


@pytest.mark.parametrize(
    ("written", "english", "chinese"),
    [
        ("1.7L", "1.7 litres", "1.7升"),
        ("1 l", "1 litre", "1升"),
        ("350毫升", "350 ml", "350毫升"),
        ("30 x 20 cm", "30 x 20 cm", "30 x 20厘米"),
        ("8GB", "8GB", "8GB"),
        ("2XL", "2XL", "2XL"),
        ("3.5公斤", "3.5 kg", "3.5千克"),
        ("12 hrs", "12 hours", "12小时"),
        ("7号", "7号", "7号"),
    ],
)
def test_units_speak_both_languages(written: str, english: str, chinese: str) -> None:
    """Quantities are written as the language writes them; what is no quantity stays."""
    assert vocabulary.units(written, "en") == english
    assert vocabulary.units(written, "zh") == chinese
    assert vocabulary.units(written, "fr") == written


def test_lists_are_joined_as_the_language_joins_them() -> None:
    """None, one, two and three items."""
    assert [vocabulary.join("abc"[:n], "en") for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [vocabulary.join("abc"[:n], "zh") for n in range(4)] == ["", "a", "a和b", "a、b和c"]
    assert vocabulary.join("abc", "fr") == "a, b, c"
    assert vocabulary.join(["a, b", "c"], "en") == "a, b; c"
    assert vocabulary.join(["甲，乙", "丙"], "zh") == "甲，乙；丙"


@pytest.mark.parametrize(
    "point", ["Free shipping", "For kids", "2-year warranty", "包邮", "送给妈妈", "限时优惠", "Men's cut"]
)
def test_offers_and_people_are_not_seen(point: str) -> None:
    """They belong on the picture, not in a prompt."""
    assert not vocabulary.seen(point)


@pytest.mark.parametrize("point", ["Boils in 3 minutes", "Womb-like softness", "304不锈钢内胆", "Pristine enamel"])
def test_what_a_thing_does_is_seen(point: str) -> None:
    """Words that only look like the others pass."""
    assert vocabulary.seen(point)


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("On", "Cotton running On shoe", "Cotton running shoe"),
        ("3M", "13M rope", "13M rope"),
        ("Acme", "Acme's kettle", "kettle"),
        ("Acme", "AcmePhone 2 ProAcme", "Phone 2 Pro"),
        ("Acme", "Acme2000", "2000"),
        ("Acme", "Kettle (Acme)", "Kettle"),
        ("华为", "华华为为手机", "手机"),
        ("小米(Xiaomi)", "小米 xiaomi 手环", "手环"),
        ("Kestrel & Pine", "kestrel pine honey", "honey"),
        ("Café Noir", "CAFE-NOIR beans", "beans"),
        ("A/B", "A B A/B", "A B"),
        ("X", "x ray", "ray"),
    ],
)
def test_brands_leave_as_words(name: str, text: str, left: str) -> None:
    """In the spellings shops use, but not out of the middle of other words."""
    found = brand(name)
    assert found is not None
    assert found.without(text) == left


@pytest.mark.parametrize("name", ["", "  ", "--", "()"])
def test_a_brand_without_letters_is_none(name: str) -> None:
    """Nothing to look for."""
    assert brand(name) is None
