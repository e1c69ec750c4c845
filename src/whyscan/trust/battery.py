"""The batteries: which metrics are asked of one explanation, and their answers as rows of the long table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from whyscan.errors import WhyscanError
from whyscan.records.evidence import Evidence
from whyscan.trust import names
from whyscan.trust.case import Case, Metric
from whyscan.trust.every import INSIDE, of
from whyscan.trust.table import Row

FREE: Mapping[str, Metric] = of("condition", "localisation", "tissue", "complexity", "cost")
"""Those that look at the map and ask the model nothing."""
FAITHFUL: Mapping[str, Metric] = of("faithfulness")
"""Those that ask the model about perturbed scans."""
STURDY: Mapping[str, Metric] = of("robustness", "sanity")
"""Those that explain again: other seeds, noise, mirrored scans, random weights, shuffled labels."""
PROFILE: Mapping[str, Metric] = {name: FREE[name] for name in names.PROFILED}
"""What every layer is asked."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric's answer: within the "image" or the "head", and what it cost."""

    metric: str
    within: str
    evidence: Evidence
    seconds: float


def measure(case: Case, battery: Mapping[str, Metric]) -> Iterator[Measured]:
    """Ask every metric; what a metric refuses is its own failure, and the others go on."""
    for name, metric in battery.items():
        yield _asked(name, "image", metric, case)
        if name in INSIDE and case.head is not None:
            yield _asked(name, "head", INSIDE[name], case)


def _asked(name: str, within: str, metric: Metric, case: Case) -> Measured:
    begun = time.perf_counter()
    try:
        evidence = metric(case)
    except WhyscanError as error:
        evidence = Evidence.failed(str(error))
    return Measured(name, within, evidence, time.perf_counter() - begun)


def row(case: Case, found: Measured, *, group: str) -> Row:
    """As a row; the method's name is the attribution's."""
    told = case.attribution
    evidence = found.evidence
    return Row(
        model=told.model, method=told.method, layer=told.layer or "", source=case.scan.source,
        content=case.scan.content, group=group, label=case.scan.label or "", predicted=told.predicted,
        confidence=float(told.probabilities.max()), target=case.target, metric=found.metric, within=found.within,
        value=evidence.value, status=evidence.status, reason=evidence.reason, seconds=round(found.seconds, 4),
    )  # fmt: skip
