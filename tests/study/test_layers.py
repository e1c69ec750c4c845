"""Blank maps and contributions of given models: what the summary says is what the tables hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whyscan
from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.errors import BadInput, BadModel
from whyscan.explain.cams.contribution import Contribution
from whyscan.models.backbones import build
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier
from whyscan.records import files
from whyscan.study import layers, layers_words

SCANS = 6


@pytest.fixture(scope="module")
def catalogue(phantoms: Path) -> Catalogue:
    return open_catalogue(phantoms)


@pytest.fixture(scope="module")
def models(catalogue: Catalogue) -> dict[str, Classifier]:
    return {
        name: build(name, "none", catalogue.classes, input_size=64, seed=1)
        for name in ("test_resnet", "test_efficientnet")
    }


@pytest.fixture(scope="module")
def found(models: dict[str, Classifier], catalogue: Catalogue) -> layers.Looked:
    return layers.look(models, catalogue, scans=SCANS)


def row(layer: str, scan: str, change: float, energy: float, diagnosis: str = "there") -> Contribution:
    return Contribution(layer, "a", scan, scan, True, change, energy, 0.0, diagnosis)


def test_references_are_other_scans(models, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[set[str], set[str]]] = []

    def spy(_classifier: Classifier, scans: Sequence, references: Sequence, **_more: object) -> list[Contribution]:
        asked.append(({scan.content for scan in scans}, {scan.content for scan in references}))
        return []

    monkeypatch.setattr(layers, "layer_contributions", spy)
    looked = layers.look(models, catalogue, scans=SCANS)
    assert looked.references == layers.REFERENCES and looked.unread == 0
    assert asked[0] == asked[1]
    explained, references = asked[0]
    assert len(explained) == SCANS and len(references) == layers.REFERENCES and not explained & references


def test_the_summary_is_what_the_tables_hold(found: layers.Looked, models, tmp_path: Path) -> None:
    layers.write_tables(found, tmp_path)
    blank = files.read_rows(tmp_path / "blank.csv")
    moved = files.read_rows(tmp_path / "contribution.csv")
    for summary in layers.summaries(found):
        name = summary["model"]
        names = [layer.name for layer in models[name].layers]
        assert summary["layers"] == len(names) and summary["scans"] == SCANS and 0 <= summary["right"] <= SCANS
        third = names[: -(-len(names) // 3)]
        (said,) = (each for each in summary["blank"] if (each["recipe"], each["part"]) == ("logit", "first third"))
        mine = [
            each for each in blank
            if (each["model"], each["recipe"], each["predicted"]) == (name, "logit", "yes") and each["layer"] in third
        ]  # fmt: skip
        counts = np.array([int(each["maps"]) for each in mine])
        assert said["maps"] == counts.sum() == SCANS * len(third)
        share = (counts * [float(each["blank"]) for each in mine]).sum() / counts.sum()
        assert said["share"] == pytest.approx(share, abs=1e-6) and said["low"] <= share <= said["high"]
        changes = [abs(float(each["change"])) for each in moved if each["model"] == name]
        assert len(changes) == SCANS * len(names)
        assert summary["contribution"]["median"] == pytest.approx(np.median(changes), rel=1e-6)


def test_contributions_by_hand() -> None:
    rows = [
        row(layer, scan, change, energy, word)
        for scan in "pqrs"
        for layer, change, energy, word in (
            ("one", -3.0, 0.0, "negative everywhere"), ("two", 2.0, 5.0, "there"), ("three", 1.0, 9.0, "there"),
        )
    ]  # fmt: skip
    assert layers.contributed(rows, 3, seed=0) == {
        "median": 2.0, "blank": {"maps": 4, "median": 3.0}, "rank": {"value": -1.0, "low": -1.0, "high": -1.0},
    }  # fmt: skip
    alike = [row(layer, "p", 1.0, 2.0) for layer in ("one", "two", "three")]
    nothing = {"value": None, "low": None, "high": None}
    assert layers.contributed(alike, 3, seed=0) == {
        "median": 1.0, "blank": {"maps": 0, "median": None}, "rank": nothing,
    }  # fmt: skip
    assert layers.contributed(alike[:2], 2, seed=0)["rank"] == nothing


def test_what_a_person_reads(found: layers.Looked) -> None:
    summaries = layers.summaries(found)
    text = layers_words.lines(summaries, references=found.references, unread=2)
    assert text[0].startswith(f"test_resnet: {summaries[0]['layers']} layers, {SCANS} scans, ")
    assert any("notebook recipe" in line for line in text) and any("Grad-CAM of the logit" in line for line in text)
    assert text[-1] == "2 scans could not be read."
    with Image.open(io.BytesIO(layers_words.picture(found, "test_resnet"))) as picture:
        assert picture.format == "PNG" and min(picture.size) > 400


@pytest.mark.parametrize(
    ("rank", "said"),
    [
        ({"value": 0.5, "low": 0.2, "high": 0.7}, "brighter layers tend to contribute more"),
        ({"value": -0.5, "low": -0.7, "high": -0.2}, "brighter layers tend to contribute less"),
        ({"value": 0.1, "low": -0.2, "high": 0.3}, "does not tell"),
    ],
)
def test_brightness_is_judged_by_its_interval(found: layers.Looked, rank: dict[str, float], said: str) -> None:
    (first, *_) = layers.summaries(found)
    changed = {**first, "contribution": {**first["contribution"], "rank": rank}}
    assert said in "\n".join(layers_words.lines([changed], references=48, unread=0))


def test_bad_input(models, catalogue: Catalogue) -> None:
    with pytest.raises(BadInput, match=r"72 scans to explain of 72 that can be read.*36 or fewer"):
        layers.look(models, catalogue, scans=72)
    with pytest.raises(BadInput, match="0 models"):
        layers.look({}, catalogue)
    blind = black_box(lambda pixels: np.full((len(pixels), 4), 0.25), catalogue.classes, input_size=64)
    with pytest.raises(BadModel, match="black box"):
        layers.look({"blind": blind}, catalogue, scans=SCANS)


def test_from_python(models, phantoms: Path, tmp_path: Path) -> None:
    said = whyscan.layers({"net": models["test_resnet"]}, phantoms, tmp_path, scans=SCANS)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "blank-by-confidence.csv", "blank.csv", "contribution.csv", "layers.json", "layers.txt", "net.png",
    ]  # fmt: skip
    assert files.read_json(tmp_path / "layers.json") == said
    assert (tmp_path / "layers.txt").read_text().splitlines() == said["text"]
