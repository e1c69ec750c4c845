"""Question 4: which superpixels turn from positive to negative between two models, or between two classes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from whyscan.stats.differences import Difference, mean_interval, paired
from whyscan.trust import answer, names
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.thresholds import FEWEST, LEVEL, TURNED

NUMBER = 4
QUESTION = "Do superpixels turn from positive to negative between two models, or two classes, and which?"
KINDS = {"models": "between models", "classes": "between classes", "seeds": "between seeds of one model"}
NOTES = (
    "Only superpixels whose sign is clear in both explanations count; shares are of their area.",
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
    evidence: list[Finding] = []
    parts: list[tuple[str, str]] = []
    for (kind, pair), line in lines.items():
        evidence.append(line)
        rows = _rows(table, kind, pair)
        evidence += [line for _, line in _by_place(rows, pair)]
        if kind == "seeds":
            continue
        against = _against_seeds(table, rows)
        if against is not None:
            evidence.append(answer.finding(f"{_name(pair)}: beyond what turns between seeds", against, share=True))
        parts.append((f"{KINDS[kind]}, {_name(pair)}", _word(line, against)))
    badges = _badges(parts)
    return Answer(
        NUMBER, QUESTION, _verdict(badges), _sentence(table, lines, dict(parts)), tuple(evidence), tuple(parts), NOTES,
        _figure(table, lines), short=_short(parts), badges=badges,
    )  # fmt: skip


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


def _mean(rows: Sequence[Mapping[str, Any]], pair: Pair) -> Finding:
    numbers, groups = np.array([row["lost"] for row in rows], float), [str(row["group"]) for row in rows]
    if not rows:
        return Finding(f"{_name(pair)}: positive turned negative", None, share=True, reason="nothing had a clear sign")
    low, high = mean_interval(numbers, groups, rng=np.random.default_rng(0), within=(0.0, 1.0))
    return Finding(f"{_name(pair)}: positive turned negative", float(numbers.mean()), answer.number(low),
                   answer.number(high), len(set(groups)), share=True)  # fmt: skip


def _by_place(rows: Sequence[Mapping[str, Any]], pair: Pair) -> list[tuple[str, Finding]]:
    """The same within the tumour, the brain and so on."""
    found = []
    for place in dict.fromkeys(name for row in rows for name in row.get("places") or {}):
        inside = [row for row in rows if (row.get("places") or {}).get(place) is not None]
        if inside:
            numbers = np.array([row["places"][place] for row in inside], float)
            groups = [str(row["group"]) for row in inside]
            low, high = mean_interval(numbers, groups, rng=np.random.default_rng(0), within=(0.0, 1.0))
            line = Finding(f"{_name(pair)}: of the {place}", float(numbers.mean()), answer.number(low),
                           answer.number(high), len(set(groups)), share=True)  # fmt: skip
            found.append((place, line))
    return found


def _against_seeds(table: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Difference | None:
    """Paired with the same method's flips between seeds, on the scans that have both."""
    base: dict[tuple[str, str], list[float]] = {}
    for row in table:
        if row["kind"] == "seeds" and row["lost"] is not None:
            base.setdefault((str(row["method"]), str(row["content"])), []).append(float(row["lost"]))
    both = [row for row in rows if (row["method"], row["content"]) in base]
    if not both:
        return None
    ours = np.array([row["lost"] for row in both], float)
    theirs = np.array([np.mean(base[row["method"], row["content"]]) for row in both])
    return paired(ours, theirs, [str(row["group"]) for row in both])


def _word(line: Finding, against: Difference | None) -> str:
    if against is not None:
        return {"more": "yes", "less": "no", "none": "no", "too few": "too few to tell"}[answer.judge(against)]
    if line.value is None or line.low is None or line.high is None or (line.n or 0) < FEWEST.value:
        return "too few to tell"
    if line.low > TURNED.value:
        return "yes"
    return "no" if line.high <= TURNED.value else "too few to tell"


def _sentence(
    table: Sequence[Mapping[str, Any]], lines: Mapping[tuple[str, Pair], Finding], words: Mapping[str, str]
) -> str:
    told = []
    for kind in ("models", "classes"):
        some = [(pair, line) for (of, pair), line in lines.items() if of == kind and line.value is not None]
        for pair, line in some[:2]:
            interval = answer.between(line.low, line.high, scale=100, digits=0)
            text = f"From {pair[1]} to {pair[2]}, {answer.percent(line.value)} {interval} of the clearly signed area "
            text += f"turns from positive to negative in {names.title(pair[0])}"
            places = dict(_by_place(_rows(table, kind, pair), pair))
            if "tumour" in places:
                text += f"; of the tumour's area {_with_interval(places.pop('tumour'))}"
                rest = [f"of the {place}'s {_with_interval(part)}" for place, part in places.items()]
                text += f" ({', '.join(rest)})" if rest else ""
            word = words[f"{KINDS[kind]}, {_name(pair)}"]
            told.append(f"{text} ({'too few to tell whether that is chance' if 'few' in word else _reads(word)}).")
    seeds = [f"{_with_interval(line)} in {names.title(pair[0])}" for (kind, pair), line in lines.items()
             if kind == "seeds" and line.value is not None]  # fmt: skip
    if seeds:
        told.append(
            f"What turns by chance, between two seeds of one model explaining the same class: {', '.join(seeds)}."
        )
    return "\n".join(told)


def _with_interval(line: Finding) -> str:
    return f"{answer.percent(line.value)} {answer.between(line.low, line.high, scale=100, digits=0)}"


def _reads(word: str) -> str:
    return "more than chance" if word == "yes" else f"no more than chance at p = {LEVEL.value}, or too little to see"


def _short(parts: Sequence[tuple[str, str]]) -> str:
    told = []
    for name in KINDS.values():
        words = [word for what, word in parts if what.startswith(name)]
        if sure := words.count("yes"):
            told.append(f"{name} more superpixels turn than by chance ({sure} of {len(words)} methods)")
        elif words:
            few = "too few to tell" in words
            told.append(f"{name} {'there are too few scans to tell' if few else 'no more turn than by chance'}")
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _figure(table: Sequence[Mapping[str, Any]], lines: Mapping[tuple[str, Pair], Finding]) -> dict[str, Any]:
    """A line for each method and place, a colour for what is compared."""
    entries = []
    for (kind, pair), whole in lines.items():
        for place, line in [("whole head", whole), *_by_place(_rows(table, kind, pair), pair)]:
            if line.value is not None and line.low is not None and line.high is not None:
                label = f"{names.title(pair[0])}: {place}"
                entries.append(answer.dot(label, line.value, line.low, line.high, KINDS[kind]))
    entries.sort(key=lambda entry: str(entry["label"]).split(":")[0])
    return answer.dots(
        "Superpixels that turn from positive to negative", "share of the clearly signed area, with 95 % interval",
        entries, reference=None, percent=True, note="What turns between two seeds of one model turns for no reason.",
    )  # fmt: skip
