"""The tables of docs/results.md, from run folders: `python benchmarks/results.py RUN [MORE_SEEDS...]`.

The first run gives the tables of scores, recalls and differences; all runs together give the table over seeds. Each
run has its own split and its own weights, so the seeds vary both.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markdown_table import markdown
from scipy import stats

from whyscan.records import files
from whyscan.records.evidence import Evidence
from whyscan.records.run import Run

NAMES = {
    "validation": "validation",
    "holdout": "holdout",
    "test": "official test",
    "test-leaked": "its leaked part",
    "test-clean": "its clean part",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = [Run.open(path) for path in parser.parse_args().runs]
    comparison = runs[0].comparison()
    assert comparison is not None
    sections = [
        ("Accuracy", score_table(comparison, "accuracy")),
        ("Loss (cross-entropy)", score_table(comparison, "loss")),
        ("Macro F1", score_table(comparison, "macro_f1")),
        ("AUROC (mean over classes, one against the rest)", score_table(comparison, "auroc")),
        ("Recall on the official test", recall_table(comparison, "test")),
        ("Recall on the holdout", recall_table(comparison, "holdout")),
        ("Paired differences of accuracy", pair_table(comparison)),
        ("Where Grad-CAM's energy lies", energy_table(runs[0])),
        ("Over seeds", seed_table(runs)),
    ]
    if runs[0].trust_path.is_file():
        sections.append(("Trust", trust_table(runs[0])))
        document = files.read_json(runs[0].trust_path)
        sections += [("Trust: energy in the tumour", place_table(document)), *metric_tables(document)]
    print("\n\n".join(f"### {title}\n\n{table}" for title, table in sections))


def trust_table(run: Run) -> str:
    """A method of a model a line: the verdict, and the means that it rests on, each with its 95 % interval."""
    judged = files.read_json(run.trust_path)["methods"]
    columns = list(dict.fromkeys(line["name"] for each in judged for line in each["evidence"]))
    lines = []
    for each in judged:
        found = {line["name"]: line for line in each["evidence"]}
        shares = "; ".join(each["shares"])
        lines.append(
            [each["model"], each["method"], each["grade"], shares, *(_trusted(found.get(name)) for name in columns)]
        )
    return markdown(["model", "method", "verdict", "explanations", *columns], lines)


def place_table(document: Mapping[str, Any]) -> str:
    """Energy in the tumour of every method: of all scans, of right and wrong answers, and of each class; in percent."""
    found = [each for each in document["localisation"] if each["metric"] == "energy in lesion"]
    of = {(each["model"], each["method"], each["outcome"], each["label"]): each for each in found}
    labels = [label for label in dict.fromkeys(each["label"] for each in found) if label != "all"]
    kinds = [("all", "all"), ("right", "all"), ("wrong", "all"), *(("all", label) for label in labels)]
    keys = sorted(dict.fromkeys((each["model"], each["method"]) for each in found), key=lambda key: _null(key[1]))
    lines = [
        [*key, *(_share(of.get((*key, *kind))) for kind in kinds)]
        for model in dict.fromkeys(each["model"] for each in found)
        for key in keys
        if key[0] == model
    ]
    return markdown(["model", "method", "all scans", "right", "wrong", *labels], lines)


def _share(row: Mapping[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    ends = "" if row["low"] is None else f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{100 * row['value']:.1f}{ends} (n = {row['n']})"


def metric_tables(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every metric of every method, a table for each family and place; methods first, then what knows nothing."""
    legend, found = document.get("legend", {}), document.get("metrics", [])
    tables = []
    for family, within in dict.fromkeys((each["family"], each["within"]) for each in found):
        mine = [each for each in found if (each["family"], each["within"]) == (family, within)]
        metrics = list(dict.fromkeys(each["metric"] for each in mine))
        of = {(each["model"], each["method"], each["metric"]): each for each in mine}
        keys = sorted(dict.fromkeys((model, method) for model, method, _ in of), key=lambda key: _null(key[1]))
        models = list(dict.fromkeys(each["model"] for each in found))
        lines = [
            [*key, *(_metric(of[(*key, metric)], legend[metric]["unit"]) for metric in metrics)]
            for model in models
            for key in keys
            if key[0] == model
        ]
        where = ", inside the head only" if within == "head" else ""
        table = markdown(["model", "method", *(_column(metric, legend, mine) for metric in metrics)], lines)
        tables.append((f"Trust: {family}{where}", f"{table}\n\n{_notes(metrics, legend)}"))
    return tables


def _null(method: str) -> bool:
    return method.startswith("null: ")


def _column(metric: str, legend: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The name, which way is better, and how many groups of scans the figures rest on."""
    counts = sorted({each["groups"] for each in rows if each["metric"] == metric and each["value"] is not None})
    groups = f"; n = {' to '.join(str(n) for n in (counts[:1] + counts[1:][-1:]))}" if counts else ""
    return f"{legend[metric]['label']} ({legend[metric]['better']}{groups})"


def _metric(row: Mapping[str, Any], unit: str) -> str:
    """A mean with its interval, and with what an even spread would get."""
    if row["value"] is None:
        return f"not measured: {row['reason']}"
    put = _rough if unit in ("evaluations", "seconds", "per brightness") else _short
    value, low, high, chance = (
        None if row[key] is None else put(row[key]) for key in ("value", "low", "high", "chance")
    )
    ends = "" if low is None or high is None else f" [{low}, {high}]"
    beside = "" if chance is None or _null(row["method"]) else f", chance {chance}"
    return f"{value}{ends}{beside}".replace("-", "\N{MINUS SIGN}")


def _short(number: float) -> str:
    return f"{round(number, 2) + 0:.2f}"  # no minus before a zero


def _rough(number: float) -> str:
    return f"{number:,.3g}" if abs(number) < 1000 else f"{number:,.0f}"


def _notes(metrics: Sequence[str], legend: Mapping[str, Any]) -> str:
    told = (
        (legend[name]["label"], legend[name]["title"].removeprefix(f"{legend[name]['label']}: ")) for name in metrics
    )
    return "\n".join(f"- {label}: {title}" for label, title in told)


def _trusted(line: Mapping[str, Any] | None) -> str:
    if line is None or line["value"] is None:
        return "-"
    value, low, high = (line[key] for key in ("value", "low", "high"))
    between = "" if low is None else f" [{low:.2f}, {high:.2f}]"
    return f"{value:.2f}{between}".replace("-", "\N{MINUS SIGN}")


def score_table(comparison: Mapping[str, Any], metric: str) -> str:
    subsets = comparison["subsets"]
    rows = []
    for model in comparison["models"]:
        cells = [cell(comparison, model["name"], subset, metric, None) for subset in subsets]
        rows.append([model["name"], *cells])
    return markdown(["model", *(NAMES[subset] for subset in subsets)], rows)


def recall_table(comparison: Mapping[str, Any], subset: str) -> str:
    classes = comparison["classes"]
    rows = [
        [model["name"], *(cell(comparison, model["name"], subset, "recall", name) for name in classes)]
        for model in comparison["models"]
    ]
    return markdown(["model", *classes], rows)


def cell(comparison: Mapping[str, Any], model: str, subset: str, metric: str, of: str | None) -> str:
    for row in comparison["scores"]:
        if (row["model"], row["subset"], row["metric"], row["class"]) == (model, subset, metric, of):
            return Evidence.from_row(row).text()
    return "-"


def pair_table(comparison: Mapping[str, Any]) -> str:
    """The models that competed, and the best one with its own weaker state."""
    shown = {comparison["pair"]["strong"], comparison["pair"]["weak"]}
    rows = [
        [
            f"{pair['a']} - {pair['b']}",
            NAMES[pair["subset"]],
            f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]",
            f"{pair['p']:.2g}",
            "chosen to differ" if pair["p_holm"] is None else f"{pair['p_holm']:.2g}",
            pair["verdict"],
        ]
        for pair in comparison["pairs"]
        if pair["subset"] in ("validation", "holdout", "test-clean")
        and (pair["p_holm"] is not None or {pair["a"], pair["b"]} == shown)
    ]
    return markdown(["pair", "on", "difference", "p", "p after Holm", "verdict"], rows)


def energy_table(run: Run) -> str:
    rows = [
        [row["model"], row["metric"], number(row), row["n"]]
        for row in run.results()
        if row["stage"] == "explain" and row["subset"] == "held out, known lesion"
    ]
    return markdown(["model", "what", "mean [95 %]", "groups"], rows)


def number(row: Mapping[str, str]) -> str:
    return (
        f"{float(row['value']):.3f} [{float(row['low']):.3f}, {float(row['high']):.3f}]"
        if row["value"]
        else row["reason"]
    )


def seed_table(runs: Sequence[Run]) -> str:
    """Each seed's figures and their mean with a t-interval over the seeds."""
    documents = [document for run in runs if (document := run.comparison()) is not None]
    shared = set.intersection(*({model["name"] for model in document["models"]} for document in documents))
    subsets = [name for name in NAMES if all(name in document["subsets"] for document in documents)]
    rows = []
    for name in sorted(shared):
        for subset in subsets:
            values = [value(document, name, subset) for document in documents]
            each = ", ".join(f"{v:.3f}" for v in values)
            rows.append([name, NAMES[subset], each, over_seeds(values)])
    return markdown(
        ["model", "accuracy on", f"seeds {', '.join(str(d['seed']) for d in documents)}", "mean [95 %]"], rows
    )


def over_seeds(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{np.mean(values):.3f} (one seed: no interval)"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    low, high = max(0.0, np.mean(values) - half), min(1.0, np.mean(values) + half)
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def value(document: Mapping[str, Any], model: str, subset: str) -> float:
    for row in document["scores"]:
        if (row["model"], row["subset"], row["metric"], row["class"]) == (model, subset, "accuracy", None):
            return float(row["value"])
    raise SystemExit(f"{model} was not scored on {subset}")


if __name__ == "__main__":
    main()
