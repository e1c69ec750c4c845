"""Question 1: does the accurate model look at the tumour more than the weak one?

The share of positive weight that lies in the tumour has no unit, so two models can be laid side by side. It is
compared on the same scans and for the same class (the true one), and once more on the scans that both models get
right and on the others: where the difference stays on the former, the weak model looks elsewhere; where it is surely
larger on the latter and gone on the former, it is less accurate, and looks elsewhere only there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.stats.differences import Difference, apart, paired
from whyscan.trust import answer, dotted, judging, names, select, wording
from whyscan.trust.answer import Answer, Finding
from whyscan.trust.every import range_of
from whyscan.trust.names import AUC, ENERGY, ENERGY_CHANCE, POINTING, is_null
from whyscan.trust.questions.looked import ALL, MORE_WRONG, RIGHT, WRONG, Beyond, Looked, Method, sentence, short
from whyscan.trust.select import Told
from whyscan.trust.table import Row

NUMBER = 1
QUESTION = "Does the accurate model look at the tumour more than the weak one?"


def looks(rows: Sequence[Row], best: str | None, weak: str | None, failing: Collection[str] = ()) -> Answer:
    """See the module's docstring.

    Args:
        failing: methods whose verdict on either model is "fails": the difference is told once more without them.
    """
    if not best or not weak or best == weak:
        return _unmeasured("There are not two models to compare.")
    told = select.predictions(rows)
    own = select.main_rows(rows)
    pairs = _pairs(own, best, weak)
    if not pairs:
        return _unmeasured("No scan has a tumour mask on which both models' maps were measured.")
    right = {key[1]: told[best, key[1]].right and told[weak, key[1]].right for key in pairs}
    parts = {
        ALL: pairs,
        RIGHT: {key: pair for key, pair in pairs.items() if right[key[1]]},
        WRONG: {key: pair for key, pair in pairs.items() if not right[key[1]]},
    }
    tests = Looked(
        {where: _test(some, told, best) for where, some in parts.items()},
        _gap(pairs, right, told, best),
        {where: _methods(parts[where], told, best) for where in (ALL, RIGHT)},
        _sound(pairs, failing, told, best),
        _beyond(pairs, own, told, best),
    )
    chance = _mean(select.values(own, ENERGY_CHANCE), best)
    ours, theirs = (_side(pairs, told, best, side) for side in (0, 1))
    found = [
        replace(ours, name=f"{best}: share of positive weight in the tumour", chance=chance),
        replace(theirs, name=f"{weak}: the same, on the same scans", chance=chance),
        *tests.evidence(),
        *_others(own, told, best, weak),
        *_nulls(own, told),
    ]
    words = {where: judging.judge(each) for where, each in tests.whole.items()}
    return Answer(
        NUMBER,
        QUESTION,
        judging.YES[words[ALL]],
        sentence(best, weak, ours, theirs, tests, chance),
        tuple(found),
        (
            *((where, judging.WORDS[each]) for where, each in words.items()),
            (MORE_WRONG, judging.YES[judging.judge(tests.gap)]),
        ),
        (
            "The maps are those for the true class.",
            "The lesion's share of the image is what a map spread evenly would put there.",
        ),
        _figure(pairs, told, best, weak, chance),
        (_differences(best, weak, tests),),
        short=short(best, weak, tests),
        methods=tuple(dict.fromkeys(method for method, _ in pairs)),
    )


def _unmeasured(why: str) -> Answer:
    return Answer(NUMBER, QUESTION, "not measured", f"Not measured: {why}")


Pairs = Mapping[tuple[str, str], tuple[float, float]]
"""By (method, scan), the values of the best and of the weak model."""


def difference(rows: Sequence[Row], best: str | None, weak: str | None) -> Difference | None:
    """The best model less the weak one, all methods together; None where that was not measured."""
    pairs = _pairs(select.main_rows(rows), best, weak)
    return _test(pairs, select.predictions(rows), str(best)) if pairs else None


def _pairs(own: Sequence[Row], best: str | None, weak: str | None) -> Pairs:
    if not best or not weak or best == weak:
        return {}
    return select.matched(select.real(select.values(own, ENERGY)), best, weak)


def _means(pairs: Pairs) -> tuple[list[str], Float64[np.ndarray, "n 2"]]:
    """The scans, and of each the mean over the methods that both models have on it, for the one and the other."""
    of: dict[str, list[tuple[float, float]]] = {}
    for (_, scan), pair in pairs.items():
        of.setdefault(scan, []).append(pair)
    scans = sorted(of)
    return scans, np.array([np.mean(of[scan], axis=0) for scan in scans]).reshape(-1, 2)


def _test(pairs: Pairs, told: Mapping[Any, Told], model: str, metric: str = ENERGY) -> Difference:
    scans, means = _means(pairs)
    groups = [told[model, scan].group for scan in scans]
    return paired(means[:, 0], means[:, 1], groups, within=range_of(metric))


def _gap(pairs: Pairs, right: Mapping[str, bool], told: Mapping[Any, Told], model: str) -> Difference:
    """The difference on scans that one of them gets wrong, less that on scans that both get right."""
    scans, means = _means(pairs)
    least, most = range_of(ENERGY)
    ends = (least - most, most - least)
    sides = np.array([right[scan] for scan in scans], bool)
    return apart(means[:, 0] - means[:, 1], sides, [told[model, scan].group for scan in scans], within=ends)


def _sound(
    pairs: Pairs, failing: Collection[str], told: Mapping[Any, Told], model: str
) -> tuple[Difference, str] | None:
    methods = dict.fromkeys(method for method, _ in pairs)
    out = [method for method in methods if method in failing]
    if not out or len(out) == len(methods):
        return None
    rest = {key: pair for key, pair in pairs.items() if key[0] not in failing}
    return _test(rest, told, model), wording.listed([names.title(method) for method in out])


def _beyond(pairs: Pairs, own: Sequence[Row], told: Mapping[Any, Told], model: str) -> Beyond | None:
    """The best model's maps beside the one that knows nothing of it and has most in the tumour, on the same scans."""
    scans, means = _means(pairs)
    ours = dict(zip(scans, means[:, 0], strict=True))
    nulls: dict[str, dict[str, float]] = {}
    for (name, method, scan), value in select.values(own, ENERGY).items():
        if name == model and is_null(method) and scan in ours:
            nulls.setdefault(method, {})[scan] = value
    if not nulls:
        return None
    most = max(nulls, key=lambda method: float(np.mean(list(nulls[method].values()))))
    known = sorted(nulls[most])
    theirs, groups = np.array([nulls[most][scan] for scan in known]), [told[model, scan].group for scan in known]
    found = paired(np.array([ours[scan] for scan in known]), theirs, groups, within=range_of(ENERGY))
    return Beyond(names.title(most), answer.mean("", theirs, groups, within=range_of(ENERGY), share=True), found)


def _side(pairs: Pairs, told: Mapping[Any, Told], model: str, side: int) -> Finding:
    scans, means = _means(pairs)
    groups = [told[model, scan].group for scan in scans]
    return answer.mean("", means[:, side], groups, within=(0.0, 1.0), share=True)


def _mean(found: Mapping[select.Key, float], model: str) -> float | None:
    mine = [value for (name, method, _), value in found.items() if name == model and not is_null(method)]
    return float(np.mean(mine)) if mine else None


def _methods(pairs: Pairs, told: Mapping[Any, Told], model: str) -> list[Method]:
    """The same for each method alone, corrected for their number."""
    methods = list(dict.fromkeys(method for method, _ in pairs))
    tested = [_test({key: pair for key, pair in pairs.items() if key[0] == name}, told, model) for name in methods]
    titles = [names.title(name) for name in methods]
    found = [
        answer.finding(f"difference, {title}", each, share=True) for title, each in zip(titles, tested, strict=True)
    ]
    return list(zip(titles, tested, judging.corrected(found), strict=True))


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


def _differences(best: str, weak: str, tests: Looked) -> dict[str, Any]:
    """On all scans, and where both are right: all methods together, and each alone."""
    entries = []
    for where, methods in tests.methods.items():
        found = tests.whole[where]
        rows = [("all methods together", found, found.p), *((t, d, line.corrected) for t, d, line in methods)]
        entries += [
            dotted.dot(title, each.value, each.low, each.high, where, sure=judging.judge(each, p) in ("more", "less"))
            for title, each, p in rows
            if np.isfinite([each.value, each.low, each.high]).all()
        ]
    return dotted.dots(
        f"How much more of its positive weight {best} puts into the tumour than {weak}",
        "difference of shares, with 95 % interval", entries, reference_name="no difference", percent=True,
        note="A difference that stays on the scans that both get right is no matter of accuracy. "
        f"{dotted.HOLLOW} The methods are corrected for their number.",
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
            entries.append(dotted.dot(names.title(method), each.value, low, high, model, chance))
    return dotted.dots(
        "Share of each method's positive weight that lies in the tumour, on the same scans",
        "share of positive weight, with 95 % interval", entries, reference=chance, reference_name="an even spread",
        percent=True,
    )  # fmt: skip
