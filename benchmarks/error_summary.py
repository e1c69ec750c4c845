"""error.csv, error.svg and the tables of docs/explanation/estimators.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from error_figure import draw
from error_reference import BUDGETS, SCORES
from error_stats import Curve, Scan, curve, load, median, needed, resampled, rows
from markdown_table import markdown

from whyscan.records import files

PAGE = "estimators.md"
FIELDS = (
    "model", "score", "family", "estimator", "evaluations", "error", "error_low", "error_high", "spearman", "top5",
    "coverage", "fit_seconds", "scans", "failed",
)  # fmt: skip
SAME_ERROR = (  # whose error at how many evaluations whyscan is to reach, by one method alone and by both together
    ("lime", "lime", 1000), ("lime", "captum Lime", 1000), ("shap", "shap Kernel", 1000),
    ("shap", "shap Kernel as it comes", 1000), ("shap", "captum KernelShap", 1000), ("owen", "shap Partition", 500),
)  # fmt: skip
_VALUES = {"lime": "LIME", "shap": "Shapley", "owen": "Owen"}
_TABLED = ("whyscan", "whyscan, alone", "whyscan regression")

Row = Mapping[str, Any]
Line = tuple[str, str, str, str]
"""Model, family, score, estimator."""


def write(out: Path, docs: Path) -> None:
    """Put what is under `out` into the folder of the page: error.csv, error.svg, and the page's tables."""
    models = load(out)
    summary = [row for name, scans in models.items() for row in rows(name, scans)]
    files.write_rows(docs / "error.csv", summary, FIELDS)
    draw(summary, docs)
    page, lines = docs / PAGE, by_line(summary)
    if page.exists():
        _put(page, "same error", same_error(models))
        _put(page, "errors", errors(lines))
        _put(page, "coverage", coverage(lines))
        _put(page, "auto", auto(models))


def by_line(summary: Sequence[Row]) -> dict[Line, dict[int, Row]]:
    """The lines of the figure and tables in their order; each by number of evaluations."""
    found: dict[Line, dict[int, Row]] = {}
    for row in summary:
        line = (row["model"], row["family"], row["score"], row["estimator"])
        found.setdefault(line, {})[row["evaluations"]] = row
    models = list(dict.fromkeys(line[0] for line in found))
    order = sorted(found, key=lambda at: (models.index(at[0]), list(_VALUES).index(at[1]), SCORES.index(at[2])))
    return {line: found[line] for line in order}


def same_error(models: Mapping[str, Sequence[Scan]]) -> str:
    """How many evaluations whyscan needs for a peer's error, and the ratio."""
    lines = []
    for model, scans in models.items():
        for family, peer, n in SAME_ERROR:
            theirs = curve(scans, family, peer)[n]
            lines.append(
                (f"{model} ({len(scans)})", f"{peer}, {n:,}", f"{median(theirs):.3f}",
                 *_beside(curve(scans, family, "whyscan"), theirs, n),
                 *(("", "") if family == "owen" else _beside(curve(scans, family, "whyscan, alone"), theirs, n)))
            )  # fmt: skip
    head = ("model (scans)", "peer, evaluations", "its error", "whyscan needs", "ratio", "asked for alone", "ratio")
    return markdown(head, lines)


def _beside(ours: Curve, theirs: Sequence[np.ndarray], n: int) -> tuple[str, str]:
    """Evaluations for the error of a peer at n, and the ratio with its interval."""
    count, beyond = needed(ours, median(theirs))
    low, high = np.quantile(resampled(ours, theirs), [0.025, 0.975])
    sign = "≤ " if beyond < 0 else "> " if beyond > 0 else ""
    turned = {"≤ ": "≥ ", "> ": "< "}.get(sign, "")
    return f"{sign}{count:.0f}", f"{turned}{n / count:.1f} [{n / high:.1f}, {n / low:.1f}]"


def errors(lines: Mapping[Line, Mapping[int, Row]]) -> str:
    """Median error by evaluations, and the order at 1,000."""
    tables = []
    for model in dict.fromkeys(line[0] for line in lines):
        mine = [
            (_VALUES[family], score, estimator, *(_number(at[n]["error"]) for n in BUDGETS),
             *(_number(at[1000][key], 2) for key in ("spearman", "top5")))
            for (name, family, score, estimator), at in lines.items() if name == model
        ]  # fmt: skip
        scans = next(at[1000]["scans"] for line, at in lines.items() if line[0] == model)
        head = ("values", "score", "estimator", *(f"{n:,}" for n in BUDGETS), "Spearman", "top 5")
        tables.append(f"**{model}**, {scans} scans\n\n{markdown(head, mine)}")
    return "\n\n".join(tables)


def coverage(lines: Mapping[Line, Mapping[int, Row]]) -> str:
    """Of the 95 % intervals at a given number of evaluations."""
    table = [
        (model, _VALUES[family], score, estimator, *(_percent(at[n]["coverage"]) for n in BUDGETS))
        for (model, family, score, estimator), at in lines.items()
        if estimator in _TABLED
    ]
    return markdown(("model", "values", "score", "estimator", *(f"{n:,}" for n in BUDGETS)), table)


def auto(models: Mapping[str, Sequence[Scan]]) -> str:
    """What `samples="auto"` does."""
    lines = []
    for model, scans in models.items():
        for score in SCORES:
            for method in ("lime", "shap"):
                found = [
                    row for scan in scans for row in scan["auto"] if (row["score"], row["method"]) == (score, method)
                ]
                lines.append((f"{model} ({len(scans)})", score, method.upper(), *_auto(found)))
    head = (
        "model (scans)", "score", "method", "coverage", "settled within 2,000", "median evaluations", "median error",
        "same top 5", "or tied", "or within 5 %", "sure signs alike", "sure signs right",
    )  # fmt: skip
    return markdown(head, lines)


def _auto(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    total: Callable[[str], int] = lambda key: sum(row[key] for row in found)  # noqa: E731
    yield f"{100 * total('inside') / total('intervals'):.1f} %"
    yield f"{100 * np.mean([row['settled'] for row in found]):.0f} %"
    yield f"{np.median([row['evaluations'] for row in found]):.0f}"
    yield f"{np.median([row['errors'] for row in found]):.3f}"
    settled = [row for row in found if all(row["settled"])]
    for key in ("top5", "top5_ties", "top5_near"):
        yield f"{np.mean([row[key] for row in settled]):.3f}" if settled else "-"
    said, same = (sum(row[key] for row in settled) for key in ("said_signs", "same_signs"))
    yield f"{100 * same / said:.1f} % of {said:,}" if said else "-"
    yield f"{100 * total('right_signs') / total('sure_signs'):.1f} %" if total("sure_signs") else "-"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _put(page: Path, name: str, text: str) -> None:
    """Between the page's two marks of that name."""
    begin, end = (f"<!-- {word}: benchmarks/error.py, {name} -->" for word in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    files.write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
