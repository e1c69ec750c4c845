"""Trust metrics by whyscan and by quantus, in turns: `python benchmarks/trust_quantus.py MODEL SCANS`. Prints tables.

The same maps, network and metrics with the same number of perturbed scans or of explanations, both with the allocator
kept from giving memory back. quantus is given all maps of a method at once, which is how it is fastest, and our own
explanations where a metric explains again: so what differs is how a metric asks the model and what it does around it.
Robustness and randomisation are asked on fewer scans. Everything is timed twice: as a trust run does it, perturbed
scans judged by the fastest engine that answers as float32 does, and with float32 on both sides. quantus's network is
float32 as its users have it; the explanations that it is given are made as ours are. What an engine takes to be made,
once for a network, stands above the table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from markdown_table import markdown
from torch import Tensor, nn

import whyscan
from whyscan.data.read import read_scan, scan_files
from whyscan.data.scan import Scan
from whyscan.explain.explain import configure
from whyscan.explain.methods import Explainer, find_method, settings_table
from whyscan.models.classifier import Classifier
from whyscan.models.compiled import Engine, Judge
from whyscan.models.process import keep_allocations
from whyscan.records.attribution import Attribution
from whyscan.trust import faithfulness, localisation, names, randomised, ranking, sanity, stability
from whyscan.trust.case import Case, Metric
from whyscan.trust.metrics import METRICS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import quantus

METHODS = ("gradcam", "saliency", "integrated_gradients", "guided_backprop", "occlusion")
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Family:
    """Metrics asked together, ours by name beside quantus's with their settings on a map of so many pixels."""

    name: str
    ours: Mapping[str, Metric]
    theirs: Callable[[int], Settings]
    deep: bool = False


STEPS, SUBSETS = faithfulness.REMOVAL.steps, faithfulness.SUBSETS
FAITHFUL = (
    names.DELETION, names.ROAD, "aopc", "monotonicity", "faithfulness correlation", "sensitivity-n", "infidelity"
)  # fmt: skip
PLACED = ("pointing game", "relevance mass", "relevance rank", "auc")
COMPLEX = (names.GINI, names.ENTROPY, "effective size")


def _faithful(pixels: int) -> Settings:
    """As many perturbed scans as ours asks for, or fewer."""
    patch = round(pixels**0.5 / 7)
    return {
        "PixelFlipping": {"features_in_step": _step(pixels, STEPS)},
        "ROAD": {"percentages": list(range(10, 100, 10))},
        "RegionPerturbation": {"regions_evaluation": STEPS, "patch_size": patch},
        "Monotonicity": {"features_in_step": _step(pixels, STEPS)},
        "FaithfulnessCorrelation": {"nr_runs": SUBSETS, "subset_size": pixels // 3},
        "SensitivityN": {"features_in_step": _step(pixels, SUBSETS), "n_max_percentage": 1.0},
        "Infidelity": {"n_perturb_samples": 1, "perturb_patch_sizes": [patch]},  # each sample asks for all 49 patches
    }


def _step(pixels: int, steps: int) -> int:
    """quantus wants a step that divides the pixels: the next larger one, so that it has no more steps than ours."""
    return next(size for size in range(-(-pixels // steps), pixels + 1) if pixels % size == 0)


def _sturdy(_: int) -> Settings:
    return {
        "MaxSensitivity": {"nr_samples": stability.COPIES, "lower_bound": stability.RADIUS},
        "LocalLipschitzEstimate": {"nr_samples": stability.COPIES, "perturb_std": stability.RADIUS / 3**0.5},
    }


def _plain(*theirs: str) -> Callable[[int], Settings]:
    return lambda _: {name: {} for name in theirs}


FAMILIES = (
    Family("faithfulness", {name: METRICS[name].function for name in FAITHFUL}, _faithful),
    Family(
        "localisation",
        {name: localisation.METRICS[name] for name in PLACED},
        _plain("PointingGame", "RelevanceMassAccuracy", "RelevanceRankAccuracy", "AUC"),
    ),
    Family(
        "complexity",
        {name: METRICS[name].function for name in COMPLEX},
        _plain("Sparseness", "Complexity", "EffectiveComplexity"),
    ),
    Family(
        "robustness",
        {name: stability.METRICS[name] for name in (names.SENSITIVITY, "local lipschitz")},
        _sturdy,
        deep=True,
    ),
    Family(
        "randomisation",
        {names.RANDOMISED: sanity.METRICS[names.RANDOMISED]},
        lambda _: {"MPRT": {"skip_layers": True, "layer_order": "bottom_up"}},
        deep=True,
    ),
)


class Grey(nn.Module):
    """The network for scans of one channel: quantus's ROAD breaks on three."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Tensor) -> Tensor:
        logits = self.network(grey.expand(-1, 3, -1, -1))
        assert isinstance(logits, Tensor)
        return logits


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("scans", type=Path, help="a folder of slices")
    parser.add_argument("--scans", dest="count", type=int, default=10)
    parser.add_argument("--deep", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engine", action="append", choices=get_args(Engine), help="by default both")
    asked = parser.parse_args(argv)
    keep_allocations()
    classifier = whyscan.load(asked.model)
    paths = scan_files(asked.scans)[: asked.count]
    scans = [_square(classifier, read_scan(path)) for path in paths]
    for engine in asked.engine or get_args(Engine):
        print(f"\n{engine}: {_engine(classifier, scans[0], engine)}\n")
        cases = [[_case(classifier, scan, method, engine) for scan in scans] for method in METHODS]
        rows = measured(cases, deep=asked.deep, repeats=asked.repeats)
        print(markdown(["family", "scans", "whyscan, s", "quantus, s", "times as fast"], rows), flush=True)


def _engine(classifier: Classifier, scan: Scan, engine: Engine) -> str:
    """Who answers for perturbed scans, and what it takes to make it, once for a network."""
    case = _case(classifier, scan, METHODS[0], engine)
    found: list[Judge] = []
    seconds = _timed(lambda: found.append(ranking.judge_of(case, faithfulness.REMOVAL.batch)))
    return f"{found[0].engine}, made in {seconds:.1f} s, deviation {found[0].deviation:.1g}"


def measured(cases: Sequence[Sequence[Case]], *, deep: int, repeats: int) -> list[list[str]]:
    """Rows of the table: medians, with the least and the most of the repeats."""
    rows = []
    totals: dict[str, list[float]] = {"whyscan": [0.0] * repeats, "quantus": [0.0] * repeats}
    for family in FAMILIES:
        own = [each[: deep if family.deep else None] for each in cases]
        times: dict[str, list[float]] = {"whyscan": [], "quantus": []}
        for _ in range(repeats):
            randomised.forget()  # a run draws its random models itself
            times["whyscan"].append(_timed(partial(ours, family, own)))
            times["quantus"].append(_timed(partial(theirs, family, own)))
            said = {name: round(found[-1], 2) for name, found in times.items()}
            print(family.name, said, file=sys.stderr, flush=True)
        rows.append([family.name, str(len(own[0])), *_cells(times)])
        for name, found in times.items():
            totals[name] = [a + b for a, b in zip(totals[name], found, strict=True)]
    return [*rows, ["all", "", *_cells(totals)]]


def _cells(times: Mapping[str, Sequence[float]]) -> list[str]:
    ratios = [b / a for a, b in zip(times["whyscan"], times["quantus"], strict=True)]
    return [*(_range(times[name], ".3g") for name in ("whyscan", "quantus")), _range(ratios, ".1f")]


def _range(found: Sequence[float], form: str) -> str:
    middle = f"{statistics.median(found):{form}}"
    return middle if len(found) == 1 else f"{middle} ({min(found):{form}} to {max(found):{form}})"


def ours(family: Family, cases: Sequence[Sequence[Case]]) -> None:
    """By scan, so that the methods share what is asked of it."""
    for of_scan in zip(*cases, strict=True):
        memories: dict[str, Any] = {}
        judges: dict[str, Any] = {}
        for case in of_scan:
            fresh = replace(case, memories=memories, judges=judges, explained={})
            for metric in family.ours.values():
                found = metric(fresh)
                assert found.status != "failed", found.reason


def theirs(family: Family, cases: Sequence[Sequence[Case]]) -> None:
    """By method, all scans at once."""
    for of_method in cases:
        classifier = of_method[0].classifier
        shape = of_method[0].prepared[0].shape[2:]
        pixels = np.concatenate([case.prepared[0][:, :1] for case in of_method])
        maps = np.stack([case.attribution.values[0] for case in of_method])[:, None].astype(np.float32)
        wanted = np.array([classifier.classes.index(case.target) for case in of_method])
        masks = np.stack([case.scan.region for case in of_method])[:, None]
        network = Grey(classifier.network).eval()

        def again(model: Any, inputs: np.ndarray, targets: np.ndarray, *, case: Case = of_method[0], **_: Any) -> Any:
            other = replace(case.classifier, network=model.network, hash="")
            return np.stack([_again(other, x, case, t) for x, t in zip(inputs, targets, strict=True)])

        for name, settings in family.theirs(shape[0] * shape[1]).items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                metric = getattr(quantus, name)(disable_warnings=True, display_progressbar=False, **settings)
                metric(
                    model=network, x_batch=pixels, y_batch=wanted, a_batch=maps, s_batch=masks, channel_first=True,
                    explain_func=again, softmax=True, device="cpu", batch_size=16,
                )  # fmt: skip


def _again(classifier: Classifier, inputs: np.ndarray, case: Case, target: int) -> np.ndarray:
    """One of our explanations of quantus's pixels."""
    scan = replace(case.scan, pixels=np.ascontiguousarray(inputs.clip(0, 1), np.float32), region=None)
    explainer = _explainer(case.attribution.method, case.engine)
    (found,) = explainer(classifier, [scan], classifier.classes[int(target)])
    return found.values[:1]


def _explainer(method: str, engine: Engine) -> Explainer:
    has = "engine" in settings_table(find_method(method).explainer())
    return configure({method: method}, {"engine": engine} if has else {})[method]


def _square(classifier: Classifier, scan: Scan) -> Scan:
    """At the model's own size, so that both sides judge the same pixels; a disc stands for the tumour."""
    pixels = classifier.prepare(scan)[0][0]
    rows, columns = np.indices(pixels.shape[1:]) / pixels.shape[1] - 0.6
    grey = np.ascontiguousarray(pixels[:1])
    return replace(scan, pixels=grey, region=rows**2 + columns**2 < 0.02)


def _case(classifier: Classifier, scan: Scan, method: str, engine: Engine) -> Case:
    explainer = _explainer(method, engine)
    (found,) = explainer(classifier, [scan], "predicted")

    def again(model: Classifier, others: Sequence[Scan], seed: int) -> Sequence[Attribution]:
        return explainer(model, others, found.targets[0], seed=seed)

    return Case(classifier, scan, found, found.targets[0], again, engine=engine)


def _timed(job: Callable[[], object]) -> float:
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
