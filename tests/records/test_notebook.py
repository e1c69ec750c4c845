"""What a notebook shows: parsed as a browser would, with names that try to break out."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.records.notebook import MOST, SIDE, html

HOSTILE = "<script>alert(1)</script>"
QUOTED = '" onerror="alert(1)'


class Page(HTMLParser):
    """Every tag with its attributes, the text, and whether all that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def pictures(self) -> list[Image.Image]:
        sources = [str(attributes["src"]) for tag, attributes in self.tags if tag == "img"]
        assert all(source.startswith(("data:image/jpeg;base64,", "data:image/png;base64,")) for source in sources)
        return [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]


def made(targets: tuple[str, ...], side: int = 40, **more: object) -> Attribution:
    rng = np.random.default_rng(0)
    chances = np.arange(1, len(targets) + 1, dtype=np.float32)
    fields: dict[str, object] = {
        "method": "gradcam", "targets": targets, "classes": targets, "geometry": Geometry.of((side, side), (32, 32)),
        "probabilities": chances / chances.sum(), "maps": rng.random((len(targets), 4, 4)).astype(np.float32),
        "thumbnail": np.full((side, side), 90, np.uint8), "layer": "conv",
    }  # fmt: skip
    return Attribution(**(fields | more))  # type: ignore[arg-type]


def test_a_cell_that_ends_in_an_attribution_shows_every_target_with_its_probability() -> None:
    page = Page(made(("glioma", "meningioma", "none"))._repr_html_())
    assert page.open == [] and {tag for tag, _ in page.tags} <= {"div", "b", "img", "span"}
    assert len(page.pictures()) == 5  # the scan, three targets, the colour bar
    assert page.words.index("none") < page.words.index("meningioma") < page.words.index("glioma")  # by probability
    for words in ("p = 0.500 · predicted", "p = 0.333", "p = 0.167", "logit (gradient × activation)", "One scale"):
        assert words in page.words


def test_names_from_a_strangers_file_stay_text() -> None:
    attribution = made((HOSTILE, QUOTED), label=HOSTILE, model=HOSTILE, layer=QUOTED, heading=HOSTILE, quantity=QUOTED)
    page = Page(html(attribution))
    assert HOSTILE in page.words and QUOTED in page.words
    assert {tag for tag, _ in page.tags} <= {"div", "b", "img", "span"}
    known = {"style", "src", "alt", "width", "height"}
    assert all(set(attributes) <= known for _, attributes in page.tags)


@pytest.mark.parametrize("side", [8, 40, 2000])
def test_it_is_bounded_in_size_whatever_the_scans(side: int) -> None:
    targets = tuple(f"class {number}" for number in range(MOST + 6))
    shown = html(made(targets, side))
    page = Page(shown)
    assert len(page.pictures()) == MOST + 2 and "6 more targets are not shown" in page.words
    assert all(max(picture.size) <= SIDE for picture in page.pictures())
    assert len(shown) < 1_500_000


def test_a_blank_map_and_a_signed_one_say_so() -> None:
    blank = Page(html(made(("a", "b"), maps=np.zeros((2, 4, 4), np.float32))))
    assert "(blank)" in blank.words
    signed = Page(html(made(("a", "b"), signed=True, score="probability")))
    assert "−" in signed.words and "change of probability" in signed.words and "magenta against" in signed.words


def test_a_contrast_has_no_probability() -> None:
    page = Page(html(replace(made(("a", "b")), targets=("a-b",), maps=np.ones((1, 4, 4), np.float32))))
    assert "a contrast" in page.words
