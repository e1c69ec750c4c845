"""Erring: one model's right and wrong predictions, what tells them apart, and how question 2 says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference, apart
from whyscan.stats.ranking import Ranking, gain, held_out, ranking, rarer
from whyscan.trust import answer, judging, names, select, wording
from whyscan.trust.answer import Finding, Word
from whyscan.trust.every import range_of
from whyscan.trust.select import Told
from whyscan.trust.table import Row
from whyscan.trust.thresholds import ADDED, ERRORS, FEWEST

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
"""A metric helps to predict only where it was measured on this share of the scans, or of those with a known tumour."""
_OPEN, _MASKED = "metrics without a mask", "metrics with a mask"


class Erring:
    """One model's right and wrong predictions, and what tells them apart."""

    def __init__(self, name: str, scans: Sequence[str], told: Mapping[Any, Told], columns: Mapping[str, np.ndarray]):
        self.name = name
        self.groups = [told[name, scan].group for scan in scans]
        self.wrong: Bool[np.ndarray, " n"] = np.array([not told[name, scan].right for scan in scans], bool)
        self.confidence: Float64[np.ndarray, " n"] = np.array([told[name, scan].confidence for scan in scans])
        self.columns = columns
        self.fewest = rarer(self.wrong, self.groups)
        self.enough = self.fewest >= ERRORS.value
        self.apart, self.lines = self._apart()
        self.areas = self._areas()

    @classmethod
    def of(cls, own: Sequence[Row], told: Mapping[Any, Told], model: str) -> Erring:
        scans = sorted(scan for name, scan in told if name == model)
        columns: dict[str, np.ndarray] = {}
        for metric in (*MASKED, *OPEN):
            found = select.real(select.values(own, metric, target="predicted"))
            column = select.column(scans, select.scan_means(found, model))
            # of maps without negative weight two metrics are one, and would be two tests
            if np.isfinite(column).any() and not any(_same(column, each) for each in columns.values()):
                columns[metric] = column
        return cls(model, scans, told, columns)

    def _apart(self) -> tuple[dict[str, Difference], dict[str, Finding]]:
        """Right less wrong, for every metric; and the same as evidence, with Holm's correction over the metrics.

        A metric that was measured on fewer groups than a test needs is not tested, and costs the others nothing.
        """
        found = {}
        for metric, column in self.columns.items():
            known = np.isfinite(column)
            groups = [group for group, some in zip(self.groups, known, strict=True) if some]
            found[metric] = apart(column[known], self.wrong[known], groups, within=range_of(metric))
        lines = []
        for metric, each in found.items():
            name = f"{self.name}: {names.said(metric)}, right less wrong"
            line = answer.finding(name, each, share=metric in names.SHARES, reason=wording.sides(each))
            lines.append(line if judging.testable(each) else replace(line, p=None, reason=f"{line.reason}: not tested"))
        return found, dict(zip(found, judging.corrected(lines), strict=True))

    def _areas(self) -> dict[str, tuple[Ranking, int]]:
        """AUROCs for an error, and the groups that they rest on; confidence is asked on the same scans."""
        sure = np.clip(self.confidence, 1e-6, 1 - 1e-6)
        unsure = np.log(sure / (1 - sure))[:, None]
        # as it is: held-out odds of a lone useless score rank below 0.5, and anything would seem to add to them
        doubt = -self.confidence
        known = np.isfinite(self.columns.get(names.ENERGY, np.full(self.wrong.size, np.nan)))
        found: dict[str, tuple[Ranking, int]] = {}
        for title, metrics, on in ((_OPEN, OPEN, np.ones_like(known)), (_MASKED, MASKED, known)):
            wrong, groups = self.wrong[on], [group for group, some in zip(self.groups, on, strict=True) if some]
            if rarer(wrong, groups) < ERRORS.value:
                continue
            n = len(set(groups))
            where = "" if title == _OPEN else ", where the tumour is known"
            found[f"confidence alone{where}"] = ranking(wrong, doubt[on], groups), n
            columns = [column[on] for column in self._covered(metrics, on)]
            if not columns:
                continue
            features = np.column_stack(columns)
            with_both = held_out(np.column_stack([unsure[on], features]), wrong, groups)
            found[f"{title} alone"] = ranking(wrong, held_out(features, wrong, groups), groups), n
            found[f"confidence and {title}"] = ranking(wrong, with_both, groups), n
            found[f"added by {title}"] = gain(wrong, with_both, doubt[on], groups), n
        return found

    def _covered(self, metrics: Sequence[str], on: Bool[np.ndarray, " n"]) -> list[np.ndarray]:
        some = [self.columns[name] for name in metrics if name in self.columns]
        return [each for each in some if np.isfinite(each[on]).mean() >= COVERED]

    def _area(self, title: str) -> Ranking | None:
        return self.areas[title][0] if title in self.areas else None

    def judged(self) -> dict[str, judging.Judged]:
        """By metric, what may be said of right beside wrong, by the corrected p-values: of those that were tested, or
        where none was, of all."""
        tested = {metric: each for metric, each in self.apart.items() if judging.testable(each)} or self.apart
        return {metric: judging.judge(each, self.lines[metric].corrected) for metric, each in tested.items()}

    @property
    def verdict(self) -> Word:
        words = set(self.judged().values())
        if not words:
            return "not measured"
        if words & {"more", "less"}:
            return "yes"
        return "too few to tell" if "too few" in words else "no"

    def _most(self) -> str | None:
        """The metric in which right and wrong surely differ most, by the size of the effect."""
        sure = [metric for metric, word in self.judged().items() if word in ("more", "less")]
        return max(sure, key=lambda metric: abs(self.apart[metric].effect), default=None)

    def words(self) -> list[tuple[str, str]]:
        return [("right and wrong differ", self.verdict), ("predicts errors beyond confidence", self.predicts)]

    @property
    def predicts(self) -> Word:
        if not self.enough:
            return "too few to tell"
        added, both = self._area(f"added by {_OPEN}"), self._area(f"confidence and {_OPEN}")
        if added is None or both is None:
            return "not measured"
        if added.low > 0 and both.low > GUESSING:
            return "yes"
        return "no" if added.high < ADDED.value else "too few to tell"

    def evidence(self) -> list[Finding]:
        return [*self.lines.values(), *map(self._line, self.areas)]

    def _line(self, title: str) -> Finding:
        """One of the AUROCs as evidence."""
        area, n = self.areas[title]
        signed = title.startswith("added")
        ends = answer.number(area.low), answer.number(area.high)
        name = f"{self.name}: AUROC for an error, {title}"
        return Finding(name, answer.number(area.value), *ends, n, signed=signed, chance=None if signed else GUESSING)

    def _figure(self, title: str) -> str:
        return wording.figure(self._line(title))

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
        if (metric := self._most()) is not None:
            differ += f" (right less wrong most in {names.said(metric)}: {wording.figure(self.lines[metric])})"
        adds = {
            "yes": "with its confidence they find errors better than that does alone",
            "no": f"with its confidence they find errors {self._no_better()} than that does alone",
            "too few to tell": f"{few} they help to find errors",
        }.get(self.predicts, "whether they help to find errors was not measured")
        alone, added = self._area("confidence alone"), self._area(f"added by {_OPEN}")
        if alone is not None and added is not None:
            adds += f" (AUROC {alone.value:.2f} alone, {fixed(added.value, 2, sign=True)} with them)"
        return f"{differ[:1].upper()}{differ[1:]}, and {adds}."

    def _no_better(self) -> str:
        added = self._area(f"added by {_OPEN}")
        return "worse" if added is not None and added.high < 0 else "hardly better"

    def sentence(self) -> str:
        count = f"{self.name} is wrong on {int(self.wrong.sum())} of {self.wrong.size} scans"
        if not self.apart:
            return f"{count}; no metric was measured on them."
        words = self.judged()
        if (metric := self._most()) is not None:
            sure = sum(word in ("more", "less") for word in words.values())
            differ = f"right and wrong predictions differ in {sure} of {len(words)} metrics, by the effect most in "
            size = wording.difference(self.apart[metric], self.lines[metric].corrected, share=metric in names.SHARES)
            differ += f"{names.said(metric)} (right less wrong {size}; {wording.sides(self.apart[metric])})"
        elif self.verdict == "too few to tell":
            few = [metric for metric, word in words.items() if word == "too few"]
            best = max(few, key=lambda metric: judging.fewest(self.apart[metric]))
            which = "whether the maps differ" if len(few) == len(words) else f"for {len(few)} of {len(words)} metrics"
            differ = f"there are too few scans to tell {which}: {self._few(best, few)}"
        else:
            differ = "their maps differ in no metric that was taken"
        return f"{count}; {differ}. {self._prediction()}"

    def _few(self, best: str, few: Sequence[str]) -> str:
        """Why, for the metric that was measured on most scans; and of others, that were measured on fewer, where."""
        found = self.apart[best]
        if judging.testable(found):
            return wording.enough(found)
        text = (
            f"{found.n} independent groups of scans are right and {found.other} wrong, and a test needs "
            f"{FEWEST.value:.0f} of each"
        )
        masked = [self.apart[metric] for metric in few if metric in MASKED]
        least = min(masked, key=judging.fewest, default=found)
        if judging.fewest(least) < judging.fewest(found):
            text += f" (of those with a known tumour, on which maps are laid beside it, {least.n} and {least.other})"
        return text

    def _prediction(self) -> str:
        if not self.enough:
            return (
                f"There are too few to say whether a map predicts an error: of wrong and right predictions at least "
                f"{ERRORS.value:.0f} groups each are asked, and of one there are {self.fewest}."
            )
        text = f"Confidence alone finds its errors with an AUROC of {self._figure('confidence alone')}"
        added = self._area(f"added by {_OPEN}")
        if added is None:
            return f"{text}; what maps add was not measured."
        if f"{_OPEN} alone" in self.areas:
            text += f", maps alone, without a mask, with {self._figure(f'{_OPEN} alone')}"
        verb = {
            "yes": "maps add to it:",
            "no": "adding maps makes it worse:" if added.high < 0 else
            f"maps add next to nothing to it (surely less than {ADDED.value}):",
        }.get(self.predicts, "there are too few scans to tell whether maps add to it:")  # fmt: skip
        text += f"; {verb} {self._figure(f'added by {_OPEN}')}."
        if (masked := f"{_MASKED} alone") in self.areas:
            n = wording.groups(self.areas[masked][1])
            text += f" How well maps fit the known tumour finds them with {self._figure(masked)} ({n})."
        return text


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))
