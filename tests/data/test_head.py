"""Head and brain on drawn slices, where the truth is known, and what must not be found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from whyscan.data import phantom as phantoms
from whyscan.data.catalogue import open_catalogue
from whyscan.data.head import find_head, find_in
from whyscan.data.phantom import KINDS, phantom
from whyscan.data.phantom_head import VIEWS, draw_head
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan

SIZE = 128
SEEDS = range(12)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def drawn(seed: int) -> tuple[Scan, np.ndarray, np.ndarray, str]:
    """A phantom, where its head and its skull's inside really are, and its plane."""
    truth = draw_head(phantoms._rng(seed, phantoms._HEAD), SIZE)
    whole = ndimage.binary_fill_holes(ndimage.binary_closing(truth.signal > 0.02, iterations=2))
    return phantom(KINDS[seed % 4], size=SIZE, seed=seed), whole, truth.wall < 0, truth.view


def test_the_head_is_found_in_every_plane() -> None:
    views = set()
    for seed in SEEDS:
        scan, head, _, view = drawn(seed)
        found = find_head(scan)
        assert found.head is not None and found.head.shape == scan.shape
        assert dice(found.head, head) > 0.96
        views.add(view)
    assert views == set(VIEWS)


def test_what_is_called_brain_lies_in_the_skull_and_holds_the_lesion() -> None:
    told = 0
    for seed in SEEDS:
        scan, _, cavity, _ = drawn(seed)
        found = find_head(scan)
        if found.brain is None:
            assert found.reason
            continue
        told += 1
        assert found.head is not None and not (found.brain & ~found.head).any() and not found.reason
        assert dice(found.brain, cavity) > 0.78
        assert scan.region is not None
        if scan.region.any():
            assert (found.brain & scan.region).sum() > 0.6 * scan.region.sum()
    assert told >= 0.8 * len(SEEDS)


def test_without_a_skull_all_of_the_head_is_brain() -> None:
    told = 0
    for seed in SEEDS:
        scan, _, cavity, _ = drawn(seed)
        noise = 0.01 * np.random.default_rng(seed).random((SIZE, SIZE))
        found = find_in(np.where(cavity, scan.pixels[0], noise).astype(np.float32))
        assert found.head is not None and dice(found.head, cavity) > 0.96
        if found.brain is not None:
            told += 1
            assert (found.brain == found.head).all()
    assert told >= 0.7 * len(SEEDS)


@pytest.mark.parametrize("level", [0.25, 1.0])
def test_a_bright_background_is_a_background(level: float) -> None:
    for seed in SEEDS[:6]:
        scan, head, _, _ = drawn(seed)
        image = np.where(head, scan.pixels[0], level + 0.01 * np.random.default_rng(0).normal(size=head.shape))
        found = find_in(image.astype(np.float32))
        assert found.head is not None and dice(found.head, head) > 0.93


def test_noise_around_the_head_is_not_the_head() -> None:
    for seed in SEEDS[:6]:
        scan, head, _, _ = drawn(seed)
        noise = np.abs(np.random.default_rng(seed).normal(size=head.shape)) * 0.06
        found = find_in(np.hypot(scan.pixels[0], noise).astype(np.float32))
        assert found.head is None or dice(found.head, head) > 0.93


def test_a_cropped_slice_is_read_to_its_edge() -> None:
    for seed in SEEDS[:6]:
        scan, head, _, _ = drawn(seed)
        columns = np.flatnonzero(head.any(axis=0))
        cut = slice(columns[0] + 8, columns[-1] - 8)
        found = find_in(scan.pixels[0][:, cut].copy())
        assert found.head is None or dice(found.head, head[:, cut]) > 0.95


def test_a_picture_on_a_wider_canvas_is_searched_inside() -> None:
    for seed in SEEDS[:4]:
        scan, head, _, _ = drawn(seed)
        picture = np.hypot(scan.pixels[0], 0.1)
        wide = np.pad(picture, ((0, 0), (30, 30))).astype(np.float32)
        found = find_in(wide)
        assert found.head is None or dice(found.head, np.pad(head, ((0, 0), (30, 30)))) > 0.9


def test_the_scale_of_the_values_does_not_matter() -> None:
    scan, _, _, _ = drawn(3)
    found, scaled = find_in(scan.pixels[0]), find_in(scan.pixels[0] * 4000 - 1000)
    assert found.head is not None and scaled.head is not None
    assert dice(found.head, scaled.head) > 0.999


def blank(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_what_is_no_head_is_none_with_a_reason() -> None:
    rng = np.random.default_rng(0)
    two, ring, full, corner, thin = (blank((96, 96)) for _ in range(5))
    two[30:66, 8:38] = two[30:66, 58:88] = 0.8
    ring[10:86, 40:56] = ring[40:56, 10:86] = 0.8
    full += 0.8
    full[0, 0] = 0
    corner[:30, :40] = 0.9
    thin[48] = 1
    nan = blank((64, 64))
    nan[3, 3] = np.nan
    noise = rng.random((96, 96)).astype(np.float32)
    for image in (blank((64, 64)), blank((4, 4)), nan, two, ring, full, corner, thin, noise):
        found = find_in(image)
        assert found.head is None and found.brain is None and len(found.reason) > 10


@pytest.mark.real
@pytest.mark.slow
def test_tumours_of_real_scans_lie_in_the_head_and_nearly_all_in_the_brain(shared: Path) -> None:
    entries = [each for each in open_catalogue(shared / "data/brain-tumor-mri").entries if each.mask is not None]
    rng = np.random.default_rng(0)
    inside = []
    chosen = rng.choice(len(entries), 60, replace=False)
    for index in chosen:
        scan = read_entry(entries[index])
        found = find_head(scan)
        assert scan.region is not None
        if found.head is not None:
            assert found.head[scan.region].mean() > 0.95
        if found.brain is not None:
            inside.append(found.brain[scan.region].mean())
    assert len(inside) > 0.85 * len(chosen)
    assert np.mean(np.array(inside) >= 0.9) > 0.9
