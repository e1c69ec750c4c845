"""Question 2: do right and wrong predictions differ in where the model looks, and can that predict an error?

What a map says about the predicted class is compared between right and wrong predictions of the same model. Then a
logistic regression, fitted without the scan's group, predicts the error: from the confidence alone, from metrics that
need no mask (and could warn in use), and from both. Metrics that need the tumour's mask are shown apart: where the
mask is known, nobody asks the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.stats.differences import apart
from whyscan.stats.ranking import Ranking, gain, held_out, ranking
from whyscan.stats.tests import holm
from whyscan.trust import answer, names, select
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.select import Told
from whyscan.trust.table import Row
from whyscan.trust.thresholds import ERRORS

NUMBER = 2
QUESTION = "Do right and wrong predictions differ in where the model looks, and can the explanation predict an error?"

MASKED = (names.ENERGY, names.AUC, names.POINTING, names.tissue("tumour"))
"""Metrics that need to know where the tumour is."""
OPEN = (
    names.tissue("border"), names.tissue("background"), names.GINI, names.ENTROPY, names.SEEDS, names.FLIPS,
    names.SENSITIVITY,
)  # fmt: skip
"""Metrics that anyone can take of a new scan."""
GUESSING = 0.5
"""AUROC of a guess."""
COVERED = 0.8
"""A metric helps to predict only where it was measured on this share of the scans."""


def errors(rows: Sequence[Row], best: str | None) -> Answer:
    """See the module's docstring. For each model; the word is that of the best."""
    told = select.predictions(row for row in rows if row.label)
    own = select.main_rows(rows)
    models = select.models(row for row in rows if row.label)
    if not models:
        return Answer(NUMBER, QUESTION, "not measured", "Not measured: no scan has a label.")
    asked = [best] if best in models else []
    asked += [model for model in models if model not in asked]
    each = [_Model.of(own, told, model) for model in asked if model is not None]
    first = each[0]
    evidence = [line for model in each for line in model.evidence()]
    parts = [(f"{model.name}: {what}", word) for model in each for what, word in model.words()]
    sentence = "\n".join(model.sentence() for model in each[:2])
    note = (
        "Metrics with a mask are no warning: in use nobody knows the mask. An AUROC of 0.5 is guessing.",
        "Confidence is the predicted class's probability.",
    )
    charts = [chart for chart in (_figure(each), _effects(each[:2])) if chart is not None]
    return Answer(
        NUMBER, QUESTION, first.verdict, sentence, tuple(evidence), tuple(parts), note, next(iter(charts), None),
        tuple(charts[1:]), first.short(),
    )  # fmt: skip


class _Model:
    """One model's right and wrong predictions, and what tells them apart."""

    def __init__(self, name: str, scans: Sequence[str], told: Mapping[Any, Told], columns: Mapping[str, np.ndarray]):
        self.name = name
        self.groups = [told[name, scan].group for scan in scans]
        self.wrong: Bool[np.ndarray, " n"] = np.array([not told[name, scan].right for scan in scans], bool)
        self.confidence: Float64[np.ndarray, " n"] = np.array([told[name, scan].confidence for scan in scans])
        self.columns = columns
        sides = [len({g for g, w in zip(self.groups, self.wrong, strict=True) if w == side}) for side in (True, False)]
        self.fewest = min(sides)
        self.enough = self.fewest >= ERRORS.value
        self.apart = self._apart()
        self.areas = self._areas() if self.enough else {}

    @classmethod
    def of(cls, own: Sequence[Row], told: Mapping[Any, Told], model: str) -> _Model:
        scans = sorted(scan for name, scan in told if name == model)
        columns = {}
        for metric in (*MASKED, *OPEN):
            found = select.real(select.values(own, metric, target="predicted"))
            column = select.column(scans, select.scan_means(found, model))
            if np.isfinite(column).any():
                columns[metric] = column
        return cls(model, scans, told, columns)

    def _apart(self) -> list[tuple[str, Any, float]]:
        """Right less wrong, for every metric, with Holm's p."""
        found = []
        for metric, column in self.columns.items():
            known = np.isfinite(column)
            groups = [group for group, some in zip(self.groups, known, strict=True) if some]
            found.append((metric, apart(column[known], self.wrong[known], groups)))
        p = holm([each.p if np.isfinite(each.p) else 1.0 for _, each in found])
        return [(metric, each, float(q)) for (metric, each), q in zip(found, p, strict=True)]

    def _areas(self) -> dict[str, Ranking]:
        odds = np.log(np.clip(self.confidence, 1e-6, 1 - 1e-6) / (1 - np.clip(self.confidence, 1e-6, 1 - 1e-6)))
        unsure = odds[:, None]
        # as it is: held-out odds of a lone useless score rank below 0.5, and anything would seem to add to them
        doubt = -self.confidence
        found = {"confidence alone": ranking(self.wrong, doubt, self.groups)}
        for title, metrics in (("metrics without a mask", OPEN), ("metrics with a mask", MASKED)):
            columns = self._covered(metrics)
            if not columns:
                continue
            features = np.column_stack(columns)
            with_both = held_out(np.column_stack([unsure, features]), self.wrong, self.groups)
            found[f"{title} alone"] = ranking(self.wrong, held_out(features, self.wrong, self.groups), self.groups)
            found[f"confidence and {title}"] = ranking(self.wrong, with_both, self.groups)
            found[f"added by {title}"] = gain(self.wrong, with_both, doubt, self.groups)
        return found

    def _covered(self, metrics: Sequence[str]) -> list[np.ndarray]:
        some = [self.columns[name] for name in metrics if name in self.columns]
        return [each for each in some if np.isfinite(each).mean() >= COVERED]

    @property
    def verdict(self) -> Word:
        words = [answer.judge(each, p) for _, each, p in self.apart]
        if not words:
            return "not measured"
        if any(word in ("more", "less") for word in words):
            return "yes"
        return "too few to tell" if "too few" in words else "no"

    def words(self) -> list[tuple[str, str]]:
        return [("right and wrong differ", self.verdict), ("predicts errors beyond confidence", self.predicts)]

    @property
    def predicts(self) -> Word:
        if not self.enough:
            return "too few to tell"
        added = self.areas.get("added by metrics without a mask")
        if added is None:
            return "not measured"
        both = self.areas["confidence and metrics without a mask"]
        return "yes" if added.low > 0 and both.low > GUESSING else "no"

    def evidence(self) -> list[Finding]:
        lines = [
            replace(answer.finding(f"{self.name}: {names.said(metric)}, right less wrong", each),
                    corrected=p if np.isfinite(each.low) else None, correction="Holm")
            for metric, each, p in self.apart
        ]  # fmt: skip
        for title, area in self.areas.items():
            signed = title.startswith("added")
            lines.append(
                Finding(f"{self.name}: AUROC for an error, {title}", answer.number(area.value), answer.number(area.low),
                        answer.number(area.high), len(set(self.groups)), signed=signed,
                        chance=None if signed else 0.5)
            )  # fmt: skip
        return lines

    def short(self) -> str:
        differ = {
            "yes": f"Maps of right and wrong predictions of {self.name} differ",
            "no": f"Maps of right and wrong predictions of {self.name} do not differ",
        }.get(self.verdict, f"Whether maps of right and wrong predictions of {self.name} differ is {self.verdict}")
        adds = {
            "yes": "and they help to find errors beyond what its confidence says",
            "no": "and they add nothing sure to its confidence in finding errors",
        }.get(self.predicts, f"and whether they help to find errors is {self.predicts}")
        return f"{differ}, {adds}."

    def sentence(self) -> str:
        count = f"{self.name} is wrong on {int(self.wrong.sum())} of {self.wrong.size} scans"
        if not self.apart:
            return f"{count}; no metric was measured on them."
        sure = [(metric, each) for metric, each, p in self.apart if answer.judge(each, p) in ("more", "less")]
        if sure:
            metric, each = max(sure, key=lambda item: abs(item[1].effect))
            differ = f"right and wrong predictions differ in {len(sure)} of {len(self.apart)} metrics, most in "
            differ += f"{names.said(metric)} (right less wrong {answer.plainly(each)})"
        elif self.verdict == "too few to tell":
            differ = f"too few to tell whether the maps differ: {answer.enough(self.apart[0][1])}"
        else:
            differ = "their maps differ in no metric that was taken"
        return f"{count}; {differ}. {self._prediction()}"

    def _prediction(self) -> str:
        if not self.enough:
            return (
                f"Too few to say whether a map predicts an error: {self.fewest} groups on one side, and "
                f"{ERRORS.value:.0f} are needed."
            )
        alone = self.areas["confidence alone"]
        text = f"Confidence alone finds its errors with an AUROC of {alone.value:.2f} "
        text += answer.between(alone.low, alone.high)
        added = self.areas.get("added by metrics without a mask")
        if added is None:
            return f"{text}; what maps add was not measured."
        more = answer.minus(f"{added.value:+.2f}")
        verb = "explanations add" if self.predicts == "yes" else "explanations add nothing that could not be chance:"
        return f"{text}; {verb} {more} {answer.between(added.low, added.high)} without a mask."


def _figure(each: Sequence[_Model]) -> dict[str, Any] | None:
    entries = [
        answer.dot(title, area.value, area.low, area.high, model.name)
        for model in each
        for title, area in model.areas.items()
        if not title.startswith("added") and np.isfinite([area.value, area.low, area.high]).all()
    ]
    if not entries:
        return None
    return answer.dots(
        "How well wrong predictions are found", "AUROC for an error, with 95 % interval", entries, reference=GUESSING,
        reference_name="guessing",
        note="From logistic regressions that never saw the scan's group. 'With a mask' is no warning in use: there "
        "nobody knows where the tumour is.",
    )  # fmt: skip


def _effects(each: Sequence[_Model]) -> dict[str, Any] | None:
    """Right less wrong for every metric, in standard deviations over scans, so that they share an axis."""
    entries = []
    for model in each:
        for metric, found, _ in model.apart:
            column = model.columns[metric]
            spread = float(np.nanstd(column))
            if spread > 1e-6 and np.isfinite([found.value, found.low, found.high]).all():
                value, low, high = (float(end) / spread for end in (found.value, found.low, found.high))
                entries.append(answer.dot(names.said(metric), value, low, high, model.name))
    if not entries:
        return None
    return answer.dots(
        "How maps of right predictions differ from those of wrong ones", "difference in standard deviations over scans",
        entries, reference_name="no difference",
        note="To the right: more of it where the prediction is right. An interval that holds 0 could be chance.",
    )  # fmt: skip
