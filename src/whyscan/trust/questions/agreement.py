"""Question 5: do the methods agree with each other, where, and does agreement go with truth?

Three differences are tested on the best model, and corrected for their number: agreement inside the tumour less the
rest of the brain, on right predictions less wrong ones, and the weight in the tumour where methods agree more less
where they agree less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, apart, paired
from whyscan.stats.ranking import ranking
from whyscan.trust import answer, dotted, judging, select, wording
from whyscan.trust import names as called
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.names import ENERGY
from whyscan.trust.table import Row
from whyscan.trust.thresholds import AGREE, ERRORS, FEWEST

NUMBER = 5
QUESTION = "Do the methods agree with each other, where, and does agreement go with truth?"


def agreement(rows: Sequence[Row], table: Sequence[Mapping[str, Any]], best: str | None) -> Answer:
    """Of a table of agreement: rows with model, content, group, label, predicted and what
    `trust.agreeing.agreement_row` gives."""
    known = [row for row in table if row.get("mean") is not None]
    if not known:
        return Answer(NUMBER, QUESTION, "not measured", "Not measured: no scan has maps of two methods that are there.")
    names = list(dict.fromkeys(str(row["model"]) for row in known))
    model = best if best in names else names[0]
    mine = [row for row in known if row["model"] == model]
    found = {name: _mean([row for row in known if row["model"] == name], name) for name in names}
    first = found[model]
    tested = [each for each in (_where(mine, model), _truth(mine, model), _plausible(rows, mine, model)) if each]
    lines = judging.corrected([answer.finding(each.line, each.found, share=each.share) for each in tested])
    words = [judging.judge(each.found, line.corrected) for each, line in zip(tested, lines, strict=True)]
    told = [
        f"On {wording.groups(first.n or 0)} the maps of different methods for {model} have a mean rank correlation of "
        f"{wording.figure(first)}: {_reading(_word(first))}."
    ]
    told += [each.sentence(word, line.corrected) for each, word, line in zip(tested, words, lines, strict=True)]
    parts = [(f"{name}: agree", _word(line)) for name, line in found.items()]
    parts += [(each.part, judging.YES[word]) for each, word in zip(tested, words, strict=True)]
    area = _area(mine, model)
    if area is not None and area.value is not None:
        told.append(f"As a sign of being right agreement has an AUROC of {wording.figure(area)}; 0.5 is guessing.")
    more = [chart for chart in (_places(known, names), _sides(known, names)) if chart is not None]
    return Answer(
        NUMBER, QUESTION, _word(first), " ".join(told), (*found.values(), *lines, *([area] if area else ())),
        tuple(parts),
        (
            "1 is the same order of regions, 0 none in common. Methods that share an idea agree because of it.",
            "At a pixel those methods agree that say what the mean of all says there: its sign or, where one knows "
            "no against, whether the region is among the strongest fifth.",
        ),
        _figure(mine, model), tuple(more), short=_short(model, first, dict(parts), tested, area),
        badges=(("agree", _word(first)), *((each.half, judging.YES[w]) for each, w in zip(tested, words, strict=True))),
        methods=tuple(dict.fromkeys(name for row in known for pair in row["pairs"] for name in pair[:2])),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tested:
    """One difference.

    Attributes:
        found: it.
        line, part, half: what it is called in the evidence, as a question, and as a part of this one.
        reads: how the sentence goes on for each word; `{}` takes the figures.
        share: whether it is one of shares.
    """

    found: Difference
    line: str
    part: str
    half: str
    reads: Mapping[judging.Judged, str]
    share: bool

    def sentence(self, word: judging.Judged, p: float | None) -> str:
        return self.reads[word].format(wording.difference(self.found, p, share=self.share))


def _spoken(start: str, few: str, more: str, less: str, none: str) -> dict[judging.Judged, str]:
    return {
        "more": f"{start} {more} ({{}}).", "less": f"{start} {less} ({{}}).", "none": f"{start} {none} ({{}}).",
        "too few": f"There are too few scans to tell whether {few} ({{}}).",
    }  # fmt: skip


def _mean(mine: Sequence[Mapping[str, Any]], model: str) -> Finding:
    numbers, groups = np.array([row["mean"] for row in mine], float), [str(row["group"]) for row in mine]
    return answer.mean(
        f"{model}: mean rank correlation between methods", numbers, groups, within=(-1.0, 1.0), chance=0.0
    )


def _word(line: Finding) -> Word:
    if line.low is None or line.high is None or (line.n or 0) < FEWEST.value:
        return "too few to tell"
    if line.low > AGREE.value:
        return "yes"
    return "no" if line.high < AGREE.value else "too few to tell"


def _reading(word: Word) -> str:
    if word == "yes":
        return "they agree"
    if word == "no":
        return f"they show different pictures (agreement would be {AGREE.value} or more)"
    return f"too few to tell whether that is {AGREE.value} or more"


def _short(
    model: str, first: Finding, parts: Mapping[str, str], tested: Sequence[_Tested], area: Finding | None
) -> str:
    agree = {"yes": "The methods agree", "no": "The methods show different pictures"}.get(
        _word(first), "There are too few scans to tell whether the methods agree"
    )
    told = f"{agree} (mean rank correlation {wording.figure(first)})"
    truth = parts.get(f"{model}: {_TRUTH}")
    signs = {"yes": ", and agreement is a sign of being right", "no": ", and agreement is no sign of being right"}
    told += signs.get(truth or "", "")
    if truth in signs and area is not None and area.value is not None:
        told += f" (AUROC {wording.figure(area)})"
    tumour = {"yes": "more", "no": "no more"}.get(parts.get(f"{model}: {_TUMOUR}", ""))
    if tumour:
        size = next(wording.size(each.found, share=True) for each in tested if each.part.endswith(_TUMOUR))
        told += f"; on scans on which they agree more, {tumour} of the weight lies in the tumour ({size})"
    return f"{told}."


_TRUTH, _TUMOUR = "agreement goes with being right", "agreement goes with the tumour"


def _where(mine: Sequence[Mapping[str, Any]], model: str) -> _Tested | None:
    """Whether methods agree more inside the tumour than in the rest of the brain."""
    both = [row for row in mine if all((row.get("places") or {}).get(each) is not None for each in ("tumour", "brain"))]
    if not both:
        return None
    inside, outside = (np.array([row["places"][name] for row in both], float) for name in ("tumour", "brain"))
    found = paired(inside, outside, [str(row["group"]) for row in both], within=(0.0, 1.0))
    share = wording.percent(float(inside.mean()))
    reads = _spoken(
        f"At a pixel of the tumour {share} of the methods agree,",
        f"methods agree more at a pixel of the tumour ({share} of them) than of the rest of the brain",
        "more than in the rest of the brain", "less than in the rest of the brain",
        "as many as in the rest of the brain",
    )  # fmt: skip
    return _Tested(
        found, f"{model}: share of methods that agree, tumour less brain",
        f"{model}: more in the tumour than in the brain", "agree more at the tumour", reads, share=True,
    )  # fmt: skip


def _right(mine: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """Agreement, which predictions are wrong, and groups; None where all are right, or wrong, or nobody knows."""
    known = [row for row in mine if row["label"]]
    wrong = np.array([row["label"] != row["predicted"] for row in known], bool)
    if not known or wrong.all() or not wrong.any():
        return None
    return np.array([row["mean"] for row in known], float), wrong, [str(row["group"]) for row in known]


def _truth(mine: Sequence[Mapping[str, Any]], model: str) -> _Tested | None:
    """Whether agreement is higher where the prediction is right."""
    sides = _right(mine)
    if sides is None:
        return None
    reads = _spoken(
        "Agreement is", "agreement is higher where the prediction is right", "higher where the prediction is right",
        "lower where the prediction is right", "no different where the prediction is right",
    )  # fmt: skip
    return _Tested(
        apart(*sides, within=(-1.0, 1.0)), f"{model}: agreement, right less wrong",
        f"{model}: {_TRUTH}", "agree more where right", reads, share=False,
    )  # fmt: skip


def _area(mine: Sequence[Mapping[str, Any]], model: str) -> Finding | None:
    """How well agreement tells right from wrong; not with so few of one kind that two more would change it."""
    sides = _right(mine)
    if sides is None:
        return None
    numbers, wrong, groups = sides
    name = f"{model}: AUROC of agreement for being right"
    of = [len({group for group, each in zip(groups, wrong, strict=True) if each == kind}) for kind in (False, True)]
    if min(of) < ERRORS.value:
        reason = f"{of[0]} groups of right and {of[1]} of wrong predictions; {ERRORS.value:.0f} of each are asked"
        return Finding(name, None, n=len(set(groups)), chance=0.5, reason=reason)
    area = ranking(~wrong, numbers, groups)
    return Finding(name, answer.number(area.value), answer.number(area.low), answer.number(area.high),
                   len(set(groups)), chance=0.5)  # fmt: skip


def _plausible(rows: Sequence[Row], mine: Sequence[Mapping[str, Any]], model: str) -> _Tested | None:
    """Whether maps lie in the tumour more on the half of the scans on which methods agree more."""
    own = select.scan_means(select.real(select.values(select.main_rows(rows), ENERGY)), model)
    both = [row for row in mine if row["content"] in own]
    if len(both) < 2 * FEWEST.value:
        return None
    agreed = np.array([row["mean"] for row in both], float)
    energy = np.array([own[row["content"]] for row in both])
    if not (agreed > np.median(agreed)).any():
        return None
    found = apart(energy, agreed <= np.median(agreed), [str(row["group"]) for row in both], within=(0.0, 1.0))
    reads = _spoken(
        "On the half of the scans on which methods agree more,",
        "more of the positive weight lies in the tumour where methods agree more",
        "more of the positive weight lies in the tumour", "less of the positive weight lies in the tumour",
        "no more of the positive weight lies in the tumour",
    )  # fmt: skip
    return _Tested(
        found, f"{model}: positive weight in the tumour, agreeing half less other half",
        f"{model}: {_TUMOUR}", "more tumour weight on scans of agreement", reads, share=True,
    )  # fmt: skip


def _places(known: Sequence[Mapping[str, Any]], models: Sequence[str]) -> dict[str, Any] | None:
    """The share of methods that agree at a pixel, by place."""
    entries = []
    for model in models:
        rows = [row for row in known if row["model"] == model]
        for place in dict.fromkeys(name for row in rows for name in row.get("places") or {}):
            of = [row for row in rows if (row.get("places") or {}).get(place) is not None]
            entries += _dots(place, [row["places"][place] for row in of], of, model, (0.0, 1.0))
    if not entries:
        return None
    return dotted.dots(
        "Where the methods agree", "share of the methods that agree at a pixel, with 95 % interval", entries,
        reference=None, percent=True,
    )  # fmt: skip


def _sides(known: Sequence[Mapping[str, Any]], models: Sequence[str]) -> dict[str, Any] | None:
    """How alike maps are where the prediction is right, and where it is wrong."""
    entries = []
    for side, right in (("right predictions", True), ("wrong predictions", False)):
        for model in models:
            of = [
                row for row in known
                if row["model"] == model and row["label"] and (row["label"] == row["predicted"]) == right
            ]  # fmt: skip
            entries += _dots(side, [row["mean"] for row in of], of, model, (-1.0, 1.0))
    if len({entry["label"] for entry in entries}) < 2:
        return None
    return dotted.dots(
        "Whether agreement goes with being right", "mean rank correlation between methods, with 95 % interval",
        entries, reference=AGREE.value, reference_name="they agree",
        note=f"Sides with fewer than {FEWEST.value:.0f} independent groups of scans are drawn hollow.",
    )  # fmt: skip


def _dots(
    label: str, numbers: Sequence[float], rows: Sequence[Mapping[str, Any]], model: str, within: tuple[float, float]
) -> list[dict[str, Any]]:
    if not numbers:
        return []
    groups = [str(row["group"]) for row in rows]
    line = answer.mean(label, np.array(numbers, float), groups, within=within)
    if line.value is None or line.low is None or line.high is None:
        return []
    return [dotted.dot(label, line.value, line.low, line.high, model, sure=(line.n or 0) >= FEWEST.value)]


def _figure(mine: Sequence[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """A matrix of the mean correlation of each pair of methods."""
    sums: dict[tuple[str, str], list[float]] = {}
    for row in mine:
        for a, b, value in row["pairs"]:
            sums.setdefault((str(a), str(b)), []).append(float(value))
    names = list(dict.fromkeys(name for pair in sums for name in pair))
    cells: list[list[float | None]] = [[1.0 if a == b else None for b in names] for a in names]
    for (a, b), each in sums.items():
        i, j = names.index(a), names.index(b)
        cells[i][j] = cells[j][i] = float(np.mean(each))
    return {
        "kind": "matrix", "title": f"How alike the maps of two methods are, {model}",
        "names": [called.title(name) for name in names], "values": cells,
        "unit": "mean rank correlation over regions (Spearman): 1 the same order, 0 none in common", "note": "",
    }  # fmt: skip
