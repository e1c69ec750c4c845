"""Findings: the audit in plain English, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyscan.data.dicom import BURNED_IN, PERHAPS_BURNED_IN
from whyscan.stats.scores import FEW

_ORDER = ("fail", "warn", "note")


def findings(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """One sentence or two for each thing that a reader of the scores must know; `document` is the audit's."""
    found = [
        *_leaks(document),
        *_conflicts(document),
        *_unreadable(document),
        *_burned_in(document),
        *_cues(document),
        *_duplicates(document),
        *_balance(document),
        *_small(document),
        *_patients(document),
    ]
    sentences = [{"level": level, "text": text} for level, text in found]
    return sorted(sentences, key=lambda each: _ORDER.index(each["level"]))


Found = list[tuple[str, str]]


def _leaks(document: Mapping[str, Any]) -> Found:
    leaks = document["leaks"]
    if leaks is None:
        return [("note", "There is no official test; the holdout serves as the test.")]
    test = leaks["test"]
    if leaks["clean"] == test:
        return [("note", f"None of the {test} test images is a duplicate of a training image.")]
    found = []
    if leaks["near"]:
        whole = [
            f"all {n['exact']} of {label}" for label, n in leaks["per_class"].items() if 0 < n["test"] == n["exact"]
        ]
        among = f", {' and '.join(whole)} among them" if whole else ""
        found.append((
            "fail",
            f"{leaks['exact']} of {test} test images ({_share(leaks['exact'], test)}) are pixel-identical to a "
            f"training image{among}; with near duplicates it is {leaks['near']}. A score on this test is partly a "
            f"score of memory: read the {leaks['clean']} clean images apart.",
        ))  # fmt: skip
    if leaks["patient"]:
        found.append(("fail", f"{leaks['patient']} more test images are of patients that the training part has too."))
    return found


def _conflicts(document: Mapping[str, Any]) -> Found:
    conflicts = document["conflicts"]
    if not conflicts:
        return []
    across = sum(len({member["official"] for member in each["members"]}) > 1 for each in conflicts)
    where = f", {across} of them across train and test" if across else ""
    return [(
        "warn",
        f"{_count(len(conflicts), 'group')} of duplicates {_verb(len(conflicts), 'carries', 'carry')} different "
        f"labels{where}. Where the training part contradicts itself its copies are excluded.",
    )]  # fmt: skip


def _unreadable(document: Mapping[str, Any]) -> Found:
    bad = document["unreadable"]
    if not bad:
        return []
    return [("warn", f"{len(bad)} of {document['images']} images cannot be read and are excluded; {_first(bad)}.")]


def _burned_in(document: Mapping[str, Any]) -> Found:
    readings = document.get("readings") or {}
    sure, perhaps = readings.get(BURNED_IN, 0), readings.get(PERHAPS_BURNED_IN, 0)
    found = []
    if sure:
        found.append((
            "warn",
            f"{_count(sure, 'image')} {_verb(sure, 'says', 'say')} that text is burned into the picture "
            "(BurnedInAnnotation): it may name the patient, and a model may read it.",
        ))  # fmt: skip
    if perhaps:
        found.append((
            "note",
            f"{_count(perhaps, 'image')} {_verb(perhaps, 'does', 'do')} not say whether text is burned into the "
            "picture (BurnedInAnnotation), and images of that kind often have it: look at them before passing them on.",
        ))  # fmt: skip
    return found


def _first(bad: list[Mapping[str, str]]) -> str:
    return f"the first is {bad[0]['path']}: {bad[0]['reason'].rstrip('.')}"


def _cues(document: Mapping[str, Any]) -> Found:
    """Per rule and question one sentence, on the flagged subset with the most to gain.

    The leaked part of a test has its own finding: there every rule is asked about scans that it was fitted on.
    """
    rules: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cue in document["cues"]:
        rules.setdefault((cue["name"], cue["question"]), []).append(cue)
    found: Found = []
    for cues in rules.values():
        flagged = [cue for cue in cues if cue["flag"] and cue["subset"] != "test-leaked"]
        if flagged:
            best = max(flagged, key=lambda cue: cue["accuracy"] - cue["majority"])
            found.append(("warn", _cue_text(best, [cue for cue in cues if cue is not best])))
    return found


def _cue_text(cue: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    elsewhere = ", ".join(f"{other['accuracy']:.1%} on {other['subset']}" for other in others)
    score = (
        f"{cue['accuracy']:.1%} [{cue['low']:.1%}, {cue['high']:.1%}] of {cue['n']} {cue['subset']} images right for "
        f"{cue['question']!r}, where always the same answer gets {cue['majority']:.1%}"
    ) + (f" (elsewhere: {elsewhere})" if elsewhere else "")
    if cue["name"] == "nearest neighbour":
        return (
            f"A nearest neighbour on 64 x 64 thumbnails, without any learning, gets {score}: scans on both sides look "
            "alike, so figures on this part are an upper bound."
        )
    return f'The shortcut "{cue["rule"]}" gets {score}, without looking at any anatomy.'


def _duplicates(document: Mapping[str, Any]) -> Found:
    counted = document["duplicates"]
    if not counted["groups"]:
        return [("note", "No image has a duplicate.")]
    return [(
        "note",
        f"{counted['images']} images are in {len(counted['groups'])} groups of duplicates "
        f"({counted['exact_groups']} exact, {counted['near_groups']} near); a group is never parted.",
    )]  # fmt: skip


def _balance(document: Mapping[str, Any]) -> Found:
    totals = {label: sum(parts.values()) for label, parts in document["classes"].items()}
    least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    if totals[least] == totals[most]:
        return [("note", f"Every class has {totals[most]} images.")]
    level = "warn" if totals[most] >= 3 * totals[least] else "note"
    return [
        (level, f"The largest class, {most}, has {totals[most]} images and the smallest, {least}, {totals[least]}.")
    ]


def _small(document: Mapping[str, Any]) -> Found:
    """Classes that a subset has too few scans of for a recall to mean anything."""
    found: Found = []
    for name in ("validation", "holdout", "test", "test-clean"):
        counts = document["splits"][name]
        few = [f"{n} of {label}" for label, n in counts.items() if n < FEW]
        if few and sum(counts.values()):
            found.append(
                ("warn", f"The {name} part has only {' and '.join(few)}: such recalls are not measured there.")
            )
    return found


def _patients(document: Mapping[str, Any]) -> Found:
    if document["patients_known"]:
        return [("note", "Patients are known: no patient is on two sides of our split.")]
    return [(
        "warn",
        "Patients are not known for every image, so neighbouring slices of one patient may be on both sides of a "
        "split: every score is an upper bound.",
    )]  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _verb(n: int, one: str, many: str) -> str:
    return one if n == 1 else many
