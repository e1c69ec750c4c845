"""Turned superpixels: drawn by hatching and sign, so that they can be told apart without colour."""

from __future__ import annotations

import numpy as np

from whyscan.render import colour
from whyscan.render.turned import _middle, turned

SEGMENTS = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 40, 0), 40, 1)
SCAN = np.full((80, 80), 100, np.uint8)


def part(image: np.ndarray, label: int) -> np.ndarray:
    top, left = 40 * (label // 2), 40 * (label % 2)
    return image[top : top + 40, left : left + 40].astype(int)


def test_what_turned_differs_without_colour_too() -> None:
    image = turned(SEGMENTS, SCAN, lost=[0], gained=[1], perhaps_lost=[2])
    falling, rising = (part(image, label)[3:13, 3:13] for label in (0, 1))  # beside the rim and the sign
    assert (falling[1:, 1:] == falling[:-1, :-1]).all() and not (falling[1:, :-1] == falling[:-1, 1:]).all()
    assert (rising[1:, :-1] == rising[:-1, 1:]).all() and not (rising[1:, 1:] == rising[:-1, :-1]).all()
    assert (part(image, 0)[39, 20] == colour.AGAINST).all() and (part(image, 1)[39, 20] == colour.FOR).all()
    white = [(part(image, label) == 255).all(2).sum() for label in range(4)]
    assert white[1] > white[0] > white[2] > white[3] == 0  # a plus has more strokes; a small minus is no sure one
    assert len(np.unique(part(image, 3))) == 1 and part(image, 3)[0, 0, 0] < 100  # the rest is only dimmed
    assert np.array_equal(SCAN, np.full((80, 80), 100, np.uint8))


def test_unsure_ones_are_fainter() -> None:
    sure = part(turned(SEGMENTS, SCAN, lost=[0], gained=[]), 0)
    unsure = part(turned(SEGMENTS, SCAN, lost=[], gained=[], perhaps_lost=[0]), 0)
    plain = part(turned(SEGMENTS, SCAN, lost=[], gained=[]), 0)
    assert np.abs(unsure - plain).mean() < 0.25 * np.abs(sure - plain).mean()
    assert (unsure != plain).any()


def test_a_sign_stands_inside_a_bent_superpixel() -> None:
    bent = np.zeros((60, 60), bool)
    bent[:, :10] = bent[50:, :] = True
    assert bent[_middle(bent)]
    assert _middle(np.eye(3, dtype=bool)) in {(0, 0), (1, 1), (2, 2)}


def test_labels_without_a_pixel_are_passed_over() -> None:
    assert turned(SEGMENTS, np.stack([SCAN] * 3, 2), lost=[9], gained=[8], perhaps_gained=[7]).shape == (80, 80, 3)
