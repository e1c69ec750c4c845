"""Which scans are shown with the superpixels that turn, and the numbers below them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whyscan.data.phantom import phantom
from whyscan.records.attribution import Attribution, save_all
from whyscan.records.geometry import Geometry
from whyscan.study import turned, turning

CLASSES = ("glioma", "meningioma")
SEGMENTS = np.repeat(np.repeat(np.arange(4).reshape(2, 2), 16, 0), 16, 1).astype(np.int32)


def explained(model: str, method: str, weights: list[float], number: int = 0, side: int = 32, **more) -> Attribution:
    """For glioma these weights, for meningioma the negative ones; intervals of +- 1."""
    table = np.array([weights, [-w for w in weights]], np.float32)
    scan = phantom("glioma", size=64, seed=number)
    segments = np.kron(SEGMENTS, np.ones((side // 32, side // 32), np.int32)).astype(np.int32)
    base = Attribution(
        method, CLASSES, Geometry.of((64, 64), (side, side)), CLASSES, np.array([0.9, 0.1], np.float32),
        segments=segments, weights=table, intervals=np.stack([table - 1, table + 1], 2), signed=True, model=model,
        scan=f"scan{number}", source=f"a/scan{number}.png", label="glioma", thumbnail=scan.thumbnail(),
    )  # fmt: skip
    return replace(base, **more)


def keep(folder: Path, *made: Attribution) -> Path:
    stem = folder / made[0].scan
    save_all(stem.with_suffix(".npz"), turning.kept(made))
    return stem


LYING = [
    {"content": "scan0", "model": "best", "method": "lime",
     "places": {"tumour": [1.0, 0.5, 0, 0], "brain": [0, 0.5, 1.0, 1.0]}}
]  # fmt: skip
FLIPS = [
    {"kind": "seeds", "method": "lime", "content": "scan0", "lost": lost, "a": "", "b": ""} for lost in (0.1, 0.3, None)
]


def test_the_numbers_below_a_picture(tmp_path: Path) -> None:
    stem = keep(
        tmp_path,
        explained("best", "lime", [4, -2, 0.5, 2]), explained("best", "shap", [4, 2, 1, 2]),
        explained("weak", "lime", [-3, 3, -2, 2]), explained("weak", "shap", [-3, 3, -2, 2]),
    )  # fmt: skip
    found = turned.shown([stem, tmp_path / "not kept"], ["best", "weak"], LYING, FLIPS)
    (scan,) = found["scans"]
    assert scan["file"] == "trust/scans/scan0.npz" and scan["predicted"] == {"best": "glioma", "weak": "glioma"}
    models, classes = scan["views"]
    assert models["lost"] == [0] and models["gained"] == [1]
    assert models["perhaps lost"] == [2] and models["perhaps gained"] == []  # the first interval holds 0
    assert models["weight"] == pytest.approx([6 / 8.5, 6 / 10])
    assert models["places"] == {"tumour": 0.75, "brain": 0.25} and models["tumour known"]
    assert models["also"] == [{"method": "shap", "turned": 1, "both": 1}]
    assert models["seeds"] == pytest.approx(0.2) and models["intervals"] and models["shared"]
    assert classes["targets"] == ["glioma", "meningioma"] and classes["models"] == ["best", "best"]
    assert classes["lost"] == [0, 3] and classes["gained"] == [1] and classes["perhaps lost"] == [2]


def test_models_of_other_input_sizes_have_no_intervals(tmp_path: Path) -> None:
    stem = keep(
        tmp_path, explained("best", "lime", [4, -2, 0.5, 2]), explained("weak", "lime", [-3, 3, -2, 2], side=64)
    )
    models = turned.shown([stem], ["best", "weak"], [], [])["scans"][0]["views"][0]
    assert not models["shared"] and models["lost"] == [0] and models["perhaps lost"] == [2]
    assert models["places"] == {} and models["seeds"] is None and not models["intervals"]


def test_one_model_has_its_classes_only(tmp_path: Path) -> None:
    stem = keep(tmp_path, explained("best", "shap", [4, -2, 0.5, 2]))
    (scan,) = turned.shown([stem], ["best"], [], [])["scans"]
    assert [(view["kind"], view["method"]) for view in scan["views"]] == [("classes", "shap")]


def test_scans_are_spread_over_classes_and_sides_and_sure_ones_first() -> None:
    def scan(label: str, right: bool, sure: bool, name: str) -> turned._Scan:
        return turned._Scan(label, right, {"views": [{"lost": [1] if sure else [], "gained": []}], "name": name})

    many = [scan(label, right, i == 2, f"{label}{right}{i}") for label in "abc" for right in (True, False)
            for i in range(4)]  # fmt: skip
    found = turned.chosen_of(many)
    assert len(found) == turned.SHOWN
    assert sorted(each.label for each in found) == list("aabbcc") and sum(each.right for each in found) == 3
    assert all(each.sure for each in found)
    few = turned.chosen_of([scan("a", True, False, "1"), scan("a", True, True, "2")])
    assert [each.document["name"] for each in few] == ["2", "1"]


def test_an_older_table_says_why_there_is_no_picture(tmp_path: Path) -> None:
    rows = [{"kind": "models"}, {"kind": "seeds"}]
    assert "delete the run's folder trust" in turned.shown([tmp_path / "a"], ["best"], [], rows)["reason"]
    assert "neither LIME nor SHAP" in turned.shown([tmp_path / "a"], ["best"], [], [])["reason"]
