"""Faithfulness against quantus, captum and pytorch-grad-cam where they are right, and by hand where they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as their_infidelity
from peers import ask, quantus
from pytorch_grad_cam.metrics.perturbation_confidence import RemoveMostRelevantFirst
from torch import nn

from whyscan.data.scan import Scan
from whyscan.explain.explain import explain
from whyscan.explain.games.fills import hidden
from whyscan.explain.games.segments import head as find_tissue
from whyscan.models.load import load
from whyscan.trust import faithfulness as faith
from whyscan.trust import impute as imputing
from whyscan.trust import ranking
from whyscan.trust.case import Case
from whyscan.trust.impute import impute

SIDE = 20  # 400 pixels: 20 in each of 20 steps


class Net(nn.Module):
    """Two classes, so that a probability above one half is a class that is kept; places differ, so hiding moves it."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("weights", torch.randn(4, side, side) / side)

    def forward(self, images):
        z = 6 * ((2 * self.first(images - 0.5)).tanh() * self.weights).sum((1, 2, 3))
        return torch.stack([z, -z], 1)


def made(side: int = SIDE, seed: int = 0) -> Case:
    """A case on the model's own grid, whose map has no ties."""
    torch.manual_seed(seed)
    model = load(Net(side), classes=["a", "b"], input_size=side, preprocess="/255")
    rng = np.random.default_rng(seed)
    scan = Scan(rng.random((1, side, side), np.float32), content=f"{seed:064d}", source="s.png", label="a")
    told = explain(model, scan, "saliency", "predicted")
    case = Case(model, scan, told, told.targets[0], lambda _, scans, __: [told] * len(scans), engine="float32")
    values = rng.permutation(side * side).reshape(side, side) / 100 - 1.5
    return drawn(case, values)


def drawn(case: Case, values: np.ndarray) -> Case:
    told = replace(case.attribution, maps=values[None].astype(np.float32))
    return replace(case, attribution=told, memories={})


def tissue(case: Case) -> float:
    """What is seen in the place of hidden pixels."""
    pixels = case.prepared[0][0]
    return float(pixels[:, find_tissue(pixels)].mean())


def theirs(metric: str, case: Case, **settings: Any) -> Any:
    pixels = case.prepared[0][0, 0]
    at = case.classifier.classes.index(case.target)
    return ask(metric, case.classifier.network, settings.pop("pixels", pixels), at, case.values, **settings)


@pytest.mark.parametrize("seed", range(3))
def test_deletion_is_pixel_flipping(seed: int) -> None:
    case = made(seed=seed)
    found = theirs("PixelFlipping", case, features_in_step=SIDE, perturb_baseline=tissue(case))
    curve = faith.removed(case, faith.REMOVAL)
    assert curve[1:] == pytest.approx(found, abs=1e-5)  # quantus leaves the unchanged scan out of its curve
    assert np.ptp(curve) > 0.01
    by_hand = float(np.trapezoid(curve, dx=1 / faith.REMOVAL.steps))
    assert faith.deletion_auc(case).value == pytest.approx(by_hand, abs=1e-6)


def test_insertion_is_pixel_flipping_from_the_blurred_scan_to_the_scan() -> None:
    case = made()
    pixels = case.prepared[0][0]
    blurred = hidden(pixels, np.zeros(pixels.shape[1:], np.int32), "blur")[0]

    def show(arr: np.ndarray, indices: np.ndarray, **_: Any) -> np.ndarray:
        shown = arr.copy()
        shown[:, indices] = pixels[0].reshape(1, -1)[:, indices]
        return shown

    found = theirs("PixelFlipping", case, features_in_step=SIDE, pixels=blurred, perturb_func=show)
    curve = faith.inserted(case, faith.BLUR_REMOVAL)
    assert curve[1:] == pytest.approx(found, abs=1e-5)
    assert faith.insertion_auc(case).value == pytest.approx(float(np.trapezoid(curve, dx=1 / 20)), abs=1e-6)


def test_aopc_is_region_perturbation_where_the_map_is_made_of_its_regions() -> None:
    base = made()
    order = np.random.default_rng(3).permutation(16).reshape(4, 4)
    case = drawn(base, np.kron(order, np.ones((5, 5))))
    found = theirs(
        "RegionPerturbation", case, patch_size=5, regions_evaluation=16, perturb_baseline=tissue(case), order="morf"
    )
    ours = faith.removed(case, ranking.Removal(steps=16))
    assert ours[0] - ours[1:] == pytest.approx(np.ravel(found), abs=1e-5)
    by_paper = float(np.sum(found)) / 17  # equation 12 of Samek et al.: the mean over 0..L, the first fall being 0
    assert faith.aopc(case, ranking.Removal(steps=16)).value == pytest.approx(by_paper, abs=1e-6)


def test_road_without_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imputing, "NOISE", 0.0)
    shares = list(range(10, 100, 10))
    kept = []
    for seed in range(6):
        case = made(seed=seed)
        curve = faith.removed(case, faith.ROAD_REMOVAL)[1:-1]
        found = theirs("ROAD", case, percentages=shares, noise=0.0, perturb_func_kwargs={"noise": 0.0})
        said = [bool(found[share]) for share in shares] if isinstance(found, dict) else list(np.ravel(found))
        sure = np.abs(curve - 0.5) > 1e-3
        assert [bool(each) for each in (curve > 0.5)[sure]] == [bool(each) for each in np.asarray(said)[sure]]
        assert faith.road(case).value == pytest.approx(float(curve.mean()), abs=1e-6)
        kept += list(curve > 0.5)
    assert len(set(kept)) == 2  # both answers were there to be compared


def test_imputation_is_that_of_quantus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imputing, "NOISE", 0.0)
    rng = np.random.default_rng(0)
    pixels = rng.random((1, 15, 13)).astype(np.float32)
    gone = rng.random((15, 13)) < 0.4
    found = quantus.functions.perturb_func.noisy_linear_imputation(pixels, np.flatnonzero(gone), noise=0.0)
    assert impute(pixels, gone) == pytest.approx(found.reshape(pixels.shape), abs=2e-3)


def test_of_a_tied_map_road_removes_a_fifth_where_a_fifth_is_asked_for_and_a_peer_removes_everything() -> None:
    """A map of a Grad-CAM after ReLU: a few pixels above 0, all others tied at it."""
    case = made()
    values = np.zeros((SIDE, SIDE))
    values[:2, :2] = 1
    tied = drawn(case, values)
    removal = ranking.Removal(steps=5, fill="road")
    segments = ranking.bins(tied.values, np.ones((SIDE, SIDE), bool), 5, 0)
    assert (segments == 0).mean() == pytest.approx(0.2) and (segments[:2, :2] == 0).all()
    assert faith.removed(tied, removal).shape == (6,)

    def removed(_: torch.Tensor, kept: torch.Tensor) -> float:
        return float((kept == 0).float().mean())

    peer = RemoveMostRelevantFirst(percentile=80, imputer=removed)  # the strongest 20 %
    assert peer(torch.zeros(3, SIDE, SIDE), torch.from_numpy(values)) == 1


def test_quantus_monotonicity_shows_nothing_and_always_says_yes() -> None:
    """It replaces pixels of the baseline by the baseline. Here by hand: half of the steps lower the score."""
    case = made()

    def answer(asked: np.ndarray, **_: Any) -> np.ndarray:
        z = asked[:, 0].mean((1, 2)) - tissue(case)
        return np.stack([z, -z], 1)

    base = case.prepared[0][0, 0]
    model = case.classifier
    object.__setattr__(model, "logits", answer)
    try:
        # strongest: the darkest pixels, whose showing lowers class a; weakest, shown first: the brightest
        own = drawn(replace(case, target="a", attribution=replace(case.attribution, targets=("a",))), -base)
        steps = np.sort(base.ravel())[::-1].reshape(20, 20)
        rises = (steps.mean(1) >= tissue(case)).mean()
        assert faith.monotonicity(own).value == pytest.approx(rises, abs=0.051)
        assert 0.2 < rises < 0.8
    finally:
        object.__delattr__(model, "logits")
    assert bool(np.ravel(theirs("Monotonicity", drawn(case, 1 - base), features_in_step=SIDE))[0])


@pytest.fixture
def subsets(monkeypatch: pytest.MonkeyPatch):
    """A case of 14 x 14 pixels, each of which is a cell, and the pixels that each of our subsets hides."""
    case = made(side=faith.SIDE)
    asked: list[np.ndarray] = []
    real = faith.logits

    def spy(case: Case, segments: np.ndarray, shown: np.ndarray, how: ranking.Removal) -> np.ndarray:
        asked.append(shown)
        return real(case, segments, shown, how)

    with monkeypatch.context() as patch:
        patch.setattr(faith, "logits", spy)
        faith.infidelity(case)
    return case, [np.flatnonzero(~row) for row in asked[0][1:]]


def correlation(case: Case, chosen: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> float:
    """quantus's, over these subsets in the place of those that it would draw."""
    coming = iter(chosen)
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "choice", lambda *_, **__: next(coming))
        found = theirs(
            "FaithfulnessCorrelation", case, nr_runs=len(chosen), subset_size=len(chosen[0]), softmax=False,
            perturb_baseline=tissue(case), return_aggregate=False,
        )  # fmt: skip
    return float(np.ravel(found)[0])


def test_faithfulness_correlation_over_the_same_subsets(subsets, monkeypatch: pytest.MonkeyPatch) -> None:
    case, chosen = subsets
    middle = sorted({len(each) for each in chosen})[1]
    expected = correlation(case, [each for each in chosen if len(each) == middle], monkeypatch)
    assert faith.faithfulness_correlation(case).value == pytest.approx(expected, abs=1e-4)


def test_sensitivity_n_is_that_correlation_for_each_size(subsets, monkeypatch: pytest.MonkeyPatch) -> None:
    """quantus's own SensitivityN lays the weight of the last step beside the fall of all steps so far."""
    case, chosen = subsets
    by_size = [
        correlation(case, [each for each in chosen if len(each) == size], monkeypatch)
        for size in sorted({len(each) for each in chosen})
    ]
    assert len(by_size) == len(faith.SHARES)
    assert faith.sensitivity_n(case).value == pytest.approx(float(np.mean(by_size)), abs=1e-4)


def test_infidelity_is_captums_over_the_same_subsets(subsets) -> None:
    """captum's with `normalize`, which scales the map at best, as a share of the squared falls; for the better sign."""
    case, chosen = subsets
    pixels = torch.from_numpy(case.prepared[0].copy())
    masks = torch.zeros(len(chosen), 1, *pixels.shape[2:])
    for mask, own in zip(masks, chosen, strict=True):
        mask.view(-1)[own] = 1
    hiding = pixels * (1 - masks) + tissue(case) * masks
    at = case.classifier.classes.index(case.target)

    def perturb(_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # the map's weight is global, what a pixel adds and not that per unit of brightness: not multiplied
        return masks.expand(-1, 3, -1, -1) / 3, hiding

    with torch.no_grad():
        squared = their_infidelity(
            lambda each: case.classifier.network(each), perturb, pixels,
            torch.from_numpy(case.values)[None, None].expand(1, 3, -1, -1), target=at,
            n_perturb_samples=len(chosen), normalize=True,
        )  # fmt: skip
        falls = case.classifier.network(pixels)[:, at] - case.classifier.network(hiding)[:, at]
    either = (faith.infidelity(case).value, faith.infidelity(drawn(case, -case.values)).value)
    assert min(either) == pytest.approx(float(squared) / float((falls**2).mean()), abs=1e-4)
    assert 0 < min(either) < 1
    assert max(either) == 1  # captum's scale may turn a map round that points the wrong way


def test_infidelity_of_quantus_hides_patch_after_patch_and_never_shows_one_again() -> None:
    """So its later differences are of ever more patches, and a linear model's own contributions do not explain them."""
    side, calls = 8, []
    case = made(side=side)
    base = torch.from_numpy(case.prepared[0][0, 0])
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(side, side)).astype(np.float32))

    class Linear(nn.Module):
        def forward(self, images):
            calls.append(float((images[0, 0] != base).float().mean()))
            z = (images[:, 0] * weights).sum((1, 2))
            return torch.stack([z, -z], 1)

    ask(
        "Infidelity", Linear(), case.prepared[0][0, 0], 0, weights.numpy(), softmax=False, perturb_patch_sizes=[4],
        n_perturb_samples=1, perturb_baseline=2.0, return_aggregate=False,
    )  # fmt: skip
    assert calls[-4:] == pytest.approx([0.25, 0.5, 0.75, 1.0])
