"""Blank maps counted: on a network worked out by hand, and on rows made up."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadTarget
from whyscan.explain.cams.blankness import (
    BINS,
    MapSeen,
    blank_table,
    confidence_bin,
    look_at_maps,
    tabulate,
    write_table,
)
from whyscan.models.classifier import Classifier, Layer
from whyscan.stats.intervals import wilson


class Sure(nn.Module):
    """Logits (z r, -z r) of the mean red r: the larger z, the surer. Its only layer copies the pixels."""

    def __init__(self, z: float) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, 1, bias=False)
        self.copy.weight = nn.Parameter(torch.eye(3)[:, :, None, None])
        self.z = z

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        score = self.z * self.copy(pixels)[:, 0].mean((1, 2))
        return torch.stack([score, -score], 1)


def sure(z: float) -> Classifier:
    return Classifier(f"z = {z}", ("a", "b"), (4, 4), Sure(z).eval(), (Layer("copy", "copy"),))


def blob(place: int, label: str | None) -> Scan:
    pixels = np.zeros((1, 4, 4), np.float32)
    pixels[0, place] = 1  # one row of four: mean 1/4
    return Scan(pixels, content_hash(pixels), f"{place}.png", label)


SCANS = [blob(0, "a"), blob(1, "a"), blob(2, "b"), blob(3, None)]


def test_a_sure_model_by_hand() -> None:
    """With z = 60 the logits are (15, -15): 1 - p = 9.4e-14. Each place has a gradient of z / 16 = 3.75 on the logit
    of a and p (1 - p) 2 z / 16 on its probability: 7e-13, below eps. Against b all gradients are negative."""
    maps = look_at_maps(sure(60), SCANS)
    assert [each.doubt for each in maps] == pytest.approx([np.exp(-30)] * len(maps), rel=1e-4)
    words = {(each.recipe, each.target): each.word for each in maps}
    assert words == {
        ("softmax-guided", "a"): "softmax saturated",
        ("softmax-guided", "b"): "negative everywhere",
        ("logit", "a"): "there",
        ("logit", "b"): "negative everywhere",
    }
    spans = {(each.recipe, each.target): each.span for each in maps if each.word != "negative everywhere"}
    assert spans == {
        ("softmax-guided", "a"): pytest.approx(np.exp(-30) * 2 * 60 / 16, rel=1e-3),
        ("logit", "a"): None,
    }
    assert [each.right for each in maps if each.recipe == "logit" and each.target == "a"] == [True, True, False, None]


def test_the_table_over_states_of_a_training() -> None:
    states = {"early": sure(4), "late": sure(60)}
    rows = blank_table(states, SCANS, ["recipe", "model", "confidence"], targets="predicted")
    found = {tuple(row.group.values()): row.share for row in rows}
    assert found == {  # z = 4: logits (1, -1), so p = 0.88
        ("softmax-guided", "early", "< 0.9"): 0,
        ("softmax-guided", "late", ">= 0.99999999"): 1,
        ("logit", "early", "< 0.9"): 0,
        ("logit", "late", ">= 0.99999999"): 0,
    }
    assert all((row.maps, row.scans) == (4, 4) for row in rows)
    assert all(row.interval == wilson(row.share, 4) for row in rows)


def test_maps_of_one_scan_are_one_trial() -> None:
    """16 maps of 4 scans: the interval is as wide as 4 trials make it."""
    (row,) = tabulate(look_at_maps(sure(60), SCANS), [])
    assert (row.maps, row.scans, row.share) == (16, 4, 0.75)
    assert row.interval == wilson(0.75, 4)
    assert row.words == {"softmax saturated": 0.25, "negative everywhere": 0.5, "there": 0.25}


def test_groups() -> None:
    maps = look_at_maps(sure(60), SCANS, recipes=["logit"])
    assert {row.group["right"]: row.scans for row in tabulate(maps, ["right"])} == {"yes": 2, "no": 1, "unknown": 1}
    shares = {row.group["predicted"]: row.share for row in tabulate(maps, ["predicted"])}
    assert shares == {"yes": 0, "no": 1}
    assert [row.group["label"] for row in tabulate(maps, ["label"])] == ["a", "b", "unknown"]
    assert [row.group["layer"] for row in tabulate(maps, ["layer"])] == ["copy"]


def test_batches_and_layers_change_no_word(toy: Classifier, scans) -> None:
    whole = look_at_maps(toy, scans)
    assert len(whole) == 2 * len(scans) * 2 * 3
    assert unsure(look_at_maps(toy, scans, batch=1)) == unsure(whole)
    deep = look_at_maps(toy, scans, layers="last")
    assert unsure(deep) == [replace(each, depth=0) for each in unsure(whole) if each.layer == "second"]


def unsure(maps: list[MapSeen]) -> list[MapSeen]:
    """Without what depends on the batch in its last digits."""
    return [replace(each, doubt=0.0, span=None) for each in maps]


@given(st.floats(1e-30, 1, exclude_max=True))
def test_every_doubt_has_one_bin(doubt: float) -> None:
    name = confidence_bin(doubt)
    edges = [0.0, *BINS, 1.0]
    names = [confidence_bin(1 - edge) for edge in edges[:-1]]
    assert len(set(names)) == len(names)
    at = names.index(name)
    assert 1 - doubt >= edges[at] - 1e-9
    assert 1 - doubt <= edges[at + 1] + 1e-9


def test_bins_of_ones_own() -> None:
    assert [confidence_bin(0.5, edges) for edges in ((), (0.5,), (0.6, 0.7))] == ["any", ">= 0.5", "< 0.6"]


def test_the_csv(tmp_path) -> None:
    rows = tabulate(look_at_maps(sure(60), SCANS), ["recipe", "target"])
    write_table(tmp_path / "blank.csv", rows)
    with (tmp_path / "blank.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [(row["recipe"], row["target"], row["blank"]) for row in read] == [
        ("softmax-guided", "a", "1"),
        ("softmax-guided", "b", "1"),
        ("logit", "a", "0"),
        ("logit", "b", "1"),
    ]
    assert read[0]["softmax saturated"] == "1"
    assert float(read[0]["median_range"]) == pytest.approx(7e-13, rel=0.01)
    assert read[2]["median_range"] == ""
    assert float(read[0]["low"]) == pytest.approx(wilson(1, 4).low, rel=1e-5)
    assert read[0].keys() == {
        "recipe", "target", "maps", "scans", "blank", "low", "high", "median_doubt", "median_range", "there",
        "negative everywhere", "softmax saturated",
    }  # fmt: skip


def test_bad_input(toy: Classifier, scans) -> None:
    one = MapSeen("m", "logit", "l", 0, "a", "s", None, True, None, 0.1, "there")
    with pytest.raises(BadInput, match="column 'colour'"):
        tabulate([one], ["colour"])
    with pytest.raises(BadInput, match="column 'colour'"):
        blank_table(toy, scans, ["colour"])
    with pytest.raises(BadInput, match="rising edges"):
        tabulate([one], ["confidence"], bins=[0.9, 0.5])
    with pytest.raises(BadInput, match="as the classifier"):
        look_at_maps(toy.network, scans)
    with pytest.raises(BadInput, match="as the scan"):
        look_at_maps(toy, ["scan.png"])
    with pytest.raises(BadTarget, match="'stroke'"):
        look_at_maps(toy, scans, targets="stroke")
    assert tabulate([], ["layer"]) == []
