"""The checklists: which version, from where, against what the numbering was checked, and their items.

Each item names the files of a run that show it (patterns relative to the run's folder) and what no file can show.
"""

from __future__ import annotations

from dataclasses import dataclass

from whyscan.trust.checklist_claim import CLAIM
from whyscan.trust.checklist_future import FUTURE
from whyscan.trust.checklist_item import Item
from whyscan.trust.checklist_tripod import TRIPOD


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published checklist.

    Attributes:
        title: what it is called, and what it is for.
        version: which version these items are of.
        citation: where it was published.
        source: where its own wording is.
        checked: against what the numbers here were checked, and what was not.
        items: in its order.
    """

    title: str
    version: str
    citation: str
    source: str
    checked: str
    items: tuple[Item, ...]


_CHECKED = (
    "Numbers, order and subjects were compared in November 2026 with {against}. The publisher's own file was not at "
    "hand, so its wording was not compared: the items are in whyscan's words."
)

CHECKLISTS: dict[str, Checklist] = {
    "claim": Checklist(
        "CLAIM: reporting of AI in medical imaging",
        "2024 update, 44 items",
        "Tejani et al., 'Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update', Radiology: "
        "Artificial Intelligence 6(4): e240300, 2024",
        "https://doi.org/10.1148/ryai.240300",
        _CHECKED.format(against="two checklists of all 44 items that other authors have completed and published"),
        CLAIM,
    ),
    "tripod-ai": Checklist(
        "TRIPOD+AI: reporting of clinical prediction models",
        "2024, 27 items in 52 parts",
        "Collins et al., 'TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
        "regression or machine learning methods', BMJ 385: e078378, 2024",
        "https://doi.org/10.1136/bmj-2023-078378",
        _CHECKED.format(against="a checklist of all 52 parts that other authors have completed and published, and a "
                        "second list of their numbers"),
        TRIPOD,
    ),
    "future-ai": Checklist(
        "FUTURE-AI: recommendations for trustworthy AI in healthcare",
        "2025, 30 recommendations",
        "Lekadir et al., 'FUTURE-AI: international consensus guideline for trustworthy and deployable artificial "
        "intelligence in healthcare', BMJ 388: e081554, 2025",
        "https://doi.org/10.1136/bmj-2024-081554",
        _CHECKED.format(against="a handbook that goes through all 30 by their codes"),
        FUTURE,
    ),
}  # fmt: skip
"""By the name that `--checklist` takes. Numbers are the published ones; FUTURE-AI's codes are those of its figure 3: F
fairness, Un universality, T traceability, Us usability, R robustness, E explainability, G general."""
