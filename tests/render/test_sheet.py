"""Sheets: every tile whole and in order, and no word cut off or over a picture."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.render.scale import Scale
from whyscan.render.sheet import fitting, page, stacked

ODD = "a$b <script>alert(1)</script> & 50%"


def flat(shade: int) -> np.ndarray:
    return np.full((40, 30, 3), (shade, 0, 0), np.uint8)


def box(drawn: np.ndarray, shade: int) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((drawn == (shade, 0, 0)).all(axis=2))
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


@pytest.mark.parametrize("scale", [None, Scale(True, 1.0, "logit")])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_tiles_are_whole_and_in_reading_order(count: int, scale: Scale | None) -> None:
    drawn = page([(ODD, flat(100 + i)) for i in range(count)], columns=3, title=ODD, notes=[ODD], scale=scale)
    boxes = [box(drawn, 100 + i) for i in range(count)]
    assert all((bottom - top, right - left) == (40, 30) for top, bottom, left, right in boxes)
    assert [(top, left) for top, _, left, _ in boxes] == sorted((top, left) for top, _, left, _ in boxes)
    assert len({top for top, *_ in boxes}) == -(-count // 3)


def test_words_add_height_and_never_cover_a_tile() -> None:
    tiles = [("a", flat(100)), (" ".join(["long"] * 40), flat(101))]
    drawn = page(tiles, columns=2, title="t " * 500, notes=["n " * 500], scale=Scale(False, 0.0, "u " * 100))
    for shade in (100, 101):
        top, bottom, left, right = box(drawn, shade)
        assert (drawn[top:bottom, left:right] == (shade, 0, 0)).all() and bottom - top == 40
    rim = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert (rim == 255).all()


def test_a_row_is_as_high_as_its_own_names_ask_for() -> None:
    short = page([("a", flat(100))] * 4, columns=2)
    tall = page([("a, b, c", flat(100)), *[("a", flat(100))] * 3], columns=2)
    all_tall = page([("a, b, c", flat(100))] * 4, columns=2)
    assert tall.shape[0] - short.shape[0] == all_tall.shape[0] - tall.shape[0] > 0


def test_stacked_pages_keep_their_pixels() -> None:
    whole = stacked([flat(1)[:, :20], flat(2)])
    assert whole.shape == (80, 30, 3)
    assert (whole[:40, 20:] == 255).all() and (whole[:40, :20] == (1, 0, 0)).all() and (whole[40:] == (2, 0, 0)).all()


def test_a_tile_has_a_width_and_at_most_a_quarter_more_of_height() -> None:
    assert fitting((512, 512), 100) == 100
    assert fitting((200, 400), 100) == 100
    assert fitting((120, 100), 100) == 120
    assert fitting((1000, 100), 100) == 125


def test_a_narrow_tile_leaves_room_for_its_name() -> None:
    narrow = np.zeros((400, 6, 3), np.uint8)
    made = page([("predicted: pituitary, explained: glioma", narrow)] * 2, columns=2)
    assert made.shape[0] < 400 + 120  # a few lines of words, and not a letter a line
    dark = (made.sum(2) == 0).sum(1)
    assert (dark >= 12).sum() >= 400 and dark.max() < 100  # both tiles are whole and as narrow as they came
