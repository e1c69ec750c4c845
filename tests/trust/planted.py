"""Tables with planted answers: what a trust run would have written, had the truth been this."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from whyscan.trust.table import Row

BEST, WEAK = "strong", "frail"
LAYERS = ("conv1", "conv2", "conv3", "conv4")


def rows(
    n: int = 60,
    *,
    gap: float = 0.15,
    gap_when_right: float | None = None,
    wrong: float = 0.4,
    telling: float = 0.0,
    sane: float = 0.1,
    seed: int = 0,
) -> list[Row]:
    """Two models, two methods and a null on n scans.

    Args:
        gap: how much more of the best model's map lies in the tumour; of the scans that both get right it is
            `gap_when_right`, where that is given.
        wrong: the share of scans that the weak model gets wrong (the best: half of it).
        telling: how much less of a map lies in the tumour, and more on the border, where the prediction is wrong.
        sane: similarity with the map of a random model.
    """
    return list(_rows(n, gap, gap if gap_when_right is None else gap_when_right, wrong, telling, sane, seed))


def _rows(n, gap, gap_right, wrong, telling, sane, seed) -> Iterator[Row]:
    rng = np.random.default_rng(seed)
    for i in range(n):
        miss = {BEST: rng.uniform() < wrong / 2, WEAK: rng.uniform() < wrong}
        level = rng.uniform(0.2, 0.4)
        for model in (BEST, WEAK):
            label = "glioma"
            predicted = "none" if miss[model] else label
            more = 0.0 if model == WEAK else (gap if any(miss.values()) else gap_right)
            shift = telling if miss[model] else 0.0

            known = (f"s{i}", f"c{i}", f"g{i}", label, predicted, float(rng.uniform(0.5, 1)), label)
            row = partial(_row, model, known)
            for method in ("gradcam", "lime"):
                noise = rng.normal(0, 0.03, 8)
                yield row(method, "energy in lesion", level + more - shift + noise[0])
                yield row(method, "energy in lesion chance", 0.05)
                yield row(method, "auc", 0.7 + more - shift + noise[1])
                yield row(method, "tissue: border", 0.1 + shift + noise[2])
                yield row(method, "tissue: background", 0.05 + noise[3] / 3)
                yield row(method, "sensitivity-n", 0.4 + noise[4])
                yield row(method, "seed agreement", 0.95)
                yield row(method, "flip consistency", 0.8 + noise[5])
                yield row(method, "turn consistency", 0.8 + noise[5])
                yield row(method, "randomisation similarity", sane + noise[6])
                yield row(method, "gini", 0.6 + noise[7])
                yield row(method, "blank", 0.0)
                yield row(method, "constant", 0.0)
                yield row(method, "seconds", 0.4)
            for null, energy, follows in (("null: random", 0.05, 0.0), ("null: centre", 0.12, 0.1)):
                yield row(null, "energy in lesion", energy + rng.normal(0, 0.01))
                yield row(null, "auc", 0.55 + rng.normal(0, 0.01))
                yield row(null, "sensitivity-n", follows + rng.normal(0, 0.03))


def _row(model, known, method, metric, value):
    return Row(model, method, "", *known, metric, "image", float(value))


def layered(n: int = 40, *, rise: float = 0.1, blank_first: bool = True, seed: int = 1) -> list[Row]:
    """Grad-CAM of four layers, whose energy in the tumour rises by `rise` a layer. The first is blank."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        for model in (BEST, WEAK):
            for depth, layer in enumerate(LAYERS):
                head = (model, "gradcam-layers", layer, f"s{i}", f"c{i}", f"g{i}", "glioma", "glioma", 0.9, "glioma")
                blank = blank_first and depth == 0 and i % 2 == 0
                found.append(Row(*head, "blank", "image", float(blank), reason="negative everywhere" if blank else ""))
                energy = None if blank else 0.1 + rise * depth * (model == BEST) + rng.normal(0, 0.03)
                status = "skipped" if blank else "measured"
                found.append(Row(*head, "energy in lesion", "image", energy, status, "blank" if blank else ""))
    return found


def flips(n: int = 40, *, lost: float = 0.3, seeds: float = 0.05, seed: int = 2) -> list[dict]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        for kind, a, b, level in (("models", BEST, WEAK, lost), ("seeds", "seed 0", "seed 1", seeds)):
            share = float(np.clip(level + rng.normal(0, 0.02), 0, 1))
            found.append({"kind": kind, "method": "lime", "a": a, "b": b, "content": f"c{i}", "group": f"g{i}",
                          "lost": share, "gained": share / 2, "clear": 0.6, "correlation": 0.2,
                          "places": {"tumour": share, "brain": share / 2}})  # fmt: skip
    return found


def agreements(n: int = 60, *, level: float = 0.7, truth: float = 0.0, seed: int = 3) -> list[dict]:
    """Agreement is lower by `truth` where the prediction is wrong."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        wrong = i % 3 == 0
        mean = level - truth * wrong + rng.normal(0, 0.05)
        found.append({"model": BEST, "content": f"c{i}", "group": f"g{i}", "label": "glioma",
                      "predicted": "none" if wrong else "glioma", "mean": mean, "pairs": [("gradcam", "lime", mean)],
                      "places": {"tumour": 0.8 + rng.normal(0, 0.02), "brain": 0.6 + rng.normal(0, 0.02)}})  # fmt: skip
    return found


def edits(n: int = 60, *, changed: float = 0.5, seed: int = 4) -> list[dict]:
    """Taking the border away changes so many predictions of the best model; the background none."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        for edit, level in (("border", changed), ("background", 0.0), ("tumour", 0.8)):
            after = "none" if rng.uniform() < level else "glioma"
            found.append({"model": BEST, "edit": edit, "content": f"c{i}", "group": f"g{i}", "label": "glioma",
                          "predicted": "glioma", "after": after, "probability": 0.9,
                          "probability_after": 0.2 if after == "none" else 0.88})  # fmt: skip
    return found
