from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadData
from whyscan.models.classifier import Classifier
from whyscan.training.evaluate import evaluate

Data = tuple[Catalogue, tuple[SplitRow, ...]]


@pytest.fixture
def classifier(squares: Data, tiny: Callable[..., Classifier]) -> Classifier:
    """Random, but decided: an untrained network says nearly the same of every scan."""
    made = tiny(classes=squares[0].classes[::-1], name="upside down")
    last = made.network.get_submodule("head.1")
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.mul_(1000)
        last.bias.sub_(torch.from_numpy(made.logits(read_entry(squares[0].entries[0]))))
    return made


@pytest.mark.parametrize("cached", [False, True])
def test_it_says_what_predict_says(squares: Data, classifier: Classifier, tmp_path: Path, cached: bool) -> None:
    catalogue, rows = squares
    rows = rows[::-1]
    found = evaluate(classifier, catalogue, rows, cache=tmp_path if cached else None, batch=5)
    judged = [row for row in rows if row.split != "train"]
    assert found.paths == tuple(row.path for row in judged)
    assert [found.classes[i] for i in found.labels] == [row.label for row in judged]
    assert found.splits == tuple(row.split for row in judged)
    assert found.leaked.tolist() == [row.leaked for row in judged]
    entries = {entry.name: entry for entry in catalogue.entries}
    wanted = np.stack([classifier.predict(read_entry(entries[row.path])) for row in judged])
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-3 if cached else 1e-5)
    assert np.ptp(found.probabilities, axis=0).max() > 0.05


def test_excluded_scans_and_those_of_other_splits_are_left_out(squares: Data, classifier: Classifier) -> None:
    catalogue, rows = squares
    gone = [dataclasses.replace(row, split="excluded", content="") if i < 3 else row for i, row in enumerate(rows)]
    found = evaluate(classifier, catalogue, gone, splits=("train",))
    assert set(found.splits) == {"train"} and len(found.paths) == 45


def test_a_label_that_the_model_does_not_know_is_named(squares: Data, tiny: Callable[..., Classifier]) -> None:
    with pytest.raises(BadData, match="'upper'"):
        evaluate(tiny(classes=["lower", "none"]), *squares)


def test_nothing_to_judge_is_an_error(squares: Data, classifier: Classifier) -> None:
    with pytest.raises(BadData, match="no scan in holdout"):
        evaluate(classifier, *squares, splits=("holdout",))
