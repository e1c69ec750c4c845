"""Question 2: do right and wrong predictions differ in where the model looks, and can that predict an error?

What a map says about the predicted class is compared between right and wrong predictions of the same model. Then a
logistic regression, fitted without the scan's group, predicts the error: from the confidence alone, from metrics that
need no mask (and could warn in use), and from both. Metrics that need the tumour's mask are shown apart: where the
mask is known, nobody asks the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference, apart
from whyscan.stats.ranking import Ranking, gain, held_out, ranking
from whyscan.trust import answer, names, select
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.every import range_of
from whyscan.trust.select import Told
from whyscan.trust.table import Row
from whyscan.trust.thresholds import ADDED, ERRORS, FEWEST

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
        self.apart, self.lines = self._apart()
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

    def _apart(self) -> tuple[dict[str, Difference], dict[str, Finding]]:
        """Right less wrong, for every metric; and the same as evidence, with Holm's correction over the metrics."""
        found = {}
        for metric, column in self.columns.items():
            known = np.isfinite(column)
            groups = [group for group, some in zip(self.groups, known, strict=True) if some]
            found[metric] = apart(column[known], self.wrong[known], groups, within=range_of(metric))
        lines = answer.corrected(
            [
                answer.finding(f"{self.name}: {names.said(metric)}, right less wrong", each)
                for metric, each in found.items()
            ]
        )
        return found, dict(zip(found, lines, strict=True))

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

    def judged(self) -> dict[str, answer.Judged]:
        """By metric, what may be said of right beside wrong: by the corrected p-values."""
        return {metric: answer.judge(each, self.lines[metric].corrected) for metric, each in self.apart.items()}

    @property
    def verdict(self) -> Word:
        words = set(self.judged().values())
        if not words:
            return "not measured"
        if words & {"more", "less"}:
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
        if added.low > 0 and both.low > GUESSING:
            return "yes"
        return "no" if added.high < ADDED.value else "too few to tell"

    def evidence(self) -> list[Finding]:
        lines = list(self.lines.values())
        for title, area in self.areas.items():
            signed = title.startswith("added")
            lines.append(
                Finding(f"{self.name}: AUROC for an error, {title}", answer.number(area.value), answer.number(area.low),
                        answer.number(area.high), len(set(self.groups)), signed=signed,
                        chance=None if signed else 0.5)
            )  # fmt: skip
        return lines

    def short(self) -> str:
        few = "there are too few scans to tell whether"
        maps = f"maps of right and wrong predictions of {self.name}"
        if self.verdict == self.predicts == "too few to tell":
            return f"There are too few scans to tell whether {maps} differ, or whether they help to find errors."
        differ = {
            "yes": f"{maps} differ",
            "no": f"{maps} do not differ",
            "too few to tell": f"{few} {maps} differ",
        }.get(self.verdict, f"whether {maps} differ was not measured")
        adds = {
            "yes": "they help to find errors beyond what its confidence says",
            "no": "they add next to nothing to its confidence in finding errors",
            "too few to tell": f"{few} they help to find errors",
        }.get(self.predicts, "whether they help to find errors was not measured")
        return f"{differ[:1].upper()}{differ[1:]}, and {adds}."

    def sentence(self) -> str:
        count = f"{self.name} is wrong on {int(self.wrong.sum())} of {self.wrong.size} scans"
        if not self.apart:
            return f"{count}; no metric was measured on them."
        words = self.judged()
        sure = {metric: self.apart[metric] for metric, word in words.items() if word in ("more", "less")}
        if sure:
            metric, each = max(sure.items(), key=lambda item: abs(item[1].effect))
            differ = f"right and wrong predictions differ in {len(sure)} of {len(words)} metrics, most in "
            differ += f"{names.said(metric)} (right less wrong {answer.plainly(each, p=self.lines[metric].corrected)})"
        elif self.verdict == "too few to tell":
            few = [metric for metric, word in words.items() if word == "too few"]
            best = max(few, key=lambda metric: answer.fewest(self.apart[metric]))
            which = "whether the maps differ" if len(few) == len(words) else f"for {len(few)} of {len(words)} metrics"
            differ = f"there are too few scans to tell {which}: {self._few(best, few)}"
        else:
            differ = "their maps differ in no metric that was taken"
        return f"{count}; {differ}. {self._prediction()}"

    def _few(self, best: str, few: Sequence[str]) -> str:
        """Why, for the metric that was measured on most scans; and of others, that were measured on fewer, where."""
        found = self.apart[best]
        if answer.fewest(found) >= FEWEST.value:
            return answer.enough(found)
        text = (
            f"{found.n} independent groups of scans are right and {found.other} wrong, and a test needs "
            f"{FEWEST.value:.0f} of each"
        )
        masked = [self.apart[metric] for metric in few if metric in MASKED]
        least = min(masked, key=answer.fewest, default=found)
        if answer.fewest(least) < answer.fewest(found):
            text += f" (of those with a known tumour, on which maps are laid beside it, {least.n} and {least.other})"
        return text

    def _prediction(self) -> str:
        if not self.enough:
            return (
                f"There are too few to say whether a map predicts an error: of wrong and right predictions at least "
                f"{ERRORS.value:.0f} groups each are asked, and of one there are {self.fewest}."
            )
        alone = self.areas["confidence alone"]
        text = f"Confidence alone finds its errors with an AUROC of {alone.value:.2f} "
        text += answer.between(alone.low, alone.high)
        added = self.areas.get("added by metrics without a mask")
        if added is None:
            return f"{text}; what maps add was not measured."
        verb = {
            "yes": "maps add",
            "no": f"maps add next to nothing (surely less than {ADDED.value}):",
        }.get(self.predicts, "there are too few scans to tell whether maps add to it:")
        ends = answer.between(added.low, added.high)
        return f"{text}; {verb} {fixed(added.value, 2, sign=True)} {ends} without a mask."


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
    """Right less wrong for every metric, in standard deviations over scans, so that they share an axis.

    An interval of fewer groups than a test needs is not drawn: that of two groups may be narrow by luck.
    """
    entries, left = [], 0
    for model in each:
        words = model.judged()
        for metric, found in model.apart.items():
            if answer.fewest(found) < FEWEST.value:
                left += 1
                continue
            spread = float(np.nanstd(model.columns[metric]))
            if spread > 1e-6 and np.isfinite([found.value, found.low, found.high]).all():
                value, low, high = (float(end) / spread for end in (found.value, found.low, found.high))
                sure = words[metric] in ("more", "less")
                entries.append(answer.dot(names.said(metric), value, low, high, model.name, sure=sure))
    if not entries:
        return None
    without = f" Not drawn: {left} with fewer than {FEWEST.value:.0f} groups on one side." if left else ""
    return answer.dots(
        "How maps of right predictions differ from those of wrong ones", "difference in standard deviations over scans",
        entries, reference_name="no difference",
        note=f"To the right: more of it where the prediction is right. {answer.HOLLOW} What is sure is so after "
        f"Holm's correction over a model's metrics; the intervals are each metric's own.{without}",
    )  # fmt: skip
