"""Sheets: one PNG for a scan and a method, small whatever the scan's size."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from whyscan.records import pictures
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry


@pytest.fixture
def layer() -> Attribution:
    region = np.zeros((600, 400), bool)
    region[100:300, 100:200] = True
    return Attribution(
        "gradcam",
        ("a", "b"),
        Geometry.of((600, 400), (96, 96)),
        ("a", "b"),
        np.array([0.9, 0.1], np.float32),
        maps=np.random.default_rng(0).random((2, 6, 6)).astype(np.float32),
        thumbnail=np.full((600, 400), 90, np.uint8),
        region=region,
        layer="conv",
    )


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.size


def tints(attribution: Attribution) -> tuple[bool, bool]:
    """Whether there is green, and magenta, in the classic picture."""
    picture = pictures._superpixels(attribution).astype(int)
    excess = picture[..., 1] - (picture[..., 0] + picture[..., 2]) / 2
    return bool((excess > 5).any()), bool((excess < -5).any())


def test_layers_are_stacked_target_by_target(layer: Attribution) -> None:
    layers = [replace(layer, layer=f"conv{i}") for i in range(12)]
    one = size(pictures.sheet([replace(each, targets=("a",), maps=each.maps[:1]) for each in layers]))
    both = size(pictures.sheet(layers))
    assert both == (one[0], 2 * one[1])


def test_a_tile_keeps_shape_map_and_lesion(layer: Attribution) -> None:
    small = pictures.shown_at(layer, pictures.TILE)
    assert small.background().shape == (150, 100)
    assert small.region is not None and small.region.shape == (150, 100)
    assert small.region.mean() == pytest.approx(layer.region.mean(), abs=0.01)
    assert small.values.shape == (2, 150, 100)
    assert np.abs(small.values - layer.values[:, 2::4, 2::4]).max() < 0.03


def test_superpixels_get_their_second_picture(layer: Attribution) -> None:
    segments = np.arange(96 * 96, dtype=np.int32).reshape(96, 96) // (96 * 24)
    weights = np.array([[0.5, -0.2, 0.1, 0], [-0.5, 0.2, -0.1, 0]], np.float32)
    lime = replace(layer, method="lime", maps=None, segments=segments, weights=weights, signed=True, layer=None)
    assert size(pictures.sheet([lime]))[1] > 1.5 * size(pictures.sheet([layer]))[1]
    # without signs it would say nothing that the heat map does not
    anchors = replace(lime, method="anchors", weights=np.abs(weights), signed=False)
    assert size(pictures.sheet([anchors])) == size(pictures.sheet([layer]))


def test_signs_that_are_not_told_from_zero_are_not_shown(layer: Attribution) -> None:
    segments = np.arange(96 * 96, dtype=np.int32).reshape(96, 96) // (96 * 48)
    weights = np.array([[0.5, -0.2]], np.float32)
    lime = replace(layer, targets=("a",), maps=None, segments=segments, weights=weights, signed=True, region=None)
    sure = np.stack([weights - 0.1, weights + 0.1], -1)
    unsure = np.stack([weights - 0.3, weights + 0.3], -1)
    told, hidden, unknown = (tints(replace(lime, intervals=each)) for each in (sure, unsure, None))
    assert told == unknown == (True, True)
    assert hidden == (True, False)


def test_of_a_thousand_targets_the_likeliest_are_shown_and_the_picture_says_so(
    layer: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    names: list[str] = []

    def page(tiles, **about):
        names.extend(name for name, _ in tiles)
        titles.append(about["title"])
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(pictures, "page", page)
    classes = tuple(f"c{number}" for number in range(1000))
    chances = np.full(1000, 1e-4, np.float32)
    chances[[7, 500, 999]] = 0.2
    many = replace(
        layer, targets=classes, classes=classes, probabilities=chances, diagnosis=("there",) * 1000,
        maps=np.repeat(layer.maps[:1], 1000, 0), measured={"gap": (0.0,) * 1000},
    )  # fmt: skip
    pictures.sheet([many])
    assert "24 likeliest of 1,000 targets" in titles[0]
    shown = [name.rpartition(" ")[2] for name in names if "explained" in name][:24]
    assert len(shown) == 24 and {"c7", "c500", "c999"} <= set(shown)
    assert shown == sorted(shown, key=lambda name: int(name[1:]))
