"""Question 3: how do the layers differ, from the first to the last, and the best model from the weak one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.stats.differences import Difference
from whyscan.trust import answer, judging, select, wording
from whyscan.trust.answer import Answer, Finding, Word
from whyscan.trust.names import SHARES, is_null, said, the
from whyscan.trust.profile import ALL, DEPTHS, Profile, paired_on, profile
from whyscan.trust.table import Row

NUMBER = 3
QUESTION = "Do the layers differ, from shallow to deep, and how?"
LEAST = 3
"""With fewer layers there is no profile."""


def layers(
    rows: Sequence[Row],
    best: str | None,
    weak: str | None,
    order: Mapping[str, Sequence[str]] | None = None,
    likeness: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """Profiles over depth of where maps lie, whether they tell classes apart and whether they are there at all.

    Args:
        order: each model's layers, shallow to deep; else as they come in the table.
        likeness: how alike the maps of one class's scans are, by model and layer: see `trust.layering`.
    """
    deep = [row for row in rows if row.layer and not is_null(row.method)]
    profiles = {model: profile(deep, model, (order or {}).get(model), likeness) for model in select.models(deep)}
    profiles = {model: each for model, each in profiles.items() if len(each.names) >= LEAST and each.values}
    if not profiles:
        return Answer(NUMBER, QUESTION, "not measured", "Not measured: no method was asked at three layers or more.")
    first = best if best in profiles else next(iter(profiles))
    shown = [name for name in (first, weak) if name in profiles]
    evidence = [line for model in dict.fromkeys([*shown, *profiles]) for line in profiles[str(model)].evidence()]
    by_metric = profiles[str(first)].judged()
    sentences = [profiles[str(model)].sentence() for model in dict.fromkeys(shown)]
    evidence += profiles[str(first)].pairs()
    parts = [
        (f"{first}: {said(metric)}, last layer against first", judging.WORDS[word])
        for metric, word in by_metric.items()
    ]
    if len(set(shown)) > 1:
        lines, words, told = _between(profiles[str(first)], profiles[str(weak)])
        evidence, parts = [*evidence, *lines], [*parts, *words]
        sentences += [told] if told else []
    notes = (
        "The maps are those for the true class. The highest of many layers flatters itself.",
        "Depth 0 is the first layer, 1 the last. A blank map is empty at that layer; its reason is counted.",
    )
    chart = _figure([profiles[str(model)] for model in dict.fromkeys(shown)])
    return Answer(
        NUMBER, QUESTION, _verdict(by_metric), "\n".join(sentences), tuple(evidence), tuple(parts), notes, chart,
        short=profiles[str(first)].short(), methods=(profiles[str(first)].method,),
    )  # fmt: skip


def _verdict(by_metric: Mapping[str, judging.Judged]) -> Word:
    """Whether they differ in anything."""
    words = {judging.YES[word] if word != "less" else "yes" for word in by_metric.values()}
    order: tuple[Word, ...] = ("yes", "too few to tell", "no")
    return next((each for each in order if each in words), "not measured")


def _between(best: Profile, weak: Profile) -> tuple[list[Finding], list[tuple[str, str]], str]:
    """The best model's layers of several depths against the weak one's of the same depth, on the same scans, by every
    metric; Holm over all of it."""
    tested: dict[tuple[str, str], Difference] = {}
    for depth, where in DEPTHS.items():
        for metric in ALL:
            ours, theirs = (each.values.get(metric, {}).get(each.at(depth), {}) for each in (best, weak))
            if ours.keys() & theirs.keys():
                tested[metric, where] = paired_on(ours, theirs, best.groups, metric)
    lines = judging.corrected(
        [
            answer.finding(f"{said(metric)} {where}, {best.model} less {weak.model}", each, share=metric in SHARES)
            for (metric, where), each in tested.items()
        ]
    )
    corrected = {of: line.corrected for of, line in zip(tested, lines, strict=True)}
    judged = {of: judging.judge(each, corrected[of]) for of, each in tested.items()}
    words = [
        (f"{said(metric)} {where}, {best.model} against {weak.model}", judging.WORDS[word])
        for (metric, where), word in judged.items()
    ]
    if not tested:
        return [], [], ""
    sure = [of for of, word in judged.items() if word in ("more", "less")]
    few = sum(word == "too few" for word in judged.values())
    more = f"; for {few} of {len(judged)} figures there are too few scans to tell" if few else ""
    if not sure:
        told = f"{best.model} and {weak.model} are surely different in none of these, at none of {len(DEPTHS)} depths"
        return lines, words, f"{told}{more}."
    which = ", ".join(
        f"{the(of[0])} {of[1]} ({wording.difference(tested[of], corrected[of], share=of[0] in SHARES)})" for of in sure
    )
    return lines, words, f"{best.model} and {weak.model} differ, of {len(DEPTHS)} depths, in {which}{more}."


def _figure(profiles: Sequence[Profile]) -> dict[str, Any]:
    panels = []
    for metric in ALL:
        series = []
        for each in profiles:
            means = [(i, mean) for i, layer in enumerate(each.names) if (mean := each.mean(metric, layer))]
            if means:
                depth = [i / (len(each.names) - 1) for i, _ in means]
                ends = [(m.value if m.low is None else m.low, m.value if m.high is None else m.high) for _, m in means]
                series.append({"name": each.model, "x": depth, "y": [mean.value for _, mean in means],
                               "low": [low for low, _ in ends], "high": [high for _, high in ends]})  # fmt: skip
        if series:
            panels.append({"title": said(metric), "series": series, "percent": metric in SHARES})
    return {
        "kind": "profiles", "title": "Every layer, from the first to the last", "x": "depth (0 first, 1 last layer)",
        "panels": panels, "note": "Grad-CAM of every layer. Bands are 95 % intervals over groups of scans.",
    }  # fmt: skip
