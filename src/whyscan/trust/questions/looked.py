"""Looked: what was found of two models that look at the tumour, and how question 1 says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from whyscan.render.numerals import fixed
from whyscan.stats.differences import Difference
from whyscan.trust import answer, judging, wording
from whyscan.trust.answer import Finding

ALL, RIGHT, WRONG = "on all scans", "where both are right", "where one of them errs"
MORE_WRONG = f"more {WRONG} than {RIGHT}"


Method = tuple[str, Difference, Finding]
"""A method's title, its difference, and that as evidence."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """A map that knows nothing of a model: its title, its share in the tumour, and the best model's less that."""

    title: str
    share: Finding
    found: Difference


@dataclass(frozen=True, slots=True)
class Looked:
    """The best model less the weak one.

    Attributes:
        whole: by part of the scans, all methods together.
        gap: the difference where one of them errs, less that where both are right.
        methods: by part, each method alone.
        sound: all methods together but those that fail, and which these are; None where none fails, or all do.
        beyond: the best model beside the map that knows nothing of a model and has most in the tumour.
    """

    whole: Mapping[str, Difference]
    gap: Difference
    methods: Mapping[str, Sequence[Method]]
    sound: tuple[Difference, str] | None
    beyond: Beyond | None = None

    def evidence(self) -> list[Finding]:
        found = [
            answer.finding(f"difference {where}, {wording.groups(each.n)}", each, share=True)
            for where, each in self.whole.items()
        ]
        found.append(
            answer.finding(
                f"difference {WRONG} less that {RIGHT}", self.gap, share=True, reason=wording.sides(self.gap)
            )
        )
        if self.sound:
            found.append(answer.finding(f"difference without {self.sound[1]}", self.sound[0], share=True))
        if self.beyond:
            found.append(answer.finding(f"the best model less {self.beyond.title}", self.beyond.found, share=True))
        found += [line for _, _, line in self.methods[ALL]]
        found += [replace(line, name=f"{line.name}, {RIGHT}") for _, _, line in self.methods[RIGHT]]
        return found

    def sure(self, where: str) -> list[tuple[str, Difference]]:
        """The methods that differ by themselves, after the correction for their number."""
        return [
            (title, each)
            for title, each, line in self.methods[where]
            if judging.judge(each, line.corrected) in ("more", "less")
        ]


def sentence(
    best: str,
    weak: str,
    ours: Finding,
    theirs: Finding,
    tests: Looked,
    chance: float | None,
) -> str:
    whole, right, wrong = (tests.whole[where] for where in (ALL, RIGHT, WRONG))
    methods = tests.methods[ALL]
    mean = f" (the mean of {len(methods)} methods)" if len(methods) > 1 else ""
    told = [
        f"Of the positive weight of the maps{mean}, {best} puts {wording.figure(ours, 1)} into the tumour and {weak} "
        f"{wording.figure(theirs, 1)}, on the same scans ({wording.points(whole)}; {wording.groups(whole.n)})."
    ]
    if chance is not None:
        told.append(f"An even spread would put {wording.percent(chance, 1)} there.")
    if null := tests.beyond:
        told.append(
            f"Of maps that know nothing of a model {null.title} puts most there: {wording.figure(null.share, 1)}; "
            f"{best} {_than(null.found)} that ({wording.points(null.found)})."
        )
    if right.n:
        told.append(f"Where both are right the difference is {wording.points(right)} ({wording.groups(right.n)}).")
    else:
        told.append("On no scan are both right.")
    if wrong.n:
        told.append(f"Where one of them errs it is {wording.points(wrong)} ({wording.groups(wrong.n)}).")
    if right.n and wrong.n:
        told.append(f"The latter less the former: {wording.points(tests.gap)}.")
    if len(methods) > 1:
        alone, both = (
            wording.listed(
                [f"{title} {wording.size(each, share=True)}" for title, each in tests.sure(where)] or ["none"]
            )
            for where in (ALL, RIGHT)
        )
        told.append(f"By themselves these methods surely differ (Holm): {alone}; {RIGHT}: {both}.")
    if tests.sound:
        told.append(f"Without {tests.sound[1]}, which fail on a model, it is {wording.points(tests.sound[0])}.")
    told.append(_reading(weak, tests))
    return " ".join(told)


def _reading(weak: str, tests: Looked) -> str:
    whole = tests.whole[ALL]
    of_all = judging.judge(whole)
    if of_all == "too few":
        return f"Too few to tell: {wording.enough(whole)}."
    if of_all == "none":
        return "No difference, and one of medium size (half of the usual spread from scan to scan) is ruled out."
    if of_all == "less":
        return "So the more accurate model looks at the tumour less: its accuracy comes from elsewhere in part."
    return {
        "elsewhere": f"So {weak} is not only less accurate, it looks elsewhere.",
        "where it errs": f"So {weak} looks elsewhere only where one of them errs.",
        "less": f"So where both are right {weak} looks at the tumour more.",
        "unknown": f"Whether {weak} looks elsewhere, or is only less accurate, cannot be told: where both are right "
        "the difference is not surely there, and not surely smaller than where one of them errs.",
    }[_elsewhere(tests)]


def _elsewhere(tests: Looked) -> Literal["elsewhere", "where it errs", "less", "unknown"]:
    """Of a best model that looks at the tumour more: whether the weak one looks elsewhere, or is only less accurate.

    That no difference is found where both are right is not enough for the latter: fewer scans find less. It has to be
    surely smaller there than where one of them errs.
    """
    of_right = judging.judge(tests.whole[RIGHT])
    if of_right == "more":
        return "elsewhere"
    if of_right == "less":
        return "less"
    return "where it errs" if of_right == "none" and judging.judge(tests.gap) == "more" else "unknown"


def short(best: str, weak: str, tests: Looked) -> str:
    whole = tests.whole[ALL]
    sure = [f"{title} {fixed(100 * each.value, 1, sign=True)}" for title, each in tests.sure(ALL)]
    alone = wording.listed(sure or ["none"])
    several = f"; by itself surely: {alone}" if len(tests.methods[ALL]) > 1 else ""
    by = f"({wording.size(whole, share=True)} of the maps' positive weight; {whole.n} groups{several})"
    of_all = judging.judge(whole)
    null = f" {best} {_than(tests.beyond.found)} {tests.beyond.title} there." if tests.beyond else ""
    if of_all == "too few":
        return f"There are too few scans to tell whether {best} looks at the tumour more than {weak} {by}.{null}"
    if of_all == "none":
        return f"{best} and {weak} look at the tumour alike {by}.{null}"
    if of_all == "less":
        return f"{best} looks at the tumour less than {weak} {by}, though it is more accurate.{null}"
    more = {
        "elsewhere": f"also where both are right: {weak} looks elsewhere, and is not only less accurate",
        "where it errs": f"but not where both are right: {weak} is less accurate, and looks elsewhere only "
        "where one errs",
        "less": f"but less where both are right: {weak} looks elsewhere only where one errs",
        "unknown": f"but there are too few scans to tell whether {weak} looks elsewhere or is only less accurate",
    }
    return f"{best} looks at the tumour more than {weak} {by}, {more[_elsewhere(tests)]}.{null}"


def _than(found: Difference) -> str:
    """Of a model's maps beside one that knows nothing of it."""
    return {
        "more": "puts more than", "less": "puts less than", "none": "puts hardly more or less than",
        "too few": "does not surely put more than",
    }[judging.judge(found)]  # fmt: skip
