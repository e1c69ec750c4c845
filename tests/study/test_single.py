"""Single scans: a bad one is named and the batch goes on; a label must be one the model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from whyscan.errors import BadInput, BadModel, BadRun, BadTarget
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.methods import METHODS
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier, Layer
from whyscan.records.attribution import Attribution, load_all
from whyscan.study import single
from whyscan.study.single import explain_files

CLASSES = ("glioma_tumor", "meningioma_tumor", "no_tumor")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "net"
    checkpoint.save(build("test_resnet", "none", CLASSES, input_size=64), folder)
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(folder / "a-blank.png")
    Image.fromarray(noise).save(folder / "b-noise.png")
    (folder / "c-broken.png").write_bytes(b"nothing")
    return folder


def test_what_cannot_serve_is_said_where_all_layers_are_asked_for(scans: Path, tmp_path: Path) -> None:
    classifier = build("test_efficientnet", "none", CLASSES, input_size=64)
    checkpoint.save(classifier, tmp_path / "net")

    def said(methods: list[str], layers: str | list[str]) -> dict[str, str]:
        given = tmp_path / "net", [scans / "b-noise.png"], tmp_path / "out", methods
        return explain_files(*given, layers=layers, targets="predicted", draw=False)["unserving"]

    assert "blocks.3.0.se.conv_reduce" in said(["gradcam"], "all")
    assert said(["gradcam"], ["all"]) == said(["gradcam"], "all")
    assert said(["gradcam"], "last") == {}


def test_a_blank_scan_does_not_end_the_batch(model: Path, scans: Path, tmp_path: Path) -> None:
    found = explain_files(model, [scans], tmp_path / "out", ["lime"], options={"samples": 50})
    assert [each["source"] for each in found["failed"]] == ["a-blank.png", "c-broken.png"]
    assert [each["source"] for each in found["scans"]] == ["b-noise.png"]


def test_pictures_are_drawn_unless_they_are_not_wanted(model: Path, scans: Path, tmp_path: Path) -> None:
    for draw, endings in ((True, [".npz", ".png"]), (False, [".npz"])):
        found = explain_files(model, [scans / "b-noise.png"], tmp_path / str(draw), ["gradcam"], draw=draw)
        assert [Path(file).suffix for file in found["scans"][0]["files"]] == endings
        assert sorted(file.suffix for file in (tmp_path / str(draw)).iterdir()) == endings


def test_a_method_that_fails_fails_alone(model: Path, scans: Path, tmp_path: Path) -> None:
    """A blank scan has nothing to hide, so LIME and SHAP refuse it; a CNN has no attention to roll out."""
    methods = ["lime", "attention_rollout", "gradcam", "saliency", "shap"]
    found = explain_files(model, [scans], tmp_path / "out", methods, options={"samples": 50})
    assert {each["source"]: [Path(file).name for file in each["files"]] for each in found["scans"]} == {
        f"{name}.png": [f"{name}.{method}.{kind}" for method in worked for kind in ("npz", "png")]
        for name, worked in {
            "a-blank": ["gradcam", "saliency"],
            "b-noise": ["lime", "gradcam", "saliency", "shap"],
        }.items()
    }
    assert all(Path(file).is_file() for each in found["scans"] for file in each["files"])
    why = [(each["source"], each["methods"], each["error"].partition(".")[0]) for each in found["failed"]]
    assert [(source, names) for source, names, _ in why] == [
        ("a-blank.png", ["lime", "shap"]),
        ("a-blank.png", ["attention_rollout"]),
        ("b-noise.png", ["attention_rollout"]),
        ("c-broken.png", methods),
    ]
    assert ["hiding" in words for *_, words in why] == [True, False, False, False]
    alone = explain_files(model, [scans / "b-noise.png"], tmp_path / "pair", ["lime", "shap"], options={"samples": 50})
    for method in ("lime", "shap"):  # which share their evaluations, whatever else failed
        one, two = (Attribution.load(tmp_path / folder / f"b-noise.{method}.npz") for folder in ("out", "pair"))
        assert one.digest() == two.digest()
    assert not alone["failed"]


def test_a_consensus_is_of_all_methods_or_none(model: Path, scans: Path, tmp_path: Path) -> None:
    methods = ["gradcam", "saliency", "lime"]
    found = explain_files(model, [scans / "a-blank.png"], tmp_path, methods, options={"samples": 50}, agree=True)
    assert [each["methods"] for each in found["failed"]] == [["lime"], ["consensus", "agreement"]]
    assert "no map by lime" in found["failed"][1]["error"]
    assert sorted({path.name.split(".")[1] for path in tmp_path.glob("a-blank.*")}) == ["gradcam", "saliency"]


def test_no_scan_takes_the_name_of_another(model: Path, tmp_path: Path) -> None:
    """Also where a file is called as whyscan would call the second of two: a, a, a~2."""
    rng = np.random.default_rng(0)
    for folder, name in (("one", "a"), ("two", "a"), ("three", "a~2")):
        (tmp_path / folder).mkdir()
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / folder / f"{name}.png")
    given = [tmp_path / folder for folder in ("one", "two", "three")]
    found = explain_files(model, given, tmp_path / "out", ["gradcam"])
    written = [file for each in found["scans"] for file in each["files"]]
    assert len(set(written)) == len(written) == len(list((tmp_path / "out").iterdir()))


def test_a_label_is_one_of_the_classes(model: Path, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="label 'banana' is not known"):
        explain_files(model, [scans], tmp_path / "out", ["gradcam"], label="banana")
    assert not (tmp_path / "out").exists()
    explain_files(model, [scans / "b-noise.png"], tmp_path / "out", ["gradcam"], label="men", targets="true")
    saved = Attribution.load(tmp_path / "out" / "b-noise.gradcam.npz")
    assert (saved.label, saved.targets) == ("meningioma_tumor", ("meningioma_tumor",))


@pytest.mark.parametrize(
    "methods",
    [
        ["layercam", "lime", "shap", "saliency"],
        pytest.param([name for name in METHODS if name != "attention_rollout"], marks=pytest.mark.slow),
    ],
)
def test_many_methods_every_layer_and_target_and_what_they_agree_on(
    methods: list[str], model: Path, scans: Path, tmp_path: Path
) -> None:
    options = {"samples": 24, "superpixels": Superpixels("grid", 9), "engine": "float32"}
    scan, out = scans / "b-noise.png", tmp_path / "out"
    found = explain_files(
        model, [scan], out, methods, layers="all", options=options, agree=True, label="no_tumor", targets="all"
    )
    assert not found["failed"]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"b-noise.{name}.{kind}" for name in [*methods, "consensus", "agreement"] for kind in ("npz", "png")
    )
    layers = [each.layer for each in load_all(out / "b-noise.layercam.npz")]
    assert layers == [layer.name for layer in checkpoint.load(model).layers]
    together = Attribution.load(out / "b-noise.consensus.npz")
    assert len(together.settings["methods"]) == len(methods)
    assert together.targets == CLASSES
    agreement = Attribution.load(out / "b-noise.agreement.npz")
    assert agreement.quantity == "share of methods that agree" and not agreement.signed
    assert agreement.weights.min() >= 0 and agreement.weights.max() <= 1 and np.ptp(agreement.weights) > 0
    np.testing.assert_allclose(agreement.weights.mean(), agreement.values.mean(), atol=0.2)
    assert agreement.segments.shape == together.segments.shape


def test_options_that_no_method_has_are_refused_before_any_work(model: Path, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="steps for gradcam"):
        explain_files(model, [scans], tmp_path / "out", ["gradcam"], options={"steps": 64})
    with pytest.raises(BadInput, match="two methods or more"):
        explain_files(model, [scans], tmp_path / "out", ["gradcam"], agree=True)
    assert not (tmp_path / "out").exists()


def test_the_notebook_recipe_and_auto(model: Path, scans: Path, tmp_path: Path) -> None:
    options = {"recipe": "softmax-guided", "samples": "auto", "superpixels": Superpixels("grid", 9)}
    explain_files(model, [scans / "b-noise.png"], tmp_path, ["gradcam", "shap"], options=options)
    assert Attribution.load(tmp_path / "b-noise.gradcam.npz").settings["recipe"] == "softmax-guided"
    shap = Attribution.load(tmp_path / "b-noise.shap.npz")
    assert shap.settings["samples"] == "auto"
    assert shap.converged is not None


class Picky(nn.Module):
    """A network that answers NaN to bright scans, and counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)
        self.batches: list[int] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(pixels))
        logits = self.head(self.features(pixels).mean((2, 3)))
        return torch.where(pixels.mean((1, 2, 3))[:, None] > 0.9, torch.nan, logits)


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> Picky:
    network = Picky().eval()
    classifier = Classifier("picky", ("a", "b"), (16, 16), network, (Layer("features", "features"),))
    monkeypatch.setattr(single, "load", lambda *_, **__: classifier)
    return network


def grey_scans(folder: Path, *levels: int) -> Path:
    folder.mkdir()
    for i, level in enumerate(levels):
        noise = np.random.default_rng(i).integers(0, 20, (16, 16))
        Image.fromarray((level + noise).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def test_scans_are_looked_at_together_and_progress_comes_from_inside_a_scan(picky: Picky, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = grey_scans(tmp_path / "scans", *range(20, 120, 10))
    found = explain_files("m", [folder], tmp_path / "out", ["gradcam"], progress=lambda *event: seen.append(event))
    assert len(found["scans"]) == 10 and not found["failed"]
    assert picky.batches == [8, 2]
    assert [event for event in seen if event[0] == "explaining"] == [("explaining", i, 10) for i in range(11)]
    explain_files(
        "m", [folder / "0.png"], tmp_path / "one", ["lime"], options={"samples": 20, "engine": "float32"},
        progress=lambda *event: seen.append(event),
    )  # fmt: skip
    assert [event for event in seen if event[0] == "perturbed scans"]


@pytest.mark.parametrize("methods", [["gradcam"], ["saliency"], ["gradcam", "lime"]])
def test_a_scan_that_the_model_has_no_answer_to_fails_alone(methods, picky: Picky, tmp_path: Path) -> None:
    folder = grey_scans(tmp_path / "scans", 20, 235, 60)
    found = explain_files("m", [folder], tmp_path / "out", methods)
    assert {each["source"] for each in found["failed"]} == {"1.png"}
    assert [name for each in found["failed"] for name in each["methods"]] == methods
    assert [each["source"] for each in found["scans"]] == ["0.png", "2.png"]
    with pytest.raises(BadModel, match=r"finite|NaN"):
        explain_files("m", [grey_scans(tmp_path / "bright", 235, 232)], tmp_path / "out", methods)


def test_layers_for_methods_that_have_none_are_refused(model: Path, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"layers for lime.*gradcam"):
        explain_files(model, [scans], tmp_path / "out", ["lime"], layers="all")
    assert not (tmp_path / "out").exists()
    explain_files(model, [scans / "b-noise.png"], tmp_path / "out", ["gradcam", "saliency"], layers="last")


def test_a_folder_that_is_a_file_is_refused_before_any_work(
    model: Path, scans: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(single, "Job", None)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadRun, match="out is a file"):
        explain_files(model, [scans], tmp_path / "out", ["gradcam"])
    with pytest.raises(BadInput, match="seed -1"):
        explain_files(model, [scans], tmp_path / "new", ["gradcam"], seed=-1)
