"""What was found of a model's layers, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.explain.cams.blankness import RECIPES
from whyscan.explain.cams.gradcam import Recipe

RECIPE: Mapping[Recipe, str] = {
    "softmax-guided": "notebook recipe (gradient of the softmax)", "logit": "Grad-CAM of the logit",
}  # fmt: skip


def lines(summaries: Sequence[Mapping[str, Any]], *, references: int, unread: int) -> list[str]:
    """A paragraph a model, and what holds for all."""
    out: list[str] = []
    for each in summaries:
        out += [*_model(each), ""]
    out.append(f"Layers were replaced by their mean over {references} other scans. A layer beside which a branch runs")
    out.append("(residual, dense) may move the logit little, because the branch carries what it carried.")
    return out + ([f"{unread} scans could not be read."] if unread else [])


def _model(summary: Mapping[str, Any]) -> list[str]:
    moved = summary["contribution"]
    out = [
        f"{summary['model']}: {summary['layers']} layers, {summary['scans']} scans, {summary['right']} of them right, "
        f"median confidence {confidence(summary['median_doubt'])}",
        f"  without a layer the predicted class's logit moves by {moved['median']:.2g} in the median",
    ]
    for recipe in RECIPES:
        rows = [row for row in summary["blank"] if row["recipe"] == recipe]
        out.append(f"  {RECIPE[recipe]}: blank maps {'; '.join(map(_part, rows))}")
        if (dark := moved["blank"][recipe])["maps"]:
            out.append(f"    where they are blank ({dark['maps']} maps) the logit still moves by {dark['median']:.2g}")
    if (rank := moved["rank"])["value"] is not None:
        ends = "" if rank["low"] is None else f" [{rank['low']:.2f}, {rank['high']:.2f}]"
        out.append(
            f"  rank correlation, over these layers, of brightness and what the logit loses: {rank['value']:.2f}{ends}"
        )
    return out


def _part(row: Mapping[str, Any]) -> str:
    why = ", ".join(f"{word} {share:.0%}" for word, share in row["words"].items())
    of = "of all layers" if row["part"] == "all" else f"in the {row['part']}"
    return f"{row['share']:.0%} [{row['low']:.0%}, {row['high']:.0%}] {of}{f' ({why})' if why else ''}"


def confidence(doubt: float) -> str:
    """1 - doubt with as many digits as it takes to tell it from 1.

    >>> confidence(0.25), confidence(0.00042), confidence(3e-9), confidence(0.0)
    ('0.75', '0.9996', '1 - 3e-09', '1 to the last digit')
    """
    if doubt <= 0:
        return "1 to the last digit"
    if doubt < 1e-6:
        return f"1 - {doubt:.0e}"
    digits = max(2, int(np.ceil(-np.log10(doubt))))
    return f"{1 - doubt:.{digits}f}"
