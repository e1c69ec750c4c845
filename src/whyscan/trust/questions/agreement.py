"""Question 5: do the methods agree with each other, where, and does agreement go with truth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.stats.differences import apart, mean_interval, paired
from whyscan.stats.ranking import ranking
from whyscan.trust import answer, select
from whyscan.trust import names as called
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.names import ENERGY
from whyscan.trust.table import Row
from whyscan.trust.thresholds import AGREE, FEWEST

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
    found = {name: _mean(known, name) for name in names}
    first = found[model]
    evidence = [*found.values()]
    parts: list[tuple[str, str]] = [(f"{name}: agree", _word(line)) for name, line in found.items()]
    told = [
        f"On {first.n} groups of scans the maps of different methods for {model} have a mean rank correlation of "
        f"{first.value:.2f} {answer.between(first.low, first.high)}: {_reading(_word(first))}."
    ]
    for more, line, part in (_where(known, model), _truth(known, model), _plausible(rows, known, model)):
        told += [more] if more else []
        evidence += line
        parts += part
    return Answer(
        NUMBER, QUESTION, _word(first), " ".join(told), tuple(evidence), tuple(parts),
        ("1 is the same order of regions, 0 none in common. Methods that share an idea agree because of it.",),
        _figure(known, model), short=_short(model, _word(first), dict(parts)),
    )  # fmt: skip


More = tuple[str, list[Finding], list[tuple[str, str]]]


def _mean(known: Sequence[Mapping[str, Any]], model: str) -> Finding:
    mine = [row for row in known if row["model"] == model]
    numbers, groups = np.array([row["mean"] for row in mine], float), [str(row["group"]) for row in mine]
    low, high = mean_interval(numbers, groups, rng=np.random.default_rng(0), within=(-1.0, 1.0))
    return Finding(f"{model}: mean rank correlation between methods", float(numbers.mean()), answer.number(low),
                   answer.number(high), len(set(groups)), chance=0.0)  # fmt: skip


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


def _short(model: str, word: Word, parts: Mapping[str, str]) -> str:
    agree = {"yes": "The methods agree", "no": "The methods show different pictures"}.get(
        word, "There are too few scans to tell whether the methods agree"
    )
    truth = parts.get(f"{model}: agreement goes with being right")
    signs = {"yes": ", and agreement is a sign of being right", "no": ", and agreement is no sign of being right"}
    return f"{agree}{signs.get(truth or '', '')}."


def _where(known: Sequence[Mapping[str, Any]], model: str) -> More:
    """Whether methods agree more inside the tumour than in the rest of the brain."""
    both = [
        row
        for row in known
        if row["model"] == model
        and all((row.get("places") or {}).get(each) is not None for each in ("tumour", "brain"))
    ]
    if not both:
        return "", [], []
    inside, outside = (np.array([row["places"][name] for row in both], float) for name in ("tumour", "brain"))
    found = paired(inside, outside, [str(row["group"]) for row in both])
    word = answer.judge(found)
    reads = {"more": "more than", "less": "less than", "none": "no differently from",
             "too few": "too few scans to compare it with"}[word]  # fmt: skip
    sentence = (
        f"Inside the tumour {answer.percent(float(inside.mean()))} of the methods agree at a pixel, {reads} in the "
        f"rest of the brain ({answer.points(found)})."
    )
    line = answer.finding(f"{model}: share of methods that agree, tumour less brain", found, share=True)
    return sentence, [line], [(f"{model}: more in the tumour than in the brain", _yes(word))]


def _truth(known: Sequence[Mapping[str, Any]], model: str) -> More:
    """Whether agreement is higher where the prediction is right."""
    mine = [row for row in known if row["model"] == model and row["label"]]
    wrong = np.array([row["label"] != row["predicted"] for row in mine], bool)
    if not mine or wrong.all() or not wrong.any():
        return "", [], []
    numbers, groups = np.array([row["mean"] for row in mine], float), [str(row["group"]) for row in mine]
    found = apart(numbers, wrong, groups)
    area = ranking(~wrong, numbers, groups)
    word = answer.judge(found)
    reads = {"more": "higher", "less": "lower", "none": "no different", "too few": ""}[word]
    sentence = (
        "There are too few scans to tell whether agreement is higher where the prediction is right"
        if word == "too few"
        else f"Agreement is {reads} where the prediction is right"
    )
    sentence += f" (right less wrong {answer.plainly(found)})"
    sentence += f"; as a sign of being right its AUROC is {area.value:.2f} {answer.between(area.low, area.high)}."
    lines = [
        answer.finding(f"{model}: agreement, right less wrong", found),
        Finding(f"{model}: AUROC of agreement for being right", answer.number(area.value), answer.number(area.low),
                answer.number(area.high), len(set(groups)), chance=0.5),
    ]  # fmt: skip
    return sentence, lines, [(f"{model}: agreement goes with being right", _yes(word))]


def _plausible(rows: Sequence[Row], known: Sequence[Mapping[str, Any]], model: str) -> More:
    """Whether maps lie in the tumour more on the half of the scans on which methods agree more."""
    own = select.scan_means(select.real(select.values(select.main_rows(rows), ENERGY)), model)
    both = [row for row in known if row["model"] == model and row["content"] in own]
    if len(both) < 2 * FEWEST.value:
        return "", [], []
    agreed = np.array([row["mean"] for row in both], float)
    energy = np.array([own[row["content"]] for row in both])
    found = apart(energy, agreed <= np.median(agreed), [str(row["group"]) for row in both])
    word = answer.judge(found)
    reads = {"more": "more", "less": "less", "none": "no more", "too few": "too few scans tell whether more"}[word]
    sentence = f"Where methods agree more, {reads} of the attribution lies in the tumour ({answer.points(found)})."
    line = answer.finding(f"{model}: energy in the tumour, agreeing half less other half", found, share=True)
    return sentence, [line], [(f"{model}: agreement goes with the tumour", _yes(word))]


def _yes(word: str) -> Word:
    return {"more": "yes", "less": "no", "none": "no", "too few": "too few to tell"}[word]  # type: ignore[return-value]


def _figure(known: Sequence[Mapping[str, Any]], model: str) -> dict[str, Any]:
    """A matrix of the mean correlation of each pair of methods."""
    sums: dict[tuple[str, str], list[float]] = {}
    for row in known:
        if row["model"] == model:
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
