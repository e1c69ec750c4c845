"""The first page: the verdict, then the figures it rests on, then what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whyscan.report import comparison, findings, shortcut, trust
from whyscan.report.words import SUBSETS, Figure, figure, percent, plain, plural, points

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure: what it is, the figure, what it rests on."""

    title: str
    figure: Figure
    note: str


def section(
    audit: Mapping[str, Any] | None,
    compared: Mapping[str, Any] | None,
    gallery: Mapping[str, Any] | None,
    misled: Mapping[str, Any] | None,
    judged: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Whatever has run so far, in short."""
    level = findings.worst(audit) if audit else "note"
    found = [f for f in findings.findings(audit or {}) if f["level"] in ("fail", "warn")]
    return {
        "level": level,
        "verdict": _verdict(level, audit, found),
        "findings": found[:_SHOWN],
        "more": max(0, len(found) - _SHOWN),
        "tiles": _tiles(audit, compared),
        "best": _best(compared) if compared else None,
        "trust": trust.headline(judged) if judged else None,
        "pictured": bool((gallery or {}).get("scans")),
        "energy": _energy(gallery),
        "shortcut": shortcut.headline(misled) if misled else None,
        "cautions": _cautions(audit, compared),
    }


def _verdict(level: str, audit: Mapping[str, Any] | None, found: list[dict[str, str]]) -> str:
    if audit is None:
        return "The data have not been audited: no figure below says how much a leak or a shortcut helped."
    fails = sum(f["level"] == "fail" for f in found)
    if level == "fail":
        return (
            f"The data fail the audit on {plural(fails, 'count')}: do not take figures that rest on them at face value."
        )
    if level == "warn":
        return f"The audit found nothing that forbids using the data, and {plural(len(found), 'thing')} to beware of."
    return "The audit found no leak, label conflict or shortcut that it knows how to look for."


def _tiles(audit: Mapping[str, Any] | None, compared: Mapping[str, Any] | None) -> list[Tile]:
    tiles = []
    if audit:
        tiles.append(
            Tile(
                "Scans",
                Figure(f"{audit.get('readable', 0):,}"),
                plural(len(audit.get("classes") or {}), "class", "classes"),
            )
        )
        leaks = audit.get("leaks")
        if leaks and leaks.get("test"):
            share = percent(leaks["near"] / leaks["test"], 0)
            tiles.append(Tile("Official test leaked", Figure(share), f"{leaks['near']} of {leaks['test']} scans"))
    if compared:
        best = compared.get("best")
        for subset in ("holdout", "test-clean", "validation"):
            row = comparison.score(compared, best, subset, "accuracy")
            if row is not None and len(tiles) < 4:
                tiles.append(Tile(f"Accuracy, {SUBSETS[subset].split(' (')[0]}", figure(row), str(best)))
    return tiles


def _best(document: Mapping[str, Any]) -> dict[str, Any]:
    """The best model, its figure on the fairest subset, and its lead over each other model there."""
    best, subset = document.get("best"), comparison.fair_subset(document)
    leads = []
    for row in document.get("pairs") or []:
        if row["subset"] != subset or best not in (row["a"], row["b"]) or row.get("difference") is None:
            continue
        sign = 1 if row["a"] == best else -1
        ends = sorted(sign * row[end] for end in ("low", "high") if row.get(end) is not None)
        turned = {"difference": sign * row["difference"], **dict(zip(("low", "high"), ends, strict=False))}
        sure = row.get("verdict") not in (None, "", "could be chance")
        leads.append({"other": row["b"] if sign > 0 else row["a"], "figure": points(turned), "sure": sure})
    return {
        "name": best,
        "weak": document.get("weak"),
        "subset": SUBSETS.get(subset or "", ""),
        "accuracy": figure(comparison.score(document, best, subset, "accuracy")),
        "leads": leads,
    }


def _energy(gallery: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """One line a model: the energy in the lesion beside what an even spread would put there."""
    rows = [row for row in (gallery or {}).get("energy") or [] if row.get("value") is not None]
    by_chance = {row["model"]: figure(row) for row in rows if "chance)" in str(row.get("metric"))}
    return [
        {"model": row["model"], "figure": figure(row), "chance": by_chance.get(row["model"])}
        for row in rows
        if row.get("metric") == "mean energy in lesion"
    ]


def _cautions(audit: Mapping[str, Any] | None, compared: Mapping[str, Any] | None) -> list[str]:
    cautions = []
    if audit and not audit.get("patients_known"):
        cautions.append(
            "Patients are unknown: neighbouring slices of one patient may lie on both sides of the split, "
            "so every score is an upper bound."
        )
    if audit and any(cue.get("flag") for cue in audit.get("cues") or []):
        cautions.append("A rule that looks at no anatomy predicts the label: a high score may be that rule.")
    if compared:
        selected = SUBSETS.get(str(compared.get("selected_on")), str(compared.get("selected_on"))).split(" (")[0]
        cautions.append(f"Models were selected on the {selected} scans: their scores there are flattering.")
        if elsewhere := comparison.not_from_here(compared):
            cautions.append(
                f"It is not known that {' and '.join(elsewhere)} learned from this run's training scans only: scans "
                "held back here may have been among them, so that no figure is surely one of new scans."
            )
        cautions += [
            f"{model['name']} does not name its classes: its scores were taken for "
            f"{', '.join(sorted(compared['classes']))} ({plain(model['classes_from'])}). "
            "With another order its figures and maps would be of the wrong class."
            for model in compared.get("models") or []
            if model.get("classes_from")
        ]
    cautions.append("Explanations describe what a model used. They do not show that the model, or the label, is right.")
    return cautions
