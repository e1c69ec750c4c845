"""Question 2: do right and wrong predictions differ in where the model looks, and can that predict an error?

What a map says about the predicted class is compared between right and wrong predictions of the same model. Then a
logistic regression, fitted without the scan's group, predicts the error: from the confidence alone, from metrics that
need no mask (and could warn in use), and from both. Metrics that need the tumour's mask are shown apart, on the scans
that have one: where the mask is known, nobody asks the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whyscan.trust import dotted, judging, names, select
from whyscan.trust.answer import Answer
from whyscan.trust.questions.erring import GUESSING, OPEN, Erring
from whyscan.trust.table import Row
from whyscan.trust.thresholds import FEWEST

NUMBER = 2
QUESTION = "Do right and wrong predictions differ in where the model looks, and can the explanation predict an error?"


def errors(rows: Sequence[Row], best: str | None) -> Answer:
    """See the module's docstring. For each model; the word is that of the best."""
    told = select.predictions(row for row in rows if row.label)
    own = select.main_rows(rows)
    models = select.models(row for row in rows if row.label)
    if not models:
        return Answer(NUMBER, QUESTION, "not measured", "Not measured: no scan has a label.")
    asked = [best] if best in models else []
    asked += [model for model in models if model not in asked]
    each = [Erring.of(own, told, model) for model in asked if model is not None]
    first = each[0]
    evidence = [line for model in each for line in model.evidence()]
    parts = [(f"{model.name}: {what}", word) for model in each for what, word in model.words()]
    sentence = "\n".join(model.sentence() for model in each[:2])
    note = (
        "Metrics with a mask are no warning: in use nobody knows the mask. An AUROC of 0.5 is guessing.",
        "Differences are right less wrong, and not adjusted for class or tumour size.",
        "The maps are those for the predicted class; confidence is its probability. What a map says without a mask: "
        f"{', '.join(names.said(metric) for metric in OPEN)}, each where it was measured on most scans.",
    )
    charts = [chart for chart in (_figure(each), _effects(each[:2])) if chart is not None]
    return Answer(
        NUMBER, QUESTION, first.verdict, sentence, tuple(evidence), tuple(parts), note, next(iter(charts), None),
        tuple(charts[1:]), first.short(), (("differ", first.verdict), ("predict errors", first.predicts)),
        tuple(select.methods((row.model, row.method, "") for row in own if not names.is_null(row.method))),
    )  # fmt: skip


def _figure(each: Sequence[Erring]) -> dict[str, Any] | None:
    entries = [
        dotted.dot(title, area.value, area.low, area.high, model.name)
        for model in each
        for title, (area, _) in model.areas.items()
        if not title.startswith("added") and np.isfinite([area.value, area.low, area.high]).all()
    ]
    if not entries:
        return None
    return dotted.dots(
        "How well wrong predictions are found", "AUROC for an error, with 95 % interval", entries, reference=GUESSING,
        reference_name="guessing",
        note="From logistic regressions that never saw the scan's group. 'With a mask' is no warning in use: there "
        "nobody knows where the tumour is.",
    )  # fmt: skip


def _effects(each: Sequence[Erring]) -> dict[str, Any] | None:
    """Right less wrong for every metric, in standard deviations over scans, so that they share an axis.

    An interval of fewer groups than a test needs is not drawn: that of two groups may be narrow by luck.
    """
    entries, left = [], 0
    for model in each:
        words = model.judged()
        for metric, found in model.apart.items():
            if not judging.testable(found):
                left += 1
                continue
            spread = float(np.nanstd(model.columns[metric]))
            if spread > 1e-6 and np.isfinite([found.value, found.low, found.high]).all():
                value, low, high = (float(end) / spread for end in (found.value, found.low, found.high))
                sure = words[metric] in ("more", "less")
                entries.append(dotted.dot(names.said(metric), value, low, high, model.name, sure=sure))
    if not entries:
        return None
    without = f" Not drawn: {left} with fewer than {FEWEST.value:.0f} groups on one side." if left else ""
    return dotted.dots(
        "How maps of right predictions differ from those of wrong ones", "difference in standard deviations over scans",
        entries, reference_name="no difference",
        note=f"To the right: more of it where the prediction is right. {dotted.HOLLOW} What is sure is so after "
        f"Holm's correction over a model's metrics; the intervals are each metric's own.{without}",
    )  # fmt: skip
