"""Question 1: does the accurate model look at the tumour more than the weak one?

The share of positive weight that lies in the tumour has no unit, so two models can be laid side by side. It is
compared on the same scans and for the same class (the true one), and once more on the scans that both models get
right: where the difference is gone there, the weak model is less accurate; where it stays, it looks elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, names, select
from whyscan.trust.answer import Answer, Finding
from whyscan.trust.every import range_of
from whyscan.trust.names import AUC, ENERGY, ENERGY_CHANCE, POINTING, is_null
from whyscan.trust.select import Told
from whyscan.trust.table import Row

NUMBER = 1
QUESTION = "Does the accurate model look at the tumour more than the weak one?"


def looks(rows: Sequence[Row], best: str | None, weak: str | None) -> Answer:
    """See the module's docstring."""
    if not best or not weak or best == weak:
        return _unmeasured("There are not two models to compare.")
    told = select.predictions(rows)
    own = select.main_rows(rows)
    pairs = select.matched(select.real(select.values(own, ENERGY)), best, weak)
    if not pairs:
        return _unmeasured("No scan has a tumour mask on which both models' maps were measured.")
    both = {key: pair for key, pair in pairs.items() if told[best, key[1]].right and told[weak, key[1]].right}
    whole, right = _test(pairs, told, best), _test(both, told, best)
    methods = {_ALL: _methods(pairs, told, best), _RIGHT: _methods(both, told, best)}
    chance = _mean(select.values(own, ENERGY_CHANCE), best)
    ours, theirs = (_side(pairs, told, best, side) for side in (0, 1))
    of_all, of_right = answer.judge(whole), answer.judge(right)
    found = [
        replace(ours, name=f"{best}: share of positive weight in the tumour", chance=chance),
        replace(theirs, name=f"{weak}: the same, on the same scans", chance=chance),
        answer.finding(f"difference, {whole.n} groups of scans", whole, share=True),
        answer.finding(f"difference where both are right, {right.n} groups of scans", right, share=True),
        *(line for _, _, line in methods[_ALL]),
        *(replace(line, name=f"{line.name}, where both are right") for _, _, line in methods[_RIGHT]),
        *_others(own, told, best, weak),
        *_nulls(own, told),
    ]
    verdict = answer.YES[of_all]
    return Answer(
        NUMBER,
        QUESTION,
        verdict,
        _sentence(best, weak, ours, theirs, whole, right, chance),
        tuple(found),
        ((_ALL, _word(of_all)), (_RIGHT, _word(of_right))),
        ("The lesion's share of the image is what a map spread evenly would put there.",),
        _figure(pairs, told, best, weak, chance),
        (_differences(best, weak, {_ALL: whole, _RIGHT: right}, methods),),
        short=_short(best, weak, of_all, of_right),
    )


_ALL, _RIGHT = "on all scans", "where both are right"


def _unmeasured(why: str) -> Answer:
    return Answer(NUMBER, QUESTION, "not measured", f"Not measured: {why}")


def _word(judged: str) -> str:
    return {"more": "more", "less": "less", "none": "no difference", "too few": "too few to tell"}[judged]


Pairs = Mapping[tuple[str, str], tuple[float, float]]
"""By (method, scan), the values of the best and of the weak model."""


def _by_scan(pairs: Pairs) -> dict[str, list[tuple[float, float]]]:
    of: dict[str, list[tuple[float, float]]] = {}
    for (_, scan), pair in pairs.items():
        of.setdefault(scan, []).append(pair)
    return of


def _test(pairs: Pairs, told: Mapping[Any, Told], model: str, metric: str = ENERGY) -> Difference:
    """Each scan's mean over the methods that both models have on it."""
    of = _by_scan(pairs)
    scans = sorted(of)
    means = [np.mean(of[scan], axis=0) for scan in scans]
    table = np.array(means).reshape(-1, 2)
    groups = [told[model, scan].group for scan in scans]
    return paired(table[:, 0], table[:, 1], groups, within=range_of(metric))


def _side(pairs: Pairs, told: Mapping[Any, Told], model: str, side: int) -> Finding:
    of = _by_scan(pairs)
    means = np.array([np.mean([pair[side] for pair in each]) for each in of.values()])
    groups = [told[model, scan].group for scan in of]
    return answer.mean("", means, groups, within=(0.0, 1.0), share=True)


def _mean(found: Mapping[select.Key, float], model: str) -> float | None:
    mine = [value for (name, method, _), value in found.items() if name == model and not is_null(method)]
    return float(np.mean(mine)) if mine else None


Method = tuple[str, Difference, Finding]
"""A method's title, its difference, and that as evidence."""


def _methods(pairs: Pairs, told: Mapping[Any, Told], model: str) -> list[Method]:
    """The same for each method alone, corrected for their number."""
    methods = list(dict.fromkeys(method for method, _ in pairs))
    tested = [_test({key: pair for key, pair in pairs.items() if key[0] == name}, told, model) for name in methods]
    titles = [names.title(name) for name in methods]
    found = [
        answer.finding(f"difference, {title}", each, share=True) for title, each in zip(titles, tested, strict=True)
    ]
    return list(zip(titles, tested, answer.corrected(found), strict=True))


def _others(own: Sequence[Row], told: Mapping[Any, Told], best: str, weak: str) -> list[Finding]:
    """Other ways to ask where the map lies."""
    found = []
    for metric, share in ((POINTING, True), (AUC, False)):
        pairs = select.matched(select.real(select.values(own, metric)), best, weak)
        if pairs:
            tested = _test(pairs, told, best, metric)
            found.append(answer.finding(f"difference of {names.said(metric)}", tested, share=share))
    return found


def _nulls(own: Sequence[Row], told: Mapping[Any, Told]) -> list[Finding]:
    """What explanations that know nothing of the model get."""
    found = []
    values = select.values(own, ENERGY)
    group = {scan: each.group for (_, scan), each in told.items()}
    for name in [each for each in select.methods(values) if is_null(each)]:
        of = {scan: value for (_, method, scan), value in values.items() if method == name}
        groups = [group[scan] for scan in of]
        numbers = np.array(list(of.values()))
        title = f"{names.title(name)}: share in the tumour"
        found.append(answer.mean(title, numbers, groups, within=(0.0, 1.0), share=True))
    return found


def _sentence(
    best: str, weak: str, ours: Finding, theirs: Finding, whole: Difference, right: Difference, chance: float | None
) -> str:
    shares = [
        f"{answer.percent(each.value, 1)} {answer.between(each.low, each.high, scale=100, digits=1)}"
        for each in (ours, theirs)
    ]
    told = [
        f"Of the positive weight of the maps, {best} puts {shares[0]} into the tumour and {weak} {shares[1]}, on the "
        f"same scans ({answer.points(whole)}; {answer.groups(whole.n)})."
    ]
    if chance is not None:
        told.append(f"An even spread would put {answer.percent(chance, 1)} there.")
    if right.n:
        told.append(f"Where both are right the difference is {answer.points(right)} ({answer.groups(right.n)}).")
    else:
        told.append("On no scan are both right.")
    told.append(_reading(weak, whole, right))
    return " ".join(told)


def _short(best: str, weak: str, of_all: str, of_right: str) -> str:
    if of_all == "too few":
        return f"There are too few scans to tell whether {best} looks at the tumour more than {weak}."
    if of_all == "none":
        return f"{best} and {weak} look at the tumour alike."
    if of_all == "less":
        return f"{best} looks at the tumour less than {weak}, though it is more accurate."
    more = {
        "more": f"also where both are right: {weak} looks elsewhere, and is not only less accurate",
        "none": f"but not where both are right: {weak} is less accurate, and looks elsewhere only where it errs",
        "less": f"but less where both are right: {weak} looks elsewhere only where it errs",
        "too few": f"but there are too few scans to tell whether {weak} looks elsewhere or is only less accurate",
    }
    return f"{best} looks at the tumour more than {weak}, {more[of_right]}."


def _reading(weak: str, whole: Difference, right: Difference) -> str:
    of_all, of_right = answer.judge(whole), answer.judge(right)
    if of_all == "too few":
        return f"Too few to tell: {answer.enough(whole)}."
    if of_all == "none":
        return "No difference, and one of medium size (half of the usual spread from scan to scan) is ruled out."
    if of_all == "less":
        return "So the more accurate model looks at the tumour less: its accuracy comes from elsewhere in part."
    if of_right == "more":
        return f"So {weak} is not only less accurate, it looks elsewhere."
    if of_right == "too few":
        return f"Whether {weak} looks elsewhere or is only less accurate cannot be told: {answer.enough(right)}."
    if of_right == "none":
        return f"So {weak} looks elsewhere only where it errs."
    return f"So where both are right {weak} looks at the tumour more."


def _differences(
    best: str, weak: str, whole: Mapping[str, Difference], methods: Mapping[str, Sequence[Method]]
) -> dict[str, Any]:
    """On all scans, and where both are right: all methods together, and each alone."""
    entries = []
    for where, found in whole.items():
        rows = [("all methods together", found, found.p), *((t, d, line.corrected) for t, d, line in methods[where])]
        entries += [
            answer.dot(title, each.value, each.low, each.high, where, sure=answer.judge(each, p) in ("more", "less"))
            for title, each, p in rows
            if np.isfinite([each.value, each.low, each.high]).all()
        ]
    return answer.dots(
        f"How much more of its positive weight {best} puts into the tumour than {weak}",
        "difference of shares, with 95 % interval", entries, reference_name="no difference", percent=True,
        note="Where a difference is gone on the scans that both get right, the weak model looks elsewhere only where "
        f"it errs. {answer.HOLLOW} The methods are corrected for their number.",
    )  # fmt: skip


def _figure(
    pairs: Pairs,
    told: Mapping[Any, Told],
    best: str,
    weak: str,
    chance: float | None,
) -> dict[str, Any]:
    entries = []
    for method in dict.fromkeys(method for method, _ in pairs):
        some = {key: pair for key, pair in pairs.items() if key[0] == method}
        for side, model in enumerate((best, weak)):
            each = _side(some, told, best, side)
            assert each.value is not None
            low, high = (each.value if end is None else end for end in (each.low, each.high))
            entries.append(answer.dot(names.title(method), each.value, low, high, model, chance))
    return answer.dots(
        "Share of each method's positive weight that lies in the tumour, on the same scans",
        "share of positive weight, with 95 % interval", entries, reference=chance, reference_name="an even spread",
        percent=True,
    )  # fmt: skip
