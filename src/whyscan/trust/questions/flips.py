"""Question 4: which superpixels turn from positive to negative between two models, or between two classes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, paired
from whyscan.trust import answer, dotted, judging, names, wording
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.thresholds import FEWEST, TURNED

NUMBER = 4
QUESTION = "Do superpixels turn from positive to negative between two models, or two classes, and which?"
KINDS = {"models": "between models", "classes": "between classes", "seeds": "between seeds of one model"}
NOTES = (
    "Only superpixels whose sign is clear in both explanations count; shares are of their area. The tests "
    "are corrected for their number (Holm).",
    "What is expected: the same model that explains the same class with another seed asks the same question twice, so "
    "nothing should turn; what does is chance, and 'more than chance' means more than that. Two explanations that had "
    "nothing to do with each other, with as many positive as negative signs, would turn a quarter of the area from "
    "positive to negative. Between the likeliest and the second class more than that is no surprise: the two compete, "
    "so what speaks for one mostly speaks against the other, and 'yes' there says little. Which superpixels turn, and "
    "whether they lie in the tumour, says more.",
)


def flips(table: Sequence[Mapping[str, Any]]) -> Answer:
    """Of a table of flips: rows with kind ("models", "classes" or "seeds"), method, a, b, content, group and what
    `trust.flipping.flip_row` gives. Those between seeds say how much turns for no reason."""
    kinds = [kind for kind in KINDS if any(row["kind"] == kind and row["lost"] is not None for row in table)]
    if not any(kind != "seeds" for kind in kinds):
        why = "no two explanations had superpixels with a clear sign" if table else "no superpixel method was compared"
        return Answer(NUMBER, QUESTION, "not measured", f"Not measured: {why}.")
    lines = {(kind, pair): _mean(_rows(table, kind, pair), pair) for kind in kinds for pair in _pairs(table, kind)}
    tested, apart = _tested(table, lines), _tumour_less_brain(table, list(lines))
    judged = {of: judging.judge(each.found, each.line.corrected) for of, each in tested.items()}
    evidence: list[Finding] = []
    parts: list[tuple[str, str]] = []
    for (kind, pair), line in lines.items():
        some = _rows(table, kind, pair)
        evidence += [line, *(_mean(some, pair, key) for key in ("gained", "clear") if all(key in row for row in some))]
        evidence += [line for _, line in _by_place(some, pair)]
        if (kind, pair) in apart:
            evidence.append(apart[kind, pair][1])
        if kind != "seeds":
            beyond = tested[kind, pair].beyond if (kind, pair) in tested else ""
            parts.append((f"{KINDS[kind]}, {_name(pair)}", _word(line, beyond, judged.get((kind, pair), "too few"))))
    evidence += [each.line for each in tested.values()]
    badges = _badges(parts)
    return Answer(
        NUMBER, QUESTION, _verdict(badges), _sentence(table, lines, dict(parts), tested, apart), tuple(evidence),
        tuple(parts), NOTES,
        _figure(table, lines), short=_short(parts, lines), badges=badges,
        methods=tuple(dict.fromkeys(pair[0] for _, pair in lines)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tested:
    """What turns, less what is expected to: beyond what, the difference, that as evidence, and what turns there."""

    beyond: str
    found: Difference
    line: Finding
    share: float


def _tested(
    table: Sequence[Mapping[str, Any]], lines: Mapping[tuple[str, Pair], Finding]
) -> dict[tuple[str, Pair], _Tested]:
    """By kind and pair, all but those between seeds; Holm over them."""
    against = {of: _against(table, _rows(table, *of)) for of, line in lines.items() if of[0] != "seeds" and line.n}
    evidence = judging.corrected(
        [
            answer.finding(f"{_name(pair)}: {beyond}", each, share=True)
            for (_, pair), (beyond, each, _) in against.items()
        ]
    )
    return {
        of: _Tested(beyond, found, line, share)
        for (of, (beyond, found, share)), line in zip(against.items(), evidence, strict=True)
    }


def _badges(parts: Sequence[tuple[str, str]]) -> tuple[tuple[str, Word], ...]:
    """A word for each half of the question: yes where any method says so."""
    told: list[tuple[str, Word]] = []
    order: tuple[Word, ...] = ("yes", "too few to tell", "no")
    for half in ("models", "classes"):
        words = [word for what, word in parts if what.startswith(KINDS[half])]
        told += [(half, next(each for each in order if each in words))] if words else []
    return tuple(told)


def _verdict(badges: Sequence[tuple[str, Word]]) -> Word:
    """Of the whole question: not known as long as one half is not."""
    words = [word for _, word in badges]
    order: tuple[Word, ...] = ("too few to tell", "yes", "no")
    return next((each for each in order if each in words), "not measured")


Pair = tuple[str, str, str]


def _pairs(table: Sequence[Mapping[str, Any]], kind: str) -> list[Pair]:
    """(method, a, b)"""
    return list(dict.fromkeys((str(r["method"]), str(r["a"]), str(r["b"])) for r in table if r["kind"] == kind))


def _rows(table: Sequence[Mapping[str, Any]], kind: str, pair: Pair) -> list[Mapping[str, Any]]:
    return [
        row
        for row in table
        if row["kind"] == kind and (row["method"], row["a"], row["b"]) == pair and row["lost"] is not None
    ]


def _name(pair: Pair) -> str:
    method, a, b = pair
    return f"{names.title(method)}, {a} to {b}"


def _mean(rows: Sequence[Mapping[str, Any]], pair: Pair, key: str = "lost") -> Finding:
    name = f"{_name(pair)}: {_TURNS[key]}"
    if not rows:
        return Finding(name, None, share=True, reason="nothing had a clear sign")
    numbers, groups = np.array([row[key] for row in rows], float), [str(row["group"]) for row in rows]
    return answer.mean(name, numbers, groups, within=(0.0, 1.0), share=True)


_TURNS = {
    "lost": "positive turned negative",
    "gained": "negative turned positive",
    "clear": "share of the area with a clear sign in both",
}


def _by_place(rows: Sequence[Mapping[str, Any]], pair: Pair) -> list[tuple[str, Finding]]:
    """The same within the tumour, the brain and so on."""
    found = []
    for place in dict.fromkeys(name for row in rows for name in row.get("places") or {}):
        inside = [row for row in rows if (row.get("places") or {}).get(place) is not None]
        if inside:
            numbers = np.array([row["places"][place] for row in inside], float)
            groups = [str(row["group"]) for row in inside]
            name = f"{_name(pair)}: of the {place}"
            found.append((place, answer.mean(name, numbers, groups, within=(0.0, 1.0), share=True)))
    return found


def _tumour_less_brain(
    table: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, Pair]]
) -> dict[tuple[str, Pair], tuple[Difference, Finding]]:
    """By kind and pair, whether more turns in the tumour than in the rest of the brain, on scans that have something
    clear in both; Holm over the pairs."""
    found: dict[tuple[str, Pair], Difference] = {}
    for of in pairs:
        places = [(row["places"], str(row["group"])) for row in _rows(table, *of) if row.get("places")]
        both = [(each["tumour"], each["brain"], group) for each, group in places
                if each.get("tumour") is not None and each.get("brain") is not None]  # fmt: skip
        if both and of[0] != "seeds":
            inside, outside, groups = zip(*both, strict=True)
            found[of] = paired(np.array(inside, float), np.array(outside, float), groups, within=(0.0, 1.0))
    lines = judging.corrected(
        [answer.finding(f"{_name(of[1])}: of the tumour less of the brain", each, share=True)
         for of, each in found.items()]
    )  # fmt: skip
    return {of: (each, line) for (of, each), line in zip(found.items(), lines, strict=True)}


BEYOND_SEEDS, BEYOND_LIMIT = "beyond what turns between seeds", f"beyond {wording.percent(TURNED.value)}"


def _against(table: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> tuple[str, Difference, float]:
    """Paired with the same method's flips between seeds, on the scans that have both; where there are none, with the
    share above which superpixels are said to turn."""
    base: dict[tuple[str, str], list[float]] = {}
    for row in table:
        if row["kind"] == "seeds" and row["lost"] is not None:
            base.setdefault((str(row["method"]), str(row["content"])), []).append(float(row["lost"]))
    both = [row for row in rows if (row["method"], row["content"]) in base]
    ours = np.array([row["lost"] for row in both or rows], float)
    theirs = np.array([np.mean(base[row["method"], row["content"]]) for row in both])
    if not both:
        theirs = np.full(ours.size, TURNED.value)
    found = paired(ours, theirs, [str(row["group"]) for row in both or rows], within=(0.0, 1.0))
    return BEYOND_SEEDS if both else BEYOND_LIMIT, found, float(ours.mean())


def _word(line: Finding, beyond: str, judged: judging.Judged) -> str:
    """By the corrected p-value of what is beyond; below the limit also where the whole interval is."""
    if judged == "too few" and beyond == BEYOND_LIMIT and (line.n or 0) >= FEWEST.value and line.high is not None:
        return "no" if line.high <= TURNED.value else "too few to tell"
    return judging.YES[judged]


def _sentence(
    table: Sequence[Mapping[str, Any]],
    lines: Mapping[tuple[str, Pair], Finding],
    words: Mapping[str, str],
    tested: Mapping[tuple[str, Pair], _Tested],
    apart: Mapping[tuple[str, Pair], tuple[Difference, Finding]],
) -> str:
    told = []
    for kind in ("models", "classes"):
        some = [(pair, line) for (of, pair), line in lines.items() if of == kind and line.value is not None]
        for pair, line in some[:2]:
            text = (
                f"From {pair[1]} to {pair[2]}, {_with_interval(line)} of the clearly signed area turns from positive "
            )
            text += f"to negative in {names.title(pair[0])}"
            places = dict(_by_place(_rows(table, kind, pair), pair))
            if "tumour" in places:
                text += f"; of what is clear in the tumour {_with_interval(places.pop('tumour'))}"
                rest = [f"in the {place} {_with_interval(part)}" for place, part in places.items()]
                text += f" ({', '.join(rest)})" if rest else ""
                if (kind, pair) in apart:
                    found, part = apart[kind, pair]
                    text += f", tumour less brain {wording.points(found, part.corrected)}"
            word = words[f"{KINDS[kind]}, {_name(pair)}"]
            reads = "too few to tell whether that is chance" if "few" in word else _reads(word)
            if (kind, pair) in tested:
                each = tested[kind, pair]
                size = wording.difference(each.found, each.line.corrected, share=True)
                reads += f": {size}, {each.beyond} (on {wording.groups(each.found.n)}, where "
                reads += f"{wording.percent(each.share)} turns)"
            told.append(f"{text}. That is {reads}.")
    seeds = [f"{_with_interval(line)} in {names.title(pair[0])}" for (kind, pair), line in lines.items()
             if kind == "seeds" and line.value is not None]  # fmt: skip
    if seeds:
        told.append(
            f"What turns by chance, between two seeds of one model explaining the same class: {', '.join(seeds)}."
        )
    return "\n".join(told)


def _with_interval(line: Finding) -> str:
    return f"{wording.figure(line)} (n = {line.n})"


def _reads(word: str) -> str:
    return "more than chance" if word == "yes" else "no more than by chance"


def _short(parts: Sequence[tuple[str, str]], lines: Mapping[tuple[str, Pair], Finding]) -> str:
    told = []
    for kind, name in KINDS.items():
        words = [word for what, word in parts if what.startswith(name)]
        shares = [
            f"{wording.figure(line)} in {names.title(pair[0])}"
            for (of, pair), line in lines.items()
            if of == kind and line.value is not None
        ]
        by = f" ({', '.join(shares)})" if shares else ""
        if sure := words.count("yes"):
            told.append(f"{name} more of the clear area turns than by chance{by}, in {sure} of {len(words)} methods")
        elif words:
            few = "too few to tell" in words
            told.append(f"{name} {'there are too few scans to tell' if few else 'no more turns than by chance'}{by}")
        elif shares:
            told.append(f"by chance, {name}, {', '.join(shares)}")
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _figure(table: Sequence[Mapping[str, Any]], lines: Mapping[tuple[str, Pair], Finding]) -> dict[str, Any]:
    """A line for each method and place, a colour for what is compared."""
    entries = []
    for (kind, pair), whole in lines.items():
        for place, line in [("whole head", whole), *_by_place(_rows(table, kind, pair), pair)]:
            if line.value is not None and line.low is not None and line.high is not None:
                label = f"{names.title(pair[0])}: {place}"
                entries.append(dotted.dot(label, line.value, line.low, line.high, KINDS[kind]))
    entries.sort(key=lambda entry: str(entry["label"]).split(":")[0])
    return dotted.dots(
        "Superpixels that turn from positive to negative", "share of the clearly signed area, with 95 % interval",
        entries, reference=None, percent=True, note="What turns between two seeds of one model turns for no reason.",
    )  # fmt: skip
