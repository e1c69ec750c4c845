"""Medians over scans and classes, intervals over scans: error.csv and the tables of docs/explanation/estimators.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from error_figure import draw
from error_reference import BUDGETS, SCORES

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
OF_DEFAULT = ", against the weights at 1,000"
"""lime's penalty does not grow with its samples, so each number of samples has an estimand of its own."""

_TABLED = ("whyscan", "whyscan, alone", "whyscan regression")
_BOOTSTRAP = 2000

Scan = Mapping[str, Any]
Curve = dict[int, list[np.ndarray]]
"""By number of evaluations: for each scan the errors of all its classes and seeds."""


def write(out: Path, docs: Path) -> None:
    """Put what is under `out` into the folder of the page: error.csv, error.svg, and the page's tables."""
    models = load(out)
    summary = [row for name, scans in models.items() for row in rows(name, scans)]
    files.write_rows(docs / "error.csv", summary, FIELDS)
    draw(summary, docs)
    page = docs / PAGE
    if page.exists():
        for name, make in (("same error", same_error), ("errors", errors), ("coverage", coverage), ("auto", auto)):
            _put(page, name, make(models))


def load(out: Path) -> dict[str, list[Scan]]:
    """By model, the scans that are done."""
    found = {}
    for folder in sorted(folder for folder in out.iterdir() if any(folder.glob("*.ours.json"))):
        stems = [file.name.split(".")[0] for file in sorted(folder.glob("*.ours.json"))]
        both = [stem for stem in stems if (folder / f"{stem}.peers.json").exists()]
        found[folder.name] = [_scan(folder, stem) for stem in both]
    return found


def _scan(folder: Path, stem: str) -> Scan:
    ours, peers = (files.read_json(folder / f"{stem}.{stage}.json") for stage in ("ours", "peers"))
    fixed = [
        {
            **row,
            "estimator": row["estimator"] + OF_DEFAULT,
            "error": row["error_of_default"],
            "spearman": None,
            "top5": None,
        }
        for row in peers["rows"]
        if "error_of_default" in row
    ]
    return {**ours, "rows": [*ours["rows"], *peers["rows"], *fixed]}


def rows(model: str, scans: Sequence[Scan]) -> Iterator[dict[str, Any]]:
    """The table behind the figure."""
    kinds = dict.fromkeys((row["score"], row["family"], row["estimator"]) for row in scans[0]["rows"])
    for score, family, estimator in kinds:
        for n in BUDGETS:
            found = [_cells(scan, score, family, estimator, n) for scan in scans]
            good = [[row for row in each if "failed" not in row] for each in found]
            about = {"model": model, "score": score, "family": family, "estimator": estimator, "evaluations": n}
            failed = sum("failed" in row for each in found for row in each)
            cells = [np.array([row["error"] for row in each]) for each in good if each]
            low, high = _interval(cells)
            yield {
                **about,
                "error": _round(_median(cells)),
                "error_low": _round(low),
                "error_high": _round(high),
                "spearman": _mean(good, "spearman"),
                "top5": _mean(good, "top5"),
                "coverage": _mean(good, "cover"),
                "fit_seconds": _mean(good, "seconds"),
                "scans": len(cells),
                "failed": failed,
            }


def same_error(models: Mapping[str, Sequence[Scan]]) -> str:
    """How many evaluations whyscan needs for a peer's error, and the ratio."""
    lines = []
    for model, scans in models.items():
        for family, peer, n in SAME_ERROR:
            cells = _curve(scans, family, peer)[n]
            lines.append(
                (f"{model} ({len(scans)})", f"{peer}, {n:,}", f"{_median(cells):.3f}",
                 *_beside(_curve(scans, family, "whyscan"), cells, n),
                 *(("", "") if family == "owen" else _beside(_curve(scans, family, "whyscan, alone"), cells, n)))
            )  # fmt: skip
    head = ("model (scans)", "peer, evaluations", "its error", "whyscan needs", "ratio", "asked for alone", "ratio")
    return _table(head, lines)


def _beside(ours: Curve, theirs: Sequence[np.ndarray], n: int) -> tuple[str, str]:
    """Evaluations for the error of a peer at n, and the ratio with its interval."""
    needed, beyond = _needed(ours, _median(theirs))
    low, high = np.quantile(_resampled(ours, theirs), [0.025, 0.975])
    sign = "≤ " if beyond < 0 else "> " if beyond > 0 else ""
    turned = {"≤ ": "≥ ", "> ": "< "}.get(sign, "")
    return f"{sign}{needed:.0f}", f"{turned}{n / needed:.1f} [{n / high:.1f}, {n / low:.1f}]"


def errors(models: Mapping[str, Sequence[Scan]]) -> str:
    """Median error by evaluations, and the order at 1,000."""
    tables = []
    for model, scans in models.items():
        summary = list(rows(model, scans))
        lines = []
        for score, family, estimator in dict.fromkeys((r["score"], r["family"], r["estimator"]) for r in summary):
            mine = [r for r in summary if (r["score"], r["family"], r["estimator"]) == (score, family, estimator)]
            at = {row["evaluations"]: row for row in mine}
            name = {"lime": "LIME", "shap": "Shapley", "owen": "Owen"}[family]
            cells = [_number(at[n]["error"]) for n in BUDGETS]
            order = [_number(at[1000][key], 2) for key in ("spearman", "top5")]
            lines.append((name, score, estimator, *cells, *order))
        lines.sort(key=lambda line: (("LIME", "Shapley", "Owen").index(line[0]), SCORES.index(line[1])))
        head = ("values", "score", "estimator", *(f"{n:,}" for n in BUDGETS), "Spearman", "top 5")
        tables.append(f"**{model}**, {len(scans)} scans\n\n{_table(head, lines)}")
    return "\n\n".join(tables)


def coverage(models: Mapping[str, Sequence[Scan]]) -> str:
    """Of the 95 % intervals at a given number of evaluations."""
    lines = []
    for model, scans in models.items():
        summary = list(rows(model, scans))
        for score, family, estimator in dict.fromkeys((r["score"], r["family"], r["estimator"]) for r in summary):
            mine = {r["evaluations"]: r for r in summary
                    if (r["score"], r["family"], r["estimator"]) == (score, family, estimator)}  # fmt: skip
            if estimator in _TABLED:
                cells = [_percent(mine[n]["coverage"]) for n in BUDGETS]
                lines.append(
                    (model, {"lime": "LIME", "shap": "Shapley", "owen": "Owen"}[family], score, estimator, *cells)
                )
    return _table(("model", "values", "score", "estimator", *(f"{n:,}" for n in BUDGETS)), lines)


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
    return _table(head, lines)


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


def _cells(scan: Scan, score: str, family: str, estimator: str, n: int) -> list[Mapping[str, Any]]:
    return [
        row
        for row in scan["rows"]
        if (row["score"], row["family"], row["estimator"], row["n"]) == (score, family, estimator, n)
    ]


def _curve(scans: Sequence[Scan], family: str, estimator: str) -> Curve:
    """Errors on probabilities, the score that the peers are used with."""
    return {
        n: [
            np.array([row["error"] for row in _cells(scan, "probability", family, estimator, n) if "failed" not in row])
            for scan in scans
        ]
        for n in BUDGETS
    }


def _needed(curve: Curve, error: float) -> tuple[float, int]:
    """Where the median curve comes down to an error; -1 or 1 beside it where that lies before or after the curve."""
    medians = np.minimum.accumulate([_median(curve[n]) for n in BUDGETS])
    if medians[0] <= error:
        return float(BUDGETS[0]), -1
    if medians[-1] > error:
        return float(BUDGETS[-1]), 1
    tiny = 1e-9  # exact values have no logarithm
    x, y = np.log(BUDGETS), np.log(medians + tiny)
    return float(np.exp(np.interp(-np.log(error + tiny), -y, x))), 0


def _resampled(ours: Curve, theirs: Sequence[np.ndarray]) -> list[float]:
    """Evaluations needed, over bootstrap samples of the scans."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(_BOOTSTRAP // 4):
        drawn = random.integers(len(theirs), size=len(theirs))
        curve = {n: [cells[i] for i in drawn] for n, cells in ours.items()}
        found.append(_needed(curve, _median([theirs[i] for i in drawn]))[0])
    return found


def _interval(cells: Sequence[np.ndarray]) -> tuple[float, float]:
    if not cells:
        return float("nan"), float("nan")
    random = np.random.default_rng(0)
    medians = [_median([cells[i] for i in random.integers(len(cells), size=len(cells))]) for _ in range(_BOOTSTRAP)]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def _median(cells: Sequence[np.ndarray]) -> float:
    return float(np.median(np.concatenate(cells))) if cells else float("nan")


def _mean(rows_: Sequence[Sequence[Mapping[str, Any]]], key: str) -> float | None:
    values = [row[key] for each in rows_ for row in each if row.get(key) is not None]
    return round(float(np.mean(values)), 4) if values else None


def _round(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    numeric = [all(line[i][:1] in "-≥≤<>0123456789" for line in lines) for i in range(len(head))]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _put(page: Path, name: str, text: str) -> None:
    """Between the page's two marks of that name."""
    begin, end = (f"<!-- {word}: benchmarks/error.py, {name} -->" for word in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    files.write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
