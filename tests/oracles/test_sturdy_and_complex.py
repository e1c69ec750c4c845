"""Robustness, sanity and complexity against captum and quantus, over the same copies and maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toys
from captum.metrics import sensitivity_max
from peers import quantus

from whyscan.trust import complexity, sanity, stability


@pytest.mark.parametrize("method", ["saliency", "gradcam", "input_x_gradient"])
def test_max_sensitivity_is_captums_over_the_same_copies(method: str) -> None:
    case = toys.case(method)
    copies = list(stability.noisy_copies(case).values())
    of = {each.content: each for each in (case.scan, *copies)}
    stacked = torch.from_numpy(np.stack([each.pixels for each in copies]))
    told = {
        each.pixels.tobytes(): stability_map(case, each) for each in of.values()
    }  # captum knows scans by their pixels only

    def explain(pixels: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        stacked = pixels[0] if isinstance(pixels, tuple) else pixels
        return (torch.from_numpy(np.stack([told[each.numpy().tobytes()] for each in stacked])),)

    found = sensitivity_max(
        explain, torch.from_numpy(case.scan.pixels)[None], perturb_func=lambda _: stacked,
        n_perturb_samples=len(copies), norm_ord="fro",
    )  # fmt: skip
    assert stability.max_sensitivity(case).value == pytest.approx(float(found), rel=1e-4)


def stability_map(case, scan) -> np.ndarray:
    (made,) = case.again(case.classifier, [scan], case.seed)
    return np.asarray(made.values[:1], np.float32)


def test_local_lipschitz_is_quantus_over_the_same_copies() -> None:
    case = toys.case("saliency")
    functions = quantus.functions.similarity_func
    found = [
        functions.lipschitz_constant(
            a=case.values.ravel()[None], b=values.ravel()[None], c=case.scan.pixels.ravel()[None],
            d=copy.pixels.ravel()[None], norm_numerator=functions.distance_euclidean,
            norm_denominator=functions.distance_euclidean,
        )
        for values, copy in zip(stability.noisy_maps(case), stability.noisy_copies(case).values(), strict=True)
    ]  # fmt: skip
    assert stability.local_lipschitz(case).value == pytest.approx(float(np.max(found)), rel=1e-4)


def test_randomisation_similarity_is_quantus_spearman_of_the_two_maps() -> None:
    case = toys.case("input_x_gradient")
    found = sanity.randomisation_similarity(case).value
    other = case.explained["random 1"]
    spearman = quantus.functions.similarity_func.correlation_spearman
    assert found == pytest.approx(
        float(spearman(np.abs(case.values).ravel(), np.abs(other.values[0]).ravel())), abs=1e-5
    )


def test_smooth_randomisation_is_spearman_of_the_mean_maps() -> None:
    case = toys.case("input_x_gradient")
    found = sanity.smooth_similarity(case).value
    before, after = (
        np.mean([case.explained[f"{which}noisy {i}"].values[0] for i in range(stability.COPIES)], axis=0)
        for which in ("", "random 1 ")
    )
    spearman = quantus.functions.similarity_func.correlation_spearman
    assert found == pytest.approx(float(spearman(np.abs(before).ravel(), np.abs(after).ravel())), abs=1e-5)


def batch(metric: str, values: np.ndarray, **settings) -> float:
    made = getattr(quantus, metric)(disable_warnings=True, display_progressbar=False, **settings)
    return float(made.evaluate_batch(x_batch=values[None, None], a_batch=np.abs(values)[None, None].astype(float))[0])


def test_complexity_is_quantus_of_the_absolute_map() -> None:
    case = toys.case("input_x_gradient")
    count = case.values.size
    large = 1e4 * case.values  # quantus adds 1e-7 to every pixel
    assert complexity.gini(case).value == pytest.approx(batch("Sparseness", large), abs=1e-5)
    # ours is a share of the largest there could be, the entropy of an even map
    assert complexity.entropy(case).value * np.log(count) == pytest.approx(batch("Complexity", case.values), abs=1e-4)


def test_quantus_effective_complexity_depends_on_the_maps_scale_and_the_effective_size_does_not() -> None:
    """It counts pixels above a fixed value. By hand: of the weight of 1..10, 90 % is held by 7, 10 + ... + 4."""
    values = np.zeros((5, 20))
    values.ravel()[:10] = np.arange(1, 11)
    found = {scale: batch("EffectiveComplexity", scale * values, eps=1e-5) for scale in (1.0, 1e-7)}
    assert found == {1.0: 10, 1e-7: 0}
    case = toys.case("input_x_gradient")
    for scale in (1.0, 1e-7):
        object.__setattr__(case, "values", (scale * values).astype(np.float32))
        held = np.cumsum(np.sort(values.ravel())[::-1]) / values.sum()
        assert complexity.effective_size(case).value == pytest.approx((1 + np.searchsorted(held, 0.9)) / 100)
