"""Explanations once more, of other scans, by other models, with other seeds: as few as the metrics together need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from whyscan.data.scan import Scan
from whyscan.explain.explain import explain_many
from whyscan.models.classifier import Classifier
from whyscan.records.attribution import Attribution
from whyscan.study.trust_settings import TrustSettings
from whyscan.trust import names
from whyscan.trust.case import Again
from whyscan.trust.nulls import null_attributions


@dataclass(eq=False)
class Remaker:
    """Makes the explanations of one scan by one model again, whatever is changed.

    What shares its evaluations or its drawing, superpixel methods and the null explanations, is made once for all of
    them; the others are given all scans at once.

    Attributes:
        target: what is explained.
        together: the superpixel methods that explained the scan together, and how many evaluations they took: as many
            are spent again, so that a difference is not one of budgets.
        kept: what was made for several methods, by model, scan, seed and kind; the model is held on to, so that its
            number stays its own.
    """

    settings: TrustSettings
    target: str
    together: Mapping[str, int] = field(default_factory=dict)
    kept: dict[tuple[int, str, int, str], tuple[Classifier, dict[str, Attribution]]] = field(default_factory=dict)

    def of(self, method: str) -> Again:
        """What a case of the method is given."""

        def again(model: Classifier, scans: Sequence[Scan], seed: int) -> Sequence[Attribution]:
            if names.is_null(method) or method in self.together:
                return [self._shared(method, model, scan, seed)[method] for scan in scans]
            explainer = self.settings.explainers(method)[method]
            return explainer(model, scans, self.target, seed=seed)

        return again

    def _shared(self, method: str, model: Classifier, scan: Scan, seed: int) -> dict[str, Attribution]:
        kind = names.NULL if names.is_null(method) else "superpixels"
        key = (id(model.network), scan.content, seed, kind)
        if key not in self.kept:
            self.kept[key] = model, self._made(kind, model, scan, seed)
        return self.kept[key][1]

    def _made(self, kind: str, model: Classifier, scan: Scan, seed: int) -> dict[str, Attribution]:
        if kind == names.NULL:
            return null_attributions(model, scan, self.target, seed=seed)
        asked = self.settings.explainers(*self.together)
        return explain_many(model, scan, asked, "all", seed=seed, samples=max(4, *self.together.values()))
