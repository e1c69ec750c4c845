"""lime, captum and shap, called as they are, on a picture that has one pixel for each superpixel.

Whether a pixel is there says whether the superpixel is shown, so each package draws, weighs and fits exactly as it does
on a scan, and the scan itself is masked and judged elsewhere, the same for everybody.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from whyscan.explain.games.hierarchy import Merges, members

Judge = Callable[[np.ndarray], np.ndarray]
"""Coalitions (m, s) -> probabilities (m, t)."""

_KERNEL_WIDTH = 0.25  # lime_image's


@dataclass(frozen=True)
class Peer:
    """A package's estimator.

    Attributes:
        run: (judge, tree, evaluations, seed) -> (t, s).
        family: "lime", "shap" or "owen".
        estimand: what it estimates, by its name in the reference; "{n}" is the number of evaluations.
        random: whether a seed changes anything.
    """

    run: Callable[[Judge, Merges, int, int], np.ndarray]
    family: str
    estimand: str
    random: bool = True


def lime(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    from lime import lime_image

    lime_image.tqdm = lambda rows: rows  # its progress bar
    players, classes = len(tree) + 1, _classes(judge, tree)
    explainer = lime_image.LimeImageExplainer(_KERNEL_WIDTH, feature_selection="none", random_state=seed)
    found = explainer.explain_instance(
        np.ones((1, players, 3)), lambda images: judge(np.asarray(images)[:, 0, :, 0] > 0.5), labels=range(classes),
        top_labels=None, hide_color=0, num_features=players, num_samples=samples, batch_size=250,
        segmentation_fn=lambda _: np.arange(players)[None],
    )  # fmt: skip
    return np.array([[weight for _, weight in sorted(found.local_exp[target])] for target in range(classes)])


def captum_lime(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    """With lime's kernel and penalty in place of its own defaults, a lasso of 0.01 and a kernel four times as wide."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime
    from captum.attr._core.lime import get_exp_kernel_similarity_function

    def make(forward: Callable[[torch.Tensor], torch.Tensor]) -> Any:
        return Lime(forward, SkLearnRidge(alpha=1.0), get_exp_kernel_similarity_function("cosine", _KERNEL_WIDTH))

    return _captum(make, judge, tree, samples, seed)


def captum_kernel(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    from captum.attr import KernelShap

    return _captum(KernelShap, judge, tree, samples, seed)


def shap_kernel(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    """All superpixels in the regression, which is what Shapley values are."""
    return _kernel(judge, tree, samples, seed, l1_reg=False)


def shap_kernel_default(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    """As it comes: ten superpixels are chosen, the others get 0."""
    return _kernel(judge, tree, samples, seed)


def shap_partition(judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    """On our hierarchy of superpixels, split two branches at a time: better for it than its default of ten."""
    import shap

    players = len(tree) + 1

    class Masker(shap.maskers.Masker):  # type: ignore[misc]
        shape = (1, players)
        clustering = np.c_[tree, np.ones(len(tree)), members(tree)[players:].sum(1)].astype(float)

        def __call__(self, mask: np.ndarray, _row: np.ndarray) -> tuple[np.ndarray]:
            return (mask[None].astype(float),)

        def mask_shapes(self, _row: np.ndarray) -> list[tuple[int]]:
            return [(players,)]

    with _seeded(seed):
        explainer = shap.explainers.Partition(lambda rows: judge(rows > 0.5), Masker())
        found = explainer(np.ones((1, players)), max_evals=samples, silent=True, batch_size=2)
    return np.asarray(found.values[0].T)


PEERS = {
    "lime": Peer(lime, "lime", "lime of {n}"),
    "captum Lime": Peer(captum_lime, "lime", "captum of {n}"),
    "shap Kernel": Peer(shap_kernel, "shap", "shap"),
    "shap Kernel as it comes": Peer(shap_kernel_default, "shap", "shap"),
    "captum KernelShap": Peer(captum_kernel, "shap", "shap"),
    "shap Partition": Peer(shap_partition, "owen", "owen", random=False),
}


def _captum(make: Callable[[Any], Any], judge: Judge, tree: Merges, samples: int, seed: int) -> np.ndarray:
    """One call a class, with the same seed and so the same coalitions."""
    explainer = make(lambda x: torch.from_numpy(judge(x.numpy() > 0.5)))
    found = []
    for target in range(_classes(judge, tree)):
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            picture = torch.ones(1, len(tree) + 1)
            found.append(explainer.attribute(picture, target=target, n_samples=samples, perturbations_per_eval=250))
    return torch.cat(found).double().numpy()


def _kernel(judge: Judge, tree: Merges, samples: int, seed: int, **options: Any) -> np.ndarray:
    import shap

    players = len(tree) + 1
    with _seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.KernelExplainer(lambda rows: judge(rows > 0.5), np.zeros((1, players)))
        # everybody and nobody are judged beside these
        found = explainer.shap_values(np.ones((1, players)), nsamples=samples - 2, silent=True, **options)
    return np.asarray(found)[0].T


def _classes(judge: Judge, tree: Merges) -> int:
    return int(judge(np.ones((1, len(tree) + 1), bool)).shape[1])


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """shap draws from numpy's global generator."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
