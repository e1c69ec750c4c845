"""Lettering: no line is wider than its room, no letter is lost, and lines stand where they are set."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from whyscan.render import lettering


@pytest.mark.parametrize(
    "text", ["two words", "features.denseblock3.denselayer24.conv2", "W" * 300, "a\nb", "", "日本 <b>$"]
)
@pytest.mark.parametrize("width", [1, 40, 120])
def test_lines_fit_and_lose_no_letter(text: str, width: int) -> None:
    lines = lettering.wrapped(text, 11, width)
    assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert all(lettering.widest([line], 11) <= width or len(line) == 1 for line in lines)


def test_lines_break_between_words_and_long_names_at_their_dots() -> None:
    assert lettering.wrapped("one two", 11, lettering.widest(["one two"], 11)) == ["one two"]
    assert lettering.wrapped("one two", 11, lettering.widest(["one two"], 11) - 1) == ["one", "two"]
    assert lettering.wrapped("block12.conv3", 11, lettering.widest(["block12.co"], 11)) == ["block12.", "conv3"]


def test_a_line_is_set_within_its_height_and_about_its_middle() -> None:
    page = Image.new("RGB", (200, 60), "white")
    lettering.write(page, ["Hpqg"], (100, 10), 14)
    rows, columns = np.nonzero(np.asarray(page).min(axis=2) < 200)
    assert rows.min() >= 10 and rows.max() < 10 + lettering.pitch(14)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(100, abs=2)


def test_letters_that_are_read_from_below() -> None:
    unit = lettering.upwards(["logit"], 12)
    assert unit.height > unit.width and np.asarray(unit).min() < 100
