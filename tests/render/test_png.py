"""PNG: RGB as it is, and a palette that stays close to it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from whyscan.render import colour, overlay, png


def read(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG" and not picture.info
        return np.asarray(picture.convert("RGB"))


def test_pixels_come_back_and_the_same_ones_give_the_same_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(png.encode(pixels)), pixels)
    assert png.encode(pixels) == png.encode(pixels)
    assert png.encode(pixels, palette=True) == png.encode(pixels, palette=True)


def test_a_palette_keeps_white_the_tints_and_a_lesions_outline() -> None:
    scan = np.tile(np.linspace(0, 255, 200, dtype=np.uint8), (200, 1))
    heat = overlay.heat(np.linspace(0, 1, 200)[:, None] * np.ones((200, 200)), scan, signed=False)
    region = np.zeros((200, 200), bool)
    region[50:150, 50:150] = True
    pixels = np.concatenate([overlay.contour(heat, region), np.full((100, 200, 3), 255, np.uint8)])
    found = read(png.encode(pixels, palette=True)).astype(int)
    off = np.abs(found - pixels)
    assert np.quantile(off, 0.99) <= 12 and off.mean() < 3
    assert (found[200:] == 255).all()
    assert np.abs(found[50, 50:150] - colour.OUTLINE).max() <= 12
    assert len(png.encode(pixels, palette=True)) < len(png.encode(pixels))
