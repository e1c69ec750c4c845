"""The explain stage, piece by piece: what it keeps, what it leaves out, what it tells while one waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyscan import api
from whyscan.data.catalogue import Catalogue, Entry, open_catalogue
from whyscan.data.read import read_entry
from whyscan.data.scan import Scan
from whyscan.data.split import SplitRow
from whyscan.errors import BadScan
from whyscan.models import checkpoint
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.progress import quiet
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run
from whyscan.study import explaining, locating
from whyscan.study.gallery import pick
from whyscan.study.ledger import Ledger
from whyscan.study.settings import StudySettings

SETTINGS = StudySettings(evaluations=50, located=4)


@pytest.fixture(scope="module")
def catalogue(phantoms: Path) -> Catalogue:
    return open_catalogue(phantoms)


@pytest.fixture(scope="module")
def classifier(catalogue: Catalogue) -> Classifier:
    return build("test_resnet", "none", catalogue.classes, name="net", input_size=64)


def held_out(entries: list[Entry]) -> list[SplitRow]:
    return [SplitRow(e.name, e.label, None, e.name, "holdout", False, "00") for e in entries]


def with_lesion(catalogue: Catalogue) -> list[Entry]:
    return [entry for entry in catalogue.entries if entry.mask is not None and entry.label == "glioma"][:4]


def test_a_changed_label_or_lesion_is_not_answered_from_an_earlier_try(
    catalogue: Catalogue, classifier: Classifier, tmp_path: Path
) -> None:
    run, entry = Run(tmp_path), with_lesion(catalogue)[0]
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def saved(given: Entry) -> tuple[str | None, bool, int]:
        told = explaining._explain_scan(run, classifier, given, SETTINGS, ledger)
        path = tmp_path / told["model"]["files"]["lime"]
        (found,) = run.attributions(told["model"]["files"]["lime"])
        return found.label, found.region is not None, path.stat().st_mtime_ns

    label, region, made = saved(entry)
    assert (label, region) == ("glioma", True)
    assert saved(entry) == ("glioma", True, made)
    assert saved(replace(entry, label="pituitary"))[:2] == ("pituitary", True)
    assert saved(replace(entry, mask=None))[:2] == ("glioma", False)


def test_a_scan_that_cannot_be_read_is_left_out_of_the_energy_and_named(
    catalogue: Catalogue, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = with_lesion(catalogue)

    def reads(entry: Entry) -> Scan:
        if entry is entries[0]:
            raise BadScan(f"{entry.name} is gone", "a scan", "copy it again")
        return read_entry(entry)

    monkeypatch.setattr(locating, "read_entry", reads)
    failed: dict[str, str] = {}
    found = locating.locate(classifier, catalogue, held_out(entries), SETTINGS, failed, quiet)
    assert list(failed) == [entries[0].name]
    assert "copy it again" in failed[entries[0].name]
    assert [row["n"] for row in found] == [3, 3, 3]


@pytest.mark.parametrize(
    ("here", "subset"),
    [(True, "held out, known lesion"), (None, "outside of this run's training part, known lesion")],
)
def test_every_bar_reaches_its_total_and_failures_of_the_energy_are_listed(
    catalogue: Catalogue,
    classifier: Classifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: bool | None,
    subset: str,
) -> None:
    entries = with_lesion(catalogue)
    n, k = len(entries), len(catalogue.classes)
    labels = np.full(n, catalogue.classes.index("glioma"))
    names = tuple(entry.name for entry in entries)
    run = Run(tmp_path / "run")
    checkpoint.save(classifier, run.model_folder("net"))
    given = Predictions(
        "net", catalogue.classes, names, labels, names, ("holdout",) * n, np.zeros(n, bool), np.eye(k)[labels]
    )
    given.save(run.model_folder("net") / "predictions.csv")
    comparison: dict[str, Any] = {
        "best": "net", "weak": None, "pair": {"strong": "net", "weak": None},
        "models": [{"name": "net", "trained_here": here}],
    }  # fmt: skip
    told: dict[str, tuple[int, int]] = {}
    (picked,) = pick(given, None, per_case=1, seed=0)
    shown = names[picked.row]

    def reads(entry: Entry) -> Scan:
        if entry.name not in (shown, next(name for name in names if name != shown)):
            raise BadScan(f"{entry.name} is gone", "a scan", "copy it again")
        return read_entry(entry)

    for module in (explaining, locating):
        monkeypatch.setattr(module, "read_entry", reads)
    explaining.explain_stage(
        run, catalogue, held_out(entries), comparison, SETTINGS, Ledger(tmp_path / "ledger.jsonl"),
        progress=lambda what, done, total: told.update({what: (done, total)}),
    )  # fmt: skip
    assert told == {"explaining with net": (1, 1), "locating net": (4, 4)}
    index = run.gallery()
    assert index is not None
    assert [scan["source"] for scan in index["scans"]] == [shown]
    assert len(index["failed"]) == 2
    assert {row["subset"] for row in index["energy"]} == {subset}
    assert ("no model was trained on" in index["sampling"]) is (here is True)


@pytest.mark.slow
def test_what_was_trained_in_a_run_is_known_to_be_and_what_was_not_is_not(
    studied: Run, catalogue: Catalogue, phantoms: Path, tmp_path: Path, classifier: Classifier
) -> None:
    compared = studied.comparison()
    assert compared is not None
    assert compared["patients_known"] is False
    assert {model["name"]: model["trained_here"] for model in compared["models"]} == dict.fromkeys(
        studied.models(), True
    )
    mine = checkpoint.load(studied.model_folder("test_resnet"))
    settings = replace(SETTINGS, located=0, seed=1)
    run = api.study(phantoms, tmp_path / "run", models={"weak": mine, "best": classifier}, settings=settings)
    compared, index = run.comparison(), run.gallery()
    assert compared is not None and index is not None
    assert {model["name"]: model["trained_here"] for model in compared["models"]} == {"best": None, "weak": False}
    assert (index["models"]["best"], index["models"]["weak"]) == ("best", "weak")
    assert "though best and weak may have learned from some of them" in index["sampling"]


def test_the_given_roles_rule_the_gallery() -> None:
    given = {"best": "weak", "weak": "best", "pair": {"strong": "best", "weak": "weak"}}
    assert explaining.chosen_models(given) == {"best": "best", "weak": "weak", "others": [], "all": ["best", "weak"]}
    ranked = {"best": "third", "weak": "weak", "pair": {"strong": "best", "weak": "weak"}}
    assert explaining.chosen_models(ranked)["others"] == ["third"]
