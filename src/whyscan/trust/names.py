"""Names: what the metrics of the table are called, in one place, for all that reads the table."""

from __future__ import annotations

from whyscan.explain.methods import METHODS

ENERGY = "energy in lesion"
ENERGY_CHANCE = "energy in lesion chance"
NEGATIVE = "negative in lesion"
POINTING = "pointing game"
POINTING_CHANCE = "pointing game chance"
RANK = "relevance rank"
AUC = "auc"
DELETION = "deletion auc"
SENSITIVITY_N = "sensitivity-n"
INSERTION = "insertion auc"
ROAD = "road"
SEEDS = "seed agreement"
FLIPS = "flip consistency"
TURNS = "turn consistency"
SENSITIVITY = "max sensitivity"
RANDOMISED = "randomisation similarity"
MISTAUGHT = "label randomisation similarity"
GINI = "gini"
ENTROPY = "entropy"
SECONDS = "seconds"
EVALUATIONS = "evaluations"
BLANK = "blank"
CONSTANT = "constant"
CONVERGED = "converged"
DISCRIMINATIVE = "class discriminativeness"
REFUSED = "explanation"
"""In the place of a metric: the method gave no explanation at all."""

PROFILED = (BLANK, ENERGY, ENERGY_CHANCE, AUC, DISCRIMINATIVE)
"""What every layer is asked. Only a method's own layer is asked more."""

NULL = "null: "
NULLS = ("edges", "random", "centre", "intensity")

_SAID = {
    ENERGY: "share of positive weight in the tumour",
    AUC: "AUC of the map for the tumour",
    POINTING: "peak in the tumour",
    DISCRIMINATIVE: "how far maps of two classes differ",
    BLANK: "share of blank maps",
    GINI: "sparseness (Gini)",
    ENTROPY: "spread (entropy)",
    SEEDS: "agreement between seeds",
    FLIPS: "agreement with the mirrored scan",
    TURNS: "agreement with the slightly turned scan",
    SENSITIVITY: "change under noise",
    SENSITIVITY_N: "faithfulness (sensitivity-n)",
    "tissue: tumour": "share of weight on the tumour",
    "tissue: border": "share of weight on skull and scalp",
    "tissue: background": "share of weight outside the head",
}
_LABELS = {
    AUC: "AUC",
    "iou": "IoU",
    "iou at half": "IoU at half",
    DISCRIMINATIVE: "Class discriminativeness",
    "tissue: tumour": "Tumour",
    "tissue: brain": "Brain",
    "tissue: border": "Skull and scalp",
    "tissue: background": "Outside the head",
    DELETION: "Deletion AUC",
    INSERTION: "Insertion AUC",
    ROAD: "ROAD",
    "aopc": "AOPC",
    "local lipschitz": "Local Lipschitz",
    NEGATIVE: "Negative weight in lesion",
}
_NULLS = {
    "edges": "an edge detector",
    "random": "a map drawn by lot",
    "centre": "a bump in the middle of the image",
    "intensity": "the scan's own brightness",
}


SHARES = (ENERGY, POINTING, BLANK, *(f"tissue: {each}" for each in ("tumour", "brain", "border", "background")))
"""What is told in per cent, and differences of it in points."""


def tissue(name: str) -> str:
    """The share of attribution on a tissue."""
    return f"tissue: {name}"


def said(metric: str) -> str:
    """What a metric measures, for readers; its name where it has no other."""
    return _SAID.get(metric, metric)


def the(metric: str) -> str:
    """The same within a sentence."""
    return said(metric) if metric == DISCRIMINATIVE else f"the {said(metric)}"


def label(metric: str) -> str:
    """The head of a metric's column."""
    return _LABELS.get(metric, metric[:1].upper() + metric[1:])


def title(method: str) -> str:
    """What a method is called in headings, or what a null explanation is."""
    if is_null(method):
        return _NULLS.get(method.removeprefix(NULL), method)
    return METHODS[method].title if method in METHODS else method


def is_null(method: str) -> bool:
    """Whether a row is of an explanation that knows nothing of the model."""
    return method.startswith(NULL)
