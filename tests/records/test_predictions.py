from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whyscan.errors import BadRun
from whyscan.records.predictions import Predictions


def table() -> Predictions:
    return Predictions(
        "net",
        ("a", "b"),
        ("1.png", "2,3.png", "4.png", "5.png"),
        np.array([0, 1, 1, 0]),
        ("g1", "g2", "g2", "g3"),
        ("train", "validation", "test", "test"),
        np.array([False, False, True, False]),
        np.array([[1 / 3, 2 / 3], [0.5, 0.5], [1e-17, 1.0], [0.25, 0.75]]),
    )


def test_there_and_back_to_the_last_bit(tmp_path: Path) -> None:
    before = table()
    before.save(tmp_path / "p.csv")
    after = Predictions.load(tmp_path / "p.csv", "net")
    for name in ("model", "classes", "paths", "groups", "splits"):
        assert getattr(before, name) == getattr(after, name)
    for name in ("labels", "leaked", "probabilities"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
        assert getattr(before, name).dtype == getattr(after, name).dtype


@pytest.mark.parametrize(
    ("subset", "rows"),
    [("validation", [1]), ("test", [2, 3]), ("test-leaked", [2]), ("test-clean", [3]), ("holdout", [])],
)
def test_subsets(subset, rows) -> None:
    assert np.flatnonzero(table().subset(subset)).tolist() == rows


@pytest.mark.parametrize(
    "content",
    ["", "path,label\n", "path,label,group,split,leaked,p:a\n1,zebra,g,train,false,0.5\n",
     "path,label,group,split,leaked,p:a\n1,a,g,train,false,half\n", "path,label,p:a\n1,a,0.5\n",
     "path,label,group,split,leaked,p:a\n1,a,g,train\n", "path,label,p:a,group,split,leaked\n1,a,0.5,g\n"],
)  # fmt: skip
def test_damaged_tables_are_named(content, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(BadRun, match="damaged"):
        Predictions.load(tmp_path / "p.csv", "net")
