"""Names: what the metrics of the table are called, in one place, for all that reads the table."""

from __future__ import annotations

ENERGY = "energy in lesion"
ENERGY_CHANCE = "energy in lesion chance"
NEGATIVE = "negative in lesion"
POINTING = "pointing game"
POINTING_CHANCE = "pointing game chance"
RANK = "relevance rank"
AUC = "auc"
TISSUES = ("tumour", "brain", "border", "background")
DELETION = "deletion auc"
SENSITIVITY_N = "sensitivity-n"
INSERTION = "insertion auc"
ROAD = "road"
SEEDS = "seed agreement"
FLIPS = "flip consistency"
SENSITIVITY = "max sensitivity"
RANDOMISED = "randomisation similarity"
GINI = "gini"
ENTROPY = "entropy"
SECONDS = "seconds"
EVALUATIONS = "evaluations"
BLANK = "blank"
CONSTANT = "constant"
CONVERGED = "converged"
DISCRIMINATIVE = "class discriminativeness"

NULL = "null: "
NULLS = ("edges", "random", "centre", "intensity")


def tissue(name: str) -> str:
    """The share of attribution on a tissue."""
    return f"tissue: {name}"


def is_null(method: str) -> bool:
    """Whether a row is of an explanation that knows nothing of the model."""
    return method.startswith(NULL)
