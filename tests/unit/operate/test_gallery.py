"""Laws of the gallery: every clip is on it, nothing in it runs that is not its own, and it needs no network."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.operate import gallery
from consumer.operate.gallery import Fact, Promoted, Tile, relative_url, render, write


def tile(name: str = "Blue Mug", **more: object) -> Tile:
    """A tile; ``more`` replaces fields."""
    fields: dict[str, object] = {
        "product_id": "mug-1",
        "name": name,
        "category": "home",
        "locale": "en",
        "points": ("Keeps tea warm",),
        "video": "store/clips/aa/x.mp4",
        "poster": "store/clips/aa/x.jpg",
        "width": 640,
        "height": 480,
        "seconds": 4.0,
        "size": 200_000,
        "engine": "storyboard",
        "from_photo": True,
        "revision": 1,
    }
    return Tile(**(fields | more))  # type: ignore[arg-type]


def test_every_clip_has_its_video_poster_name_and_facts() -> None:
    """What a person looks for is there."""
    page = render([tile(), tile("红杯子", locale="zh-CN", from_photo=False, video="store/clips/bb/y.mp4")])
    assert page.count("<video ") == 2
    for part in ("store/clips/aa/x.mp4", "store/clips/bb/y.mp4", "store/clips/aa/x.jpg", "Blue Mug", "红杯子"):
        assert part in page
    assert "from its photo" in page
    assert "from its words" in page
    assert "8 s of video" in page
    assert 'lang="zh-CN"' in page


def test_an_empty_gallery_is_a_page_too() -> None:
    """Before the first clip there is nothing to fall over."""
    assert "0 clips" in render([])


def test_videos_play_muted_inline_and_load_nothing_before_they_are_wanted() -> None:
    """Forty clips must not start forty downloads, and browsers play only what is muted."""
    (video,) = re.findall(r"<video [^>]*>", render([tile()]))
    for attribute in ("muted", "playsinline", "loop", 'preload="none"', 'width="640"', 'height="480"'):
        assert attribute in video


@given(st.text(max_size=60))
def test_hostile_texts_are_shown_and_never_run(text: str) -> None:
    """Names come from events: whatever they hold, the page has no element and no attribute more than without."""
    page = render([tile(f"<script>{text}</script>", points=(text,), category=text, product_id=text)])
    assert page.count("<script>") == 1
    assert page.count("<article") == 1
    assert html.escape(f"<script>{text}</script>", quote=False).split("&gt;")[0] in page


PROMOTED = Promoted(
    kind="ribbon", work="dressed", video="store/clips/cc/z.mp4", poster="store/clips/cc/z.jpg", seconds=4.0
)


def test_a_clip_with_a_promotion_stands_beside_the_one_without() -> None:
    """Two videos in one article, each under its name; a product that no promotion touched has one, and no name."""
    page = render([tile(promoted=PROMOTED), tile()])
    touched, other = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert re.findall(r'src="([^"]*)"', touched) == ["store/clips/aa/x.mp4", PROMOTED.video]
    assert [touched.count(word) for word in ("before and after", "with the ribbon", "dressed")] == [1, 1, 1]
    assert other.count("<video ") == 1
    assert "<figcaption" not in other
    assert "<option>ribbon</option>" in page


def test_a_page_without_promotions_says_nothing_of_any() -> None:
    """No facts, no choice among kinds."""
    page = render([tile()])
    assert "promotions" not in page.lower()
    assert "<section" not in page


@given(st.text(max_size=60))
def test_facts_are_shown_and_never_run(text: str) -> None:
    """They name categories, which come from events."""
    facts = [Fact(figure=f"<b>{text}", meaning=f"<script>{text}</script>")]
    page = render([tile(promoted=PROMOTED)], facts)
    assert page.count("<script>") == 1
    assert page.count("<dt>") == 1


def test_nothing_on_the_page_leads_to_a_network() -> None:
    """It opens from the disk, on a train."""
    page = render([tile()])
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)


def test_a_key_becomes_an_address_that_a_browser_takes() -> None:
    """Spaces and percent signs in keys are quoted."""
    assert relative_url("clips/aa/b c%.mp4") == "store/clips/aa/b%20c%25.mp4"


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader never sees half a page, and a failed run leaves the old one."""
    page = tmp_path / "deeper" / "index.html"
    write(page, [tile()])
    before = page.read_text(encoding="utf-8")

    def broken(*_: object) -> str:
        raise RuntimeError("no")

    monkeypatch.setattr(gallery, "render", broken)
    with pytest.raises(RuntimeError):
        write(page, [tile("another")])
    assert page.read_text(encoding="utf-8") == before
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
