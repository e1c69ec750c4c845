"""What the doctor found, and what was found of a model's layers, as dots with intervals; as PNG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whyscan.explain.cams.contribution import Contribution
from whyscan.render.dots import Panel, dots
from whyscan.render.figures import to_png
from whyscan.study.checkup import Checkup
from whyscan.study.layers import Looked, shares
from whyscan.study.layers_words import RECIPE


def of_scalings(found: Checkup, name: str, classes: int) -> bytes:
    """Every scaling of the pixels that was tried: how many scans are right, and the loss."""
    rows = found.candidates
    right = Panel(
        "share of the scans that is right",
        [(each.accuracy, each.accuracy_low, each.accuracy_high) for each in rows],
        1 / classes,
        "chance",
    )
    losses = [(each.loss, each.loss_low, each.loss_high) for each in rows]
    log = min(low for _, low, _ in losses) > 0  # a wrong scaling may be a hundred times worse than the right one
    loss = Panel("loss in nats (less is better)", losses, log=log)
    names = [each.name + (" (as opened)" if each.used else "") for each in rows]
    figure = dots(
        names, [right, loss], marked=[each.name in found.fits for each in rows],
        title=f"Which scaling of the pixels {name} was trained with",
        note=f"{found.scans} labelled scans, 95 % intervals; blue: what the scans do not tell apart from the best",
    )  # fmt: skip
    return to_png(figure)


def of_layers(found: Looked, name: str) -> bytes:
    """Every layer of one model: what it contributes, how bright its maps are, how many are blank."""
    panels, rows = panels_of(found, name), found.contributions[name]
    layers = list(dict.fromkeys(row.layer for row in rows))
    dark = [any(panel.values[number][0] > 0 for panel in panels[2:]) for number in range(len(layers))]
    note = (
        f"{len(rows) // len(layers)} scans, the predicted class. Left: medians and middle halves; right: shares and "
        "95 % intervals. Blue: some of the layer's maps are blank"
    )
    title = f"{name}: what its layers contribute, and how many of their maps are blank"
    return to_png(dots(layers, panels, marked=dark, title=title, note=note))


def panels_of(found: Looked, name: str) -> list[Panel]:
    """What the logit loses, the energy of the map, and the shares of blank maps by recipe; a value a layer."""
    rows, blank = found.contributions[name], shares(found, name)
    layers = len(blank["logit"])
    return [
        Panel("what the logit loses without the layer", _quartiles(rows, layers, "change"), 0.0, ""),
        Panel("energy of its Grad-CAM map", _quartiles(rows, layers, "energy")),
        *(
            Panel(f"blank maps: {said}", [(row.share, *row.interval) for row in blank[recipe]])
            for recipe, said in RECIPE.items()
        ),
    ]


def _quartiles(rows: Sequence[Contribution], layers: int, what: str) -> list[tuple[float, float, float]]:
    values = np.array([getattr(row, what) for row in rows]).reshape(-1, layers)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    return list(zip(middle.tolist(), low.tolist(), high.tolist(), strict=True))
