"""Shortcut cues: how well rules that know nothing of tumours predict the label.

A rule is fitted on one part and scored on others. It is flagged where, on scans it was not fitted on, even the low
end of its accuracy lies above what always giving the most frequent answer achieves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from whyscan.data.duplicates import blocks, standardised
from whyscan.data.features import Features, stack
from whyscan.data.rules import Question, Values, learn
from whyscan.stats.intervals import wilson

MARGIN = 0.02
_BORDER = 3
_BLACK = 8
_QUERIES = 4000
_NORMAL = re.compile(r"(no|non|not|without)[ _-].+|no_?tumou?r|none|normal|healthy|negative|controls?", re.IGNORECASE)


@dataclass(frozen=True)
class Cue:
    """One rule's score on one subset: an accuracy with its 95 % Wilson interval, beside the majority's share."""

    name: str
    question: str
    rule: str
    subset: str
    accuracy: float
    majority: float
    low: float
    high: float
    n: int
    flag: bool
    fitted: str


@dataclass(frozen=True, eq=False)
class Fit:
    """Where rules are fitted, what that part is called, and where they are scored."""

    name: str
    rows: Bool[np.ndarray, " n"]
    subsets: Mapping[str, Bool[np.ndarray, " n"]]


def questions(labels: Sequence[str]) -> tuple[Question, ...]:
    """The class, and with three classes or more of which one means healthy, "tumour or not"."""
    classes, truth = np.unique(labels, return_inverse=True)
    found = [Question("class", tuple(str(each) for each in classes), truth.astype(np.int64))]
    normal = [i for i, each in enumerate(classes) if _NORMAL.fullmatch(str(each))]
    if len(normal) == 1 and len(classes) > 2:
        ill, well = _ill_or_well(str(classes[normal[0]]))
        found.append(Question(f"{ill} or not", (well, ill), (truth != normal[0]).astype(np.int64)))
    return tuple(found)


def measure(
    features: Sequence[Features], asked: Sequence[Question], fits: Sequence[Fit], *, seed: int
) -> tuple[list[Cue], dict[str, str]]:
    """Every cue's scores, and for every cue that could not be tried the reason.

    Args:
        features: one for each scan; rows that are in no fit and no subset may be unreadable.
        asked: the questions.
        fits: where rules are fitted and scored.
        seed: chooses the 4,000 scans that the nearest neighbour is asked about, where a subset has more.
    """
    thumbnails = stack(features)
    used = np.any([fit.rows | np.any(list(fit.subsets.values()), axis=0) for fit in fits], axis=0)
    table, skipped = _varying(_table(features, thumbnails), used)
    tests = len(asked) * (len(table) + 1)
    cues: list[Cue] = []
    for fit in fits:
        if not fit.rows.any():
            continue
        for question in asked:
            for name, values in table.items():
                text, rule = learn(values, question, fit.rows, name)
                answers = rule(values)
                cues += [
                    _score(name, text, question, subset, rows, answers == question.truth, fit, tests)
                    for subset, rows in fit.subsets.items()
                    if rows.any()
                ]
        cues += _nearest_cues(thumbnails, asked, fit, seed, tests)
    return cues, skipped


def nearest(
    thumbnails: UInt8[np.ndarray, "n s s"], reference: Int64[np.ndarray, " r"], queries: Int64[np.ndarray, " q"]
) -> Int64[np.ndarray, " q"]:
    """For each query the reference row, other than itself, whose thumbnail correlates most with it."""
    known = standardised(thumbnails[reference])
    found = np.empty(len(queries), np.int64)
    for start, stop in blocks(len(queries), len(reference)):
        likeness = standardised(thumbnails[queries[start:stop]]) @ known.T
        likeness[queries[start:stop, None] == reference[None, :]] = -2
        found[start:stop] = reference[likeness.argmax(axis=1)]
    return found


def _ill_or_well(normal: str) -> tuple[str, str]:
    stem = re.sub(r"^(no|non|not|without)[ _-]?", "", normal, flags=re.IGNORECASE)
    if stem == normal or re.fullmatch("none|normal", normal, re.IGNORECASE):
        return "abnormal", normal
    stem = re.sub(r"tumor", "tumour", stem.replace("_", " "), flags=re.IGNORECASE)
    return stem, f"no {stem}"


def _table(features: Sequence[Features], thumbnails: UInt8[np.ndarray, "n 64 64"]) -> dict[str, Values]:
    frame = np.ones(thumbnails.shape[1:], bool)
    frame[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    return {
        "image size": [f"{each.size[0]} x {each.size[1]}" for each in features],
        "file format": [each.format for each in features],
        "colour mode": [each.mode for each in features],
        "aspect ratio": np.array([each.size[0] / max(1, each.size[1]) for each in features]),
        "mean intensity": thumbnails.mean(axis=(1, 2)) / 255,
        "border brightness": thumbnails[:, frame].mean(axis=1) / 255,
        "black share": (thumbnails < _BLACK).mean(axis=(1, 2)),
        "JPEG quality": np.array([np.nan if each.quality is None else each.quality for each in features]),
    }


def _varying(table: dict[str, Values], used: Bool[np.ndarray, " n"]) -> tuple[dict[str, Values], dict[str, str]]:
    kept, skipped = {}, {}
    for name, values in table.items():
        here = np.asarray(values)[used]
        if here.dtype.kind == "f" and np.isnan(here).all():
            skipped[name] = "no scan has one"
        elif (here == here[0]).all() if len(here) else True:
            skipped[name] = "it is the same for every scan" + (f": {here[0]}" if len(here) else "")
        else:
            kept[name] = values
    return kept, skipped


def _nearest_cues(
    thumbnails: UInt8[np.ndarray, "n 64 64"], asked: Sequence[Question], fit: Fit, seed: int, tests: int
) -> list[Cue]:
    rng = np.random.default_rng(seed)
    reference = np.nonzero(fit.rows)[0]
    wanted = np.zeros(len(thumbnails), bool)
    for rows in fit.subsets.values():
        held_out = np.nonzero(rows & ~fit.rows)[0]
        wanted[rng.permutation(held_out)[:_QUERIES]] = True
    queries = np.nonzero(wanted)[0]
    closest = np.arange(len(thumbnails))
    closest[queries] = nearest(thumbnails, reference, queries)
    text = "the class of the training scan whose 64 x 64 thumbnail correlates most"
    return [
        _score("nearest neighbour", text, question, subset, rows & wanted,
               question.truth[closest] == question.truth, fit, tests)
        for question in asked
        for subset, rows in fit.subsets.items()
        if (rows & wanted).any()
    ]  # fmt: skip


def _score(
    name: str, text: str, question: Question, subset: str, rows: Bool[np.ndarray, " n"],
    right: Bool[np.ndarray, " n"], fit: Fit, tests: int,
) -> Cue:  # fmt: skip
    n, hits = int(rows.sum()), int(right[rows].sum())
    majority = float(np.bincount(question.truth[rows]).max() / n)
    low, high = wilson(hits / n, n)
    # so many rules are tried that one in twenty would look good by chance: Bonferroni's correction for the flag
    strict, _ = wilson(hits / n, n, 1 - 0.05 / max(1, tests))
    flag = not bool((rows & fit.rows).any()) and strict > majority + MARGIN
    return Cue(name, question.name, text, subset, hits / n, majority, low, high, n, flag, fit.name)
