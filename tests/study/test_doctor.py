"""What labelled scans say about a model: a planted scaling and a planted class order are found, nothing is made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whyscan
from whyscan.data.catalogue import Catalogue, open_catalogue
from whyscan.errors import BadInput
from whyscan.models.blackbox import black_box
from whyscan.models.load import load
from whyscan.study.checkup import FEWEST, check_up
from whyscan.study.doctor import diagnose, explainable
from whyscan.study.doctor_words import checkup_lines

BRIGHT, DARK = 0.53, 0.47


class Brightness(nn.Module):
    """Dark below 0, bright above: right only where 0 lies at half of full brightness."""

    def __init__(self, slope: float = 100.0) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 1, 1, bias=False)
        self.convolution.weight.data.fill_(slope / 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        z = self.convolution(images).mean((1, 2, 3))
        return torch.stack([z, -z], 1)  # "bright" comes first in the alphabet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brightness")
    random = np.random.default_rng(0)
    for name, level in (("bright", BRIGHT), ("dark", DARK)):
        (folder / name).mkdir()
        for number in range(16):
            image = np.clip(random.normal(level, 0.02, (24, 24)), 0, 1)
            Image.fromarray((255 * image).astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def catalogue(data: Path) -> Catalogue:
    return open_catalogue(data)


def opened(preprocess: str, classes: tuple[str, ...] = ("bright", "dark"), slope: float = 100.0):
    return load(Brightness(slope), classes=classes, input_size=24, preprocess=preprocess)


@pytest.mark.parametrize("used", ["/255", "imagenet", "x/127.5-1"])
def test_the_scaling_that_a_model_was_trained_with_is_found(used: str, catalogue: Catalogue) -> None:
    found = check_up(opened(used), catalogue)
    assert (found.verdict, found.fits) == ("trained with", ("x/127.5-1",))
    assert found.candidates[0].accuracy == 1.0
    assert ("--preprocess x/127.5-1" in found.sentence) == (used != "x/127.5-1")
    assert [each.used for each in found.candidates].count(True) == 1
    assert not found.order


def test_a_planted_class_order_is_found_and_named(catalogue: Catalogue) -> None:
    found = check_up(opened("x/127.5-1", classes=("dark", "bright")), catalogue)
    assert found.order == ("bright", "dark")
    assert "--classes bright,dark" in found.order_sentence
    assert found.verdict == "trained with"


def test_a_model_that_knows_nothing_cannot_tell(catalogue: Catalogue) -> None:
    found = check_up(opened("/255", slope=0.0), catalogue)
    assert found.verdict == "cannot tell" and not found.order
    assert "better than chance" in found.sentence


def test_too_few_scans_cannot_tell(catalogue: Catalogue) -> None:
    found = check_up(opened("x/127.5-1"), catalogue, scans=FEWEST - 2)
    assert found.verdict == "cannot tell" and str(FEWEST) in found.sentence


def test_the_same_seed_gives_the_same_answer(catalogue: Catalogue) -> None:
    assert check_up(opened("/255"), catalogue, seed=3) == check_up(opened("/255"), catalogue, seed=3)


def test_a_black_box_is_described_and_not_tried(catalogue: Catalogue) -> None:
    box = black_box(lambda pixels: np.full((len(pixels), 2), 0.5), ["bright", "dark"], 24)
    facts, methods, found, unchecked = diagnose(box, catalogue)
    assert found is None and "out of sight" in unchecked
    assert not methods["lime"] and methods["gradcam"] == "needs the network itself"
    assert explainable(facts) == methods


def test_no_scans_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(BadInput, match="scans = 0"):
        diagnose(opened("/255"), catalogue, scans=0)


def test_the_document_and_its_files(data: Path, tmp_path: Path) -> None:
    found = whyscan.doctor(opened("/255"), data, out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"doctor.json", "doctor.txt", "doctor.png"}
    assert found["checkup"]["verdict"] == "trained with"
    assert any("--preprocess x/127.5-1" in line for line in found["text"])
    with Image.open(tmp_path / "out" / "doctor.png") as picture:
        assert picture.width > 600


def test_the_table_says_what_was_used(catalogue: Catalogue) -> None:
    lines = checkup_lines(check_up(opened("/255"), catalogue))
    assert [line.split()[1] for line in lines if line.startswith("* ")] == ["/255"]
