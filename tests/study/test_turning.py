"""What is kept of a scan so that the superpixels that turn can be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from whyscan.data.head import Head, find_head
from whyscan.data.phantom import phantom
from whyscan.records.attribution import Attribution, load_all, save_all
from whyscan.records.geometry import Geometry
from whyscan.study import turning


def superpixels(model: str, method: str, segments: np.ndarray, scan) -> Attribution:
    count = int(segments.max()) + 1
    random = np.random.default_rng(len(model + method))
    weights = random.normal(size=(4, count)).astype(np.float32)
    return Attribution(
        method, ("a", "b", "c", "d"), Geometry.of(scan.pixels.shape[1:], segments.shape), ("a", "b", "c", "d"),
        np.full(4, 0.25, np.float32), segments=segments, weights=weights,
        intervals=np.stack([weights - 0.1, weights + 0.1], 2), signed=True, model=model, scan=scan.content,
        thumbnail=scan.thumbnail(), region=scan.region,
    )  # fmt: skip


def blocks(side: int, cells: int) -> np.ndarray:
    row = np.arange(side) * cells // side
    return np.asarray(row[:, None] * cells + row[None], np.int32)


def test_what_is_kept_is_small_and_loses_no_weight(tmp_path: Path) -> None:
    scan = phantom("glioma", size=512, seed=3)
    made = [superpixels(m, k, blocks(224, 8), scan) for m in ("best", "weak") for k in ("lime", "shap")]
    save_all(tmp_path / "a.npz", turning.kept(made))
    assert (tmp_path / "a.npz").stat().st_size < 200_000
    back = load_all(tmp_path / "a.npz")
    assert [(each.model, each.method) for each in back] == [(each.model, each.method) for each in made]
    for one, other in zip(back, made, strict=True):
        assert np.array_equal(one.weights, other.weights) and np.array_equal(one.intervals, other.intervals)
        assert np.array_equal(one.segments, other.segments)
        assert max(one.background().shape[:2]) == turning.SIDE and one.region is not None


def test_where_each_superpixel_lies() -> None:
    scan = replace(phantom("glioma", size=64, seed=3), region=np.zeros((64, 64), bool))
    scan.region[:32, :32] = True
    head = Head(np.ones((64, 64), bool), np.ones((64, 64), bool))
    head.brain[:, 48:] = False
    found = turning.where(superpixels("best", "lime", blocks(32, 2), scan), turning.places(scan, head))
    assert found["places"] == {
        "tumour": [1, 0, 0, 0], "brain": [0, 0.5, 1, 0.5], "skull and scalp": [0, 0.5, 0, 0.5],
        "background": [0, 0, 0, 0],
    }  # fmt: skip
    assert (found["model"], found["method"], found["content"]) == ("best", "lime", scan.content)


def test_what_is_not_known_is_no_place() -> None:
    scan = replace(phantom("glioma", size=64, seed=3), region=None)
    assert turning.places(scan, Head(None, None, "blank")) == {}
    assert list(turning.places(scan, Head(np.ones((64, 64), bool), None, "no skull"))) == ["background"]
    parts = turning.places(scan, find_head(scan))
    assert sum(part.astype(int) for part in parts.values()).max() == 1
