"""What was found of a model's layers, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.explain.cams.blankness import RECIPES
from whyscan.explain.cams.contribution import Contribution
from whyscan.render.dots import Panel, dots
from whyscan.render.figures import to_png
from whyscan.study.layers import Looked, shares

RECIPE = {"softmax-guided": "the notebook recipe (gradient of the softmax)", "logit": "Grad-CAM of the logit"}


def lines(summaries: Sequence[Mapping[str, Any]], *, references: int, unread: int) -> list[str]:
    """A paragraph a model, and what holds for all."""
    out: list[str] = []
    for each in summaries:
        out += [*_model(each), ""]
    out.append(f"Layers were replaced by their mean over {references} other scans. A layer beside which a branch runs")
    out.append("(residual, dense) may move the logit little, because the branch carries what it carried.")
    return out + ([f"{unread} scans could not be read."] if unread else [])


def _model(summary: Mapping[str, Any]) -> list[str]:
    out = [
        f"{summary['model']}: {summary['layers']} layers, {summary['scans']} scans, {summary['right']} of them right, "
        f"median confidence {confidence(summary['median_doubt'])}"
    ]
    for recipe in RECIPES:
        first, last = (row for row in summary["blank"] if row["recipe"] == recipe)
        why = "; ".join(f"{word} {share:.0%}" for word, share in first["words"].items())
        out.append(
            f"  {RECIPE[recipe]}: blank are {_share(first)} of the maps in the first third of the layers"
            f"{f' ({why})' if why else ''}, {_share(last)} in the last"
        )
    return [*out, *_contribution(summary["contribution"])]


def _contribution(found: Mapping[str, Any]) -> list[str]:
    dark, rank = found["blank"], found["rank"]
    out = [f"  without a layer the predicted class's logit moves by {found['median']:.2g} in the median"]
    if dark["maps"]:
        out[0] += f"; where the layer's map is blank ({dark['maps']} maps), by {dark['median']:.2g}"
    if rank["value"] is not None:
        low, high = rank["low"], rank["high"]
        said = (
            "brighter layers tend to contribute more" if low > 0 else
            "brighter layers tend to contribute less" if high < 0 else
            "a map's brightness does not tell what its layer contributes"
        )  # fmt: skip
        out.append(
            f"  rank correlation of brightness and contribution: {rank['value']:.2f} [{low:.2f}, {high:.2f}]: {said}"
        )
    return out


def _share(row: Mapping[str, Any]) -> str:
    return f"{row['share']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"


def confidence(doubt: float) -> str:
    """1 - doubt with as many digits as it takes to tell it from 1.

    >>> confidence(0.25), confidence(0.00042), confidence(3e-9)
    ('0.75', '0.9996', '1 - 3e-09')
    """
    if doubt < 1e-6:
        return f"1 - {doubt:.0e}"
    digits = max(2, int(np.ceil(-np.log10(doubt))))
    return f"{1 - doubt:.{digits}f}"


def picture(found: Looked, name: str) -> bytes:
    """Every layer of one model: what it contributes, how bright its maps are, how many are blank; as PNG."""
    rows, blank = found.contributions[name], shares(found, name)
    layers = [row.group["layer"] for row in blank["logit"]]
    panels = [
        Panel("change of the logit without the layer", _quartiles(rows, layers, "change"), 0.0, ""),
        Panel("energy of its Grad-CAM map", _quartiles(rows, layers, "energy")),
        *(
            Panel(f"blank maps: {said}", [(row.share, *row.interval) for row in blank[recipe]])
            for recipe, said in (("softmax-guided", "notebook recipe"), ("logit", "of the logit"))
        ),
    ]
    dark = [any(blank[recipe][number].share > 0 for recipe in RECIPES) for number in range(len(layers))]
    scans = blank["logit"][0].scans
    note = (
        f"{scans} scans, the predicted class. Left: medians and middle halves; right: shares and 95 % intervals. "
        "Blue: some of the layer's maps are blank"
    )
    return to_png(
        dots(
            layers,
            panels,
            marked=dark,
            title=f"{name}: what its layers contribute, and how many of their maps are blank",
            note=note,
        )
    )


def _quartiles(rows: Sequence[Contribution], layers: Sequence[str], what: str) -> list[tuple[float, float, float]]:
    values = np.array([getattr(row, what) for row in rows]).reshape(-1, len(layers))
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    return list(zip(middle.tolist(), low.tolist(), high.tolist(), strict=True))
