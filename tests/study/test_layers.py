"""Blank maps and contributions of given models: what is said of them is what was seen."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

import whyscan
from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel, BadRun
from whyscan.explain.blank import NEGATIVE, SATURATED, THERE
from whyscan.explain.cams.blankness import RECIPES, MapSeen
from whyscan.explain.cams.contribution import Contribution
from whyscan.models.backbones import build
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier
from whyscan.records import files
from whyscan.stats.intervals import wilson
from whyscan.study import dotted, layers, layers_words

SCANS = 6
LAYERS = ("one", "two", "three", "four", "five", "six")
DOUBTS = {"p": 0.25, "q": 0.001, "r": 1e-4}
CHANGES = {"one": -3.0, "two": 2.0, "three": 1.0, "four": 5.0, "five": 4.0, "six": 6.0}
ENERGIES = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0}


def word_of(recipe: str, layer: str, scan: str) -> str:
    """The recipe: two layers of the first third saturated in two scans; the logit: the last layer once negative."""
    if recipe == "softmax-guided":
        return SATURATED if layer in ("one", "two") and scan != "p" else THERE
    return NEGATIVE if (layer, scan) == ("six", "p") else THERE


@pytest.fixture(scope="module")
def made() -> layers.Looked:
    """One model, six layers, three scans; wrong on the first. Maps of the class that is not predicted are all dark."""
    maps = [
        MapSeen("net", recipe, layer, depth, target, scan, "a", target == "a", scan != "p", doubt,
                word_of(recipe, layer, scan) if target == "a" else NEGATIVE)
        for recipe in RECIPES
        for scan, doubt in DOUBTS.items()
        for depth, layer in enumerate(LAYERS)
        for target in ("a", "b")
    ]  # fmt: skip
    rows = [
        Contribution(layer, "a", scan, scan, True, CHANGES[layer], ENERGIES[layer], 0.0, word_of("logit", layer, scan))
        for scan in DOUBTS
        for layer in LAYERS
    ]
    return layers.Looked(maps, {"net": rows}, 48, 2)


@pytest.fixture(scope="module")
def catalogue(phantoms: Path) -> Catalogue:
    return open_catalogue(phantoms)


@pytest.fixture(scope="module")
def models(catalogue: Catalogue) -> dict[str, Classifier]:
    return {
        name: build(name, "none", catalogue.classes, input_size=64, seed=1)
        for name in ("test_resnet", "test_efficientnet")
    }


def test_a_summary_by_hand(made: layers.Looked) -> None:
    (found,) = layers.summaries(made)
    assert (found["model"], found["layers"], found["scans"], found["right"]) == ("net", 6, 3, 2)
    assert found["median_doubt"] == 0.001
    expected = [
        ("softmax-guided", "first third", 2 / 3, {SATURATED: 2 / 3}),
        ("softmax-guided", "last third", 0.0, {}),
        ("logit", "first third", 0.0, {}),
        ("logit", "last third", 1 / 6, {NEGATIVE: 1 / 6}),
    ]
    for row, (recipe, part, share, words) in zip(found["blank"], expected, strict=True):
        assert (row["recipe"], row["part"], row["maps"], row["words"]) == (recipe, part, 6, pytest.approx(words))
        assert (row["share"], row["low"], row["high"]) == pytest.approx((share, *wilson(share, 3)))
    moved = found["contribution"]
    assert moved["median"] == 3.5  # of 1, 2, 3, 4, 5, 6
    assert moved["blank"] == {
        "softmax-guided": {"maps": 4, "median": 2.5}, "logit": {"maps": 1, "median": 6.0},
    }  # fmt: skip
    # ranks 1..6 beside 3, 2, 1, 5, 4, 6: 1 - 6 * (4 + 0 + 4 + 1 + 1 + 0) / (6 * 35)
    assert moved["rank"] == {"value": pytest.approx(1 - 60 / 210), "low": None, "high": None}  # of three scans no ends


def test_what_a_person_reads(made: layers.Looked) -> None:
    assert layers_words.lines(layers.summaries(made), references=48, unread=2) == [
        "net: 6 layers, 3 scans, 2 of them right, median confidence 0.999",
        "  without a layer the predicted class's logit moves by 3.5 in the median",
        "  notebook recipe (gradient of the softmax): blank maps 67% [21%, 94%] in the first third "
        "(softmax saturated 67%); 0% [0%, 56%] in the last third",
        "    where they are blank (4 maps) the logit still moves by 2.5",
        "  Grad-CAM of the logit: blank maps 0% [0%, 56%] in the first third; 17% [2%, 69%] in the last third "
        "(negative everywhere 17%)",
        "    where they are blank (1 maps) the logit still moves by 6",
        "  rank correlation, over these layers, of brightness and what the logit loses: 0.71",
        "",
        "Layers were replaced by their mean over 48 other scans. A layer beside which a branch runs",
        "(residual, dense) may move the logit little, because the branch carries what it carried.",
        "2 scans could not be read.",
    ]


def test_what_is_drawn(made: layers.Looked) -> None:
    loses, energy, recipe, logit = dotted.panels_of(made, "net")
    assert "loses" in loses.title and [value for value, *_ in loses.values] == list(CHANGES.values())
    assert [value for value, *_ in energy.values] == list(ENERGIES.values())
    assert [value for value, *_ in recipe.values] == pytest.approx([2 / 3, 2 / 3, 0, 0, 0, 0])
    assert [value for value, *_ in logit.values] == pytest.approx([0, 0, 0, 0, 0, 1 / 3])
    with Image.open(io.BytesIO(dotted.of_layers(made, "net"))) as picture:
        assert picture.format == "PNG" and min(picture.size) > 250


def test_the_bootstrap_draws_scans() -> None:
    """Half of the scans say one thing and half the other: whichever is drawn more often decides."""
    rows = [
        Contribution(layer, "a", str(scan), "", True, change if scan % 2 else 4 - change, float(number), 0.0, THERE)
        for scan in range(9)
        for number, (layer, change) in enumerate((("one", 1.0), ("two", 2.0), ("three", 3.0)))
    ]
    rank = layers.contributed(rows, {}, 3, seed=0)["rank"]
    assert rank == {"value": -1.0, "low": -1.0, "high": 1.0}  # five of the nine fall from 3 to 1


def test_few_layers_and_layers_that_are_alike(made: layers.Looked) -> None:
    few = layers.Looked(
        [each for each in made.maps if each.depth < 2],
        {"net": [row for row in made.contributions["net"] if row.layer in LAYERS[:2]]}, 48, 0,
    )  # fmt: skip
    (found,) = layers.summaries(few)
    assert [row["part"] for row in found["blank"]] == ["all", "all"]
    assert found["contribution"]["rank"]["value"] is None
    assert "of all layers" in layers_words.lines([found], references=48, unread=0)[2]
    alike = [Contribution(layer, "a", "p", "", True, 1.0, 2.0, 0.0, THERE) for layer in LAYERS]
    assert layers.contributed(alike, {}, 6, seed=0)["rank"]["value"] is None


def drawn(catalogue: Catalogue, models, monkeypatch: pytest.MonkeyPatch, scans: int) -> tuple[list[Scan], list[Scan]]:
    """What is explained, and the references."""
    asked: list[tuple[list[Scan], list[Scan]]] = []

    def spy(_classifier: Classifier, scans: Sequence, references: Sequence, **_more: object) -> list[Contribution]:
        asked.append((list(scans), list(references)))
        return []

    monkeypatch.setattr(layers, "layer_contributions", spy)
    monkeypatch.setattr(layers, "look_at_maps", lambda *_a, **_k: [])
    looked = layers.look(models, catalogue, scans=scans)
    assert asked[0] == asked[-1] and looked.references == len(asked[0][1])
    return asked[0]


def test_references_are_other_scans_of_all_classes(models, catalogue: Catalogue, monkeypatch) -> None:
    explained, references = drawn(catalogue, models, monkeypatch, SCANS)
    assert len(explained) == SCANS and len(references) == layers.REFERENCES
    assert not {scan.content for scan in explained} & {scan.content for scan in references}
    assert {scan.label for scan in explained} == {scan.label for scan in references} == set(catalogue.classes)


def test_copies_count_once_and_rare_classes_are_shared(models, phantoms: Path, tmp_path: Path, monkeypatch) -> None:
    data = shutil.copytree(phantoms, tmp_path / "data")
    rare = [entry.path for entry in open_catalogue(data).entries if entry.label == "glioma"]
    for path in rare[5:]:
        path.unlink()
    for entry in open_catalogue(data).entries:
        shutil.copy(entry.path, entry.path.with_name(f"copy-of-{entry.path.name}"))
    explained, references = drawn(open_catalogue(data), models, monkeypatch, 40)
    contents = [scan.content for scan in (*explained, *references)]
    assert len(set(contents)) == len(contents)
    assert [sum(scan.label == "glioma" for scan in some) for some in (explained, references)] == [3, 2]


def test_a_scan_that_cannot_be_read_is_counted(models, phantoms: Path, tmp_path: Path) -> None:
    data = shutil.copytree(phantoms, tmp_path / "data")
    copy = open_catalogue(data)
    broken = [next(entry.path for entry in copy.entries if entry.label == label) for label in copy.classes]
    for picture in broken:
        picture.write_bytes(b"nothing")
    found = layers.look({"net": models["test_resnet"]}, copy, scans=40)
    assert found.unread == len(broken)


def test_the_tables_hold_what_was_seen(models, catalogue: Catalogue, tmp_path: Path) -> None:
    found = layers.look(models, catalogue, scans=SCANS)
    layers.write_tables(found, tmp_path)
    blank, moved = files.read_rows(tmp_path / "blank.csv"), files.read_rows(tmp_path / "contribution.csv")
    for name, classifier in models.items():
        mine = [row for row in blank if row["model"] == name]
        assert sum(int(row["maps"]) for row in mine) == len(RECIPES) * SCANS * 4 * len(classifier.layers)
        changes = [row for row in moved if row["model"] == name]
        assert len(changes) == SCANS * len(classifier.layers) and {row["predicted"] for row in changes} == {"True"}
    rows = files.read_rows(tmp_path / "blank-by-confidence.csv")
    assert sum(int(row["maps"]) for row in rows) == sum(int(row["maps"]) for row in blank)


def test_from_python(models, phantoms: Path, tmp_path: Path) -> None:
    said = whyscan.layers({"net": models["test_resnet"]}, phantoms, tmp_path, scans=SCANS)
    written = ["blank-by-confidence.csv", "blank.csv", "contribution.csv", "layers.json", "layers.txt", "net.png"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == written
    assert sorted(Path(file).name for file in said["files"]) == written
    assert files.read_json(tmp_path / "layers.json") == said
    assert (tmp_path / "layers.txt").read_text().splitlines() == said["text"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "list as the models"),
        ({}, "no model"),
        ({"../out": "m"}, r"the model name '\.\./out'"),
        ({"": "m"}, "the model name ''"),
        ({"..": "m"}, r"the model name '\.\.'"),
        ({"net": nn.Conv2d(3, 1, 1)}, "Conv2d as the model net"),
    ],
)
def test_models_that_are_none(given: object, words: str, phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words):
        whyscan.layers(given, phantoms, tmp_path / "out")
    assert not (tmp_path / "out" / "layers.json").exists()


def test_bad_input(models, catalogue: Catalogue, phantoms: Path, tmp_path: Path) -> None:
    for scans in (0, 2.5, "4"):
        with pytest.raises(BadInput, match="scans"):
            layers.look(models, catalogue, scans=scans)
    with pytest.raises(BadInput, match="seed"):
        whyscan.layers(models, phantoms, tmp_path, seed=-1)
    few = Catalogue(catalogue.root, catalogue.classes, tuple(entry for entry in catalogue.entries[::6]))
    with pytest.raises(BadInput, match=r"6 scans to explain and [0-7] others"):
        layers.look(models, few, scans=SCANS)
    blind = black_box(lambda pixels: np.full((len(pixels), 4), 0.25), catalogue.classes, input_size=64)
    with pytest.raises(BadModel, match="black box"):
        layers.look({"blind": blind}, catalogue, scans=SCANS)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="could not be written"):
        whyscan.layers({"net": models["test_resnet"]}, phantoms, tmp_path / "file")
