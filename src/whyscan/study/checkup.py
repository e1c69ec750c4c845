"""Checkup: which scaling of the pixels, and which order of the outputs, labelled scans fit best.

Every usual scaling is tried. The losses are laid side by side, scan by scan, and the verdict may be "cannot tell".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.optimize import linear_sum_assignment

from whyscan.data.catalogue import Catalogue, Entry, in_turn, shuffled
from whyscan.data.read import read_entry
from whyscan.errors import BadScan
from whyscan.models.candidates import candidates, logits_as_if
from whyscan.models.classifier import Classifier, Pixels
from whyscan.models.doctor import normalisation_of
from whyscan.models.preprocess import name_of
from whyscan.progress import Progress, quiet
from whyscan.stats.intervals import percentile, resample_mean, wilson

SCANS = 100
"""How many labelled scans are tried."""
GAIN = 0.15
"""An order of the classes must be right on so many more of the scans before it is spoken of."""
FEWEST = 20
"""Fewer scans than this cannot tell."""

Word = Literal["trained with", "consistent with", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One scaling of the pixels, tried.

    Attributes:
        name: of the scaling.
        used: whether the model was opened with it.
        accuracy, accuracy_low, accuracy_high: share of the scans that it gets right, and Wilson's interval.
        loss, loss_low, loss_high: mean of -log p(true class), in nats, and its bootstrap interval.
        worse, worse_low, worse_high: how much larger its loss is than the best one's, on the same scans.
    """

    name: str
    used: bool
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    loss: float
    loss_low: float
    loss_high: float
    worse: float
    worse_low: float
    worse_high: float


@dataclass(frozen=True, slots=True)
class Checkup:
    """What labelled scans say about a model's scaling and class order.

    Attributes:
        scans: how many were tried.
        candidates: the best first.
        verdict, sentence: what may be concluded.
        fits: the names of the scalings that the scans do not tell apart.
        order: the data's class that each output stands for, where that is not the order in which it was opened.
        order_sentence: what is to be said of the order.
        unread: scans that could not be read.
    """

    scans: int
    candidates: tuple[Candidate, ...]
    verdict: Word
    sentence: str
    fits: tuple[str, ...]
    order: tuple[str, ...]
    order_sentence: str
    unread: int

    def row(self) -> dict[str, Any]:
        """For a JSON document."""
        return asdict(self)


def check_up(
    classifier: Classifier, catalogue: Catalogue, *, scans: int = SCANS, seed: int = 0, progress: Progress = quiet
) -> Checkup:
    """Try every usual scaling on labelled scans, the same number of each class as far as there are so many.

    They may be scans that the model was trained on: that does no harm here, since only scalings are compared, but the
    accuracies do not say how good it is.

    Args:
        classifier: with the data's class names.
        catalogue: labelled scans.

    Raises:
        BadModel: the model scales its pixels out of sight.
        BadScan: none of the scans can be read.
    """
    tried = candidates(classifier)
    pixels, labels, unread = _read(classifier, catalogue, scans, seed)
    losses, hits, logs = {}, {}, {}
    for done, (name, scaling) in enumerate(tried.items()):
        progress("trying scalings", done, len(tried))
        logs[name] = _log_softmax(logits_as_if(classifier, pixels, scaling))
    progress("trying scalings", len(tried), len(tried))
    order = _order(logs, labels)
    for name, scores in logs.items():
        ordered = scores[:, order]
        losses[name] = -ordered[np.arange(len(labels)), labels].astype(np.float64)
        hits[name] = (ordered.argmax(1) == labels).astype(np.float64)
    normal = normalisation_of(classifier)
    own = name_of(normal) if normal is not None else ""
    found = _candidates(losses, hits, own, seed)
    verdict, fits, sentence = _verdict(found, own, len(labels), len(classifier.classes))
    moved = not np.array_equal(order, np.arange(len(order))) and verdict != "cannot tell"
    names = _outputs(classifier.classes, order) if moved else ()
    said = _order_sentence(classifier.classes, names, logs[found[0].name], labels) if moved else ""
    return Checkup(len(labels), found, verdict, sentence, fits, names, said, unread)


def _read(
    classifier: Classifier, catalogue: Catalogue, scans: int, seed: int
) -> tuple[Pixels, Int64[np.ndarray, " n"], int]:
    """The scans on the model's grid, their labels, and how many could not be read."""
    pixels, labels, unread = [], [], 0
    for entry in _sample(catalogue.entries, scans, seed):
        try:
            pixels.append(classifier.prepare(read_entry(entry))[0][0])
            labels.append(classifier.classes.index(entry.label))
        except BadScan:
            unread += 1
    if not pixels:
        raise BadScan(f"none of {unread} scans can be read", "labelled scans", "run `whyscan audit` on the data")
    return np.stack(pixels), np.array(labels, np.int64), unread


def _sample(entries: Sequence[Entry], scans: int, seed: int) -> list[Entry]:
    labels = sorted({entry.label for entry in entries})
    order = shuffled(entries, seed)
    share = -(-scans // len(labels))
    return in_turn([[entry for entry in order if entry.label == label][:share] for label in labels])[:scans]


def _log_softmax(logits: Float32[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def _order(
    scores: Mapping[str, Float64[np.ndarray, "n k"]], labels: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " k"]:
    """Which output answers for each class: as opened, unless another order is right far more often.

    The assignment of outputs to classes with the most hits, for the scaling where it has the most.
    """
    k = next(iter(scores.values())).shape[1]
    straight = max(float((each.argmax(1) == labels).mean()) for each in scores.values())
    best, order = straight + GAIN, np.arange(k, dtype=np.int64)
    for each in scores.values():
        counts = np.zeros((k, k))
        np.add.at(counts, (labels, each.argmax(1)), 1)
        rows, columns = linear_sum_assignment(-counts)
        share = counts[rows, columns].sum() / len(labels)
        if share > best:
            best, order = share, np.asarray(columns, np.int64)
    return order


def _candidates(
    losses: Mapping[str, Float64[np.ndarray, " n"]],
    hits: Mapping[str, Float64[np.ndarray, " n"]],
    own: str,
    seed: int,
) -> tuple[Candidate, ...]:
    ranked = sorted(losses, key=lambda name: float(losses[name].mean()))
    best = losses[ranked[0]]
    groups = [str(i) for i in range(len(best))]
    found = []
    for name in ranked:
        n = len(best)
        accuracy = float(hits[name].mean())
        share = wilson(accuracy, n)
        loss = percentile(resample_mean(losses[name], groups, rng=np.random.default_rng(seed)))
        gap = losses[name] - best
        worse = percentile(resample_mean(gap, groups, rng=np.random.default_rng(seed)))
        found.append(
            Candidate(
                name, name == own, accuracy, share.low, share.high, float(losses[name].mean()), loss.low, loss.high,
                float(gap.mean()), worse.low, worse.high,
            )
        )  # fmt: skip
    return tuple(found)


def _verdict(found: Sequence[Candidate], own: str, scans: int, k: int) -> tuple[Word, tuple[str, ...], str]:
    """What the scans say, the scalings that they do not tell apart, and a sentence."""
    best = found[0]
    fits = (best.name, *(each.name for each in found[1:] if each.worse_low <= 0))
    if scans < FEWEST:
        return "cannot tell", fits, f"Cannot tell: {scans} scans are too few; {FEWEST} are needed."
    if best.accuracy_low <= 1 / k:
        said = f"right on {best.accuracy:.0%} of {scans} scans, and chance is {1 / k:.0%}"
        return "cannot tell", fits, f"Cannot tell: with no scaling is it better than chance (at best {said})."
    right = f"right on {best.accuracy:.0%} [{best.accuracy_low:.0%}, {best.accuracy_high:.0%}] of {scans} scans"
    if len(fits) == 1:
        second = min(found[1:], key=lambda each: each.loss, default=None)
        beside = f"; next comes {second.name} with {second.accuracy:.0%}" if second else ""
        sentence = f"Trained with {best.name}: {right}{beside}."
        return "trained with", fits, sentence + _mend(best.name, own, fits)
    names = " and ".join((", ".join(fits[:-1]), fits[-1]))
    return (
        "consistent with",
        fits,
        f"Consistent with {names}: these scans do not tell them apart ({right})." + _mend(best.name, own, fits),
    )


def _mend(best: str, own: str, fits: Sequence[str]) -> str:
    return "" if own in fits else f" It was opened with {own}, which does not fit: open it with --preprocess {best}."


def _outputs(classes: Sequence[str], order: Int64[np.ndarray, " k"]) -> tuple[str, ...]:
    """The class that each output stands for, in the order of the outputs."""
    meant = [""] * len(classes)
    for label, output in enumerate(order):
        meant[int(output)] = classes[label]
    return tuple(meant)


def _order_sentence(
    classes: Sequence[str],
    outputs: Sequence[str],
    scores: Float64[np.ndarray, "n k"],
    labels: Int64[np.ndarray, " n"],
) -> str:
    straight = float((scores.argmax(1) == labels).mean())
    turned = float((np.array([classes.index(name) for name in outputs])[scores.argmax(1)] == labels).mean())
    ties = sorted(outputs) == list(outputs)
    alphabet = ", which is the alphabet's" if ties else ""
    return (
        f"The outputs stand for {', '.join(outputs)}, in this order{alphabet}: so it is right on {turned:.0%} of the "
        f"scans, and on {straight:.0%} in the order in which it was opened ({', '.join(classes)}). Open it with "
        f"--classes {','.join(outputs)}."
    )
