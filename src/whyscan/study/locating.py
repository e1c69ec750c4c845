"""How much of Grad-CAM lies in known lesions, over many scans that a run holds back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow
from whyscan.errors import BadModel, BadScan
from whyscan.explain.explain import explain
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress
from whyscan.records.attribution import Attribution
from whyscan.records.evidence import Evidence
from whyscan.stats.differences import SHARE
from whyscan.study.mean import mean
from whyscan.study.settings import StudySettings
from whyscan.trust.localisation import localise

METRIC = "energy in lesion"
HELD_OUT = "held out, known lesion"
OUTSIDE = "outside of this run's training part, known lesion"
"""Where the model may have been trained on the scans elsewhere."""


def looked_into(classifier: Classifier) -> bool:
    """Whether Grad-CAM can look at the model's layers: not at a black box's, nor at those of a network without any."""
    return classifier.white_box and bool(classifier.layers)


def energy_of(attribution: Attribution, scan: Scan) -> dict[str, Any]:
    """The share of the predicted class's positive attribution in the lesion, beside the lesion's share of the scan."""
    assert scan.region is not None
    target = attribution.predicted
    values = attribution.on_scan(target)
    evidence = localise("energy", values, scan.region)
    return {"metric": METRIC, "target": target, **evidence.row(), "chance": float(scan.region.mean())}


def locate(
    classifier: Classifier,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    settings: StudySettings,
    failed: dict[str, str],
    progress: Progress,
    *,
    subset: str = HELD_OUT,
) -> list[dict[str, Any]]:
    """Grad-CAM's energy in the lesion over many scans that the run holds back, with an interval by duplicate group.

    Only holdout, clean test and validation, which a model of this run did not train on. A scan that cannot be read or
    explained is left out, and `failed` gets its name and the reason.
    """
    shared = {"model": classifier.name, "method": "gradcam", "subset": subset}
    if not looked_into(classifier):
        blind = Evidence.skipped("Grad-CAM needs the network's layers, and this model only answers")
        return [{**shared, "metric": f"mean {METRIC}", **blind.row()}]
    entries = {entry.name: entry for entry in catalogue.entries}
    known = [
        row
        for row in rows
        if row.split in ("validation", "holdout", "test") and not row.leaked and entries[row.path].mask is not None
    ]
    order = np.random.default_rng(settings.seed).permutation(len(known))[: settings.located]
    energy, chance, groups = [], [], []
    for done, index in enumerate(order):
        progress(f"locating {classifier.name}", done, len(order))
        path = known[index].path
        try:
            scan = read_entry(entries[path])
            if scan.region is None or not scan.region.any():
                continue
            found = energy_of(explain(classifier, scan, "gradcam", "predicted", seed=settings.seed), scan)
        except (BadScan, BadModel) as error:
            failed[path] = str(error)
            continue
        if found["value"] is not None:
            energy.append(found["value"])
            chance.append(found["chance"])
            groups.append(known[index].group)
    progress(f"locating {classifier.name}", len(order), len(order))
    if not energy:
        nothing = Evidence.skipped(f"no scan: {subset}")
        return [{**shared, "metric": f"mean {METRIC}", **nothing.row()}]
    summaries = (
        (f"mean {METRIC}", energy, SHARE),
        ("mean share of the image that is lesion (chance)", chance, SHARE),
        (f"mean {METRIC} minus chance", list(np.subtract(energy, chance)), (-1.0, 1.0)),
    )
    return [
        {**shared, "metric": name, **mean(values, groups, seed=settings.seed, within=within).row()}
        for name, values, within in summaries
    ]
