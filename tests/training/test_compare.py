"""The comparison: on models whose errors were placed by hand, so that every verdict is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyscan.errors import BadData, BadInput, BadRun
from whyscan.records.predictions import Predictions
from whyscan.records.run import RESULT_COLUMNS, Run
from whyscan.stats import scores
from whyscan.training import compare_text
from whyscan.training.compare import aligned, compare, result_rows, write

CLASSES = ("glioma", "no_tumor", "pituitary")
SPLITS = ("train",) * 6 + ("validation",) * 90 + ("holdout",) * 30 + ("test",) * 60


def model(name: str, wrong: Sequence[int], *, confidence: float = 0.9, groups: Sequence[str] | None = None,
          labels: np.ndarray | None = None) -> Predictions:  # fmt: skip
    """A model that is wrong on these validation scans (their number there), and right on all the others."""
    n = len(SPLITS)
    labels = np.arange(n) % 3 if labels is None else labels
    predicted = labels.copy()
    at = np.array(wrong, int) + 6
    predicted[at] = (labels[at] + 1) % 3
    p = np.full((n, 3), (1 - confidence) / 2)
    p[np.arange(n), predicted] = confidence
    leaked = np.array([split == "test" and i % 2 == 0 for i, split in enumerate(SPLITS)])
    names = tuple(f"s{i}.png" for i in range(n))
    return Predictions(name, CLASSES, names, labels, tuple(groups or names), SPLITS, leaked, p)


def about(*names: str, architecture: str = "mobilenetv2_100") -> dict[str, dict[str, Any]]:
    training = {"recipe": "finetune", "best_epoch": 2}
    return {name: {"backbone": architecture, "architecture": architecture, "training": training} for name in names}


def curve(*points: tuple[float, float], phase: str = "finetune") -> list[dict[str, str]]:
    return [
        {"epoch": str(i), "phase": phase, "train_loss": str(train), "validation_loss": str(validation),
         "validation_accuracy": "0.9"}
        for i, (train, validation) in enumerate(points, 1)
    ]  # fmt: skip


def pair_of(document: dict[str, Any], a: str, b: str, subset: str = "validation") -> dict[str, Any]:
    return next(p for p in document["pairs"] if (p["a"], p["b"], p["subset"]) == (a, b, subset))


def test_best_weak_and_verdicts() -> None:
    models = [model("poor", range(40)), model("good", [1, 2]), model("close", [1, 2, 3, 4])]
    document = compare(models, {}, {}, seed=0, draws=200)
    assert (document["best"], document["weak"], document["selected_on"]) == ("good", "poor", "validation")
    # 38 scans against none: 2 / 2**38, times 3 pairs
    clear = pair_of(document, "poor", "good")
    assert clear["verdict"] == "b is better"
    assert clear["difference"] == pytest.approx(-38 / 90)
    assert clear["p"] == pytest.approx(2 / 2**38)
    assert clear["p_holm"] == pytest.approx(3 * 2 / 2**38)
    # 2 scans against none: p = 0.5, the largest of three
    chance = pair_of(document, "good", "close")
    assert (chance["verdict"], chance["p"], chance["p_holm"]) == ("could be chance", 0.5, 0.5)
    assert chance["low"] < 2 / 90 < chance["high"]
    assert pair_of(document, "poor", "close")["verdict"] == "b is better"
    text = " ".join(document["text"])
    assert "good is best on validation: accuracy 0.978" in text
    assert "The difference to close, 0.022 [" in text
    assert "could be chance (McNemar p = 0.5 after Holm)" in text
    assert "The difference to poor, 0.422 [" in text
    assert "is more than chance explains (McNemar p < 0.001 after Holm)" in text
    assert "upper bound" in text
    assert "optimistic" in text


def test_scores_and_tables_by_hand() -> None:
    document = compare([model("m", [0, 1, 2])], {}, {}, seed=0, draws=100)
    assert document["subsets"] == ["validation", "holdout", "test", "test-leaked", "test-clean"]
    accuracy = compare_text.score(document, "m", "validation", "accuracy")
    assert accuracy.value == pytest.approx(87 / 90)
    assert accuracy.n == 90
    recall = compare_text.score(document, "m", "validation", "recall", "glioma")
    assert (recall.value, recall.n) == (pytest.approx(29 / 30), 30)
    assert document["confusion"]["m"]["validation"] == [[29, 1, 0], [0, 29, 1], [1, 0, 29]]
    curve = document["reliability"]["m"]["validation"]
    assert (curve["confidence"], curve["accuracy"]) == (pytest.approx([0.9]), pytest.approx([87 / 90]))
    assert curve["count"] == [90]
    loss = (87 * -np.log(0.9) + 3 * -np.log(0.05)) / 90
    assert compare_text.value(document, "m", "validation", "loss") == pytest.approx(loss)
    assert compare_text.value(document, "m", "validation", "ece") == pytest.approx(87 / 90 - 0.9)


def test_every_measured_score_lies_in_an_interval_that_has_width() -> None:
    document = compare([model("m", [0, 5]), model("perfect", [])], {}, {}, seed=1, draws=200)
    for row in document["scores"]:
        if row["low"] is None:  # every scan has the same loss, so the draws say nothing
            assert row["metric"] in ("loss", "ece")
            assert row["model"] == "perfect" or row["subset"] != "validation"
        else:
            assert row["low"] <= row["value"] <= row["high"], row
            assert row["low"] < row["high"], row


def test_a_class_that_is_absent_is_skipped_with_a_reason() -> None:
    labels = np.arange(len(SPLITS)) % 3
    clean = [i for i, split in enumerate(SPLITS) if split == "test" and i % 2 == 1]
    labels[clean] = np.where(labels[clean] == 1, 0, labels[clean])
    document = compare([model("m", [0], labels=labels)], {}, {}, seed=0, draws=50)
    recall = compare_text.score(document, "m", "test-clean", "recall", "no_tumor")
    assert (recall.status, recall.reason, recall.n) == ("skipped", "no no_tumor in this subset", 0)
    for metric, of in (("auroc", "no_tumor"), ("auroc", None), ("macro_f1", None)):
        assert compare_text.score(document, "m", "test-clean", metric, of).reason == "no no_tumor in this subset"
    assert compare_text.score(document, "m", "test-clean", "auroc", "glioma").status == "measured"
    assert "Recalls that were not measured: no_tumor on test-clean: no no_tumor in this subset." in document["text"]


def test_a_class_of_few_scans_is_not_measured() -> None:
    """Ten are enough and nine are not, for the class and for the rest; the audit says so of the same counts."""
    labels = np.arange(len(SPLITS)) % 3
    clean = [i for i, split in enumerate(SPLITS) if split == "test" and i % 2 == 1]
    pituitary = [i for i in clean if labels[i] == 2]
    assert len(pituitary) == scores.FEW
    enough = compare([model("m", [], labels=labels)], {}, {}, seed=0, draws=50)
    assert compare_text.score(enough, "m", "test-clean", "recall", "pituitary").status == "measured"
    labels[pituitary[0]] = 0
    document = compare([model("m", [], labels=labels)], {}, {}, seed=0, draws=50)
    for metric, of in (("recall", "pituitary"), ("auroc", "pituitary"), ("auroc", None), ("macro_f1", None)):
        found = compare_text.score(document, "m", "test-clean", metric, of)
        assert (found.status, found.reason) == ("skipped", "only 9 pituitary in this subset"), metric
    for metric, of in (("recall", "glioma"), ("auroc", "glioma"), ("accuracy", None), ("loss", None)):
        assert compare_text.score(document, "m", "test-clean", metric, of).status == "measured"
    assert "pituitary on test-clean: only 9 pituitary in this subset" in " ".join(document["text"])


def test_too_few_of_the_rest_have_no_auroc_either() -> None:
    labels = np.arange(len(SPLITS)) % 3
    labels[[split == "holdout" for split in SPLITS]] = [0] * 24 + [1] * 6
    document = compare([model("m", [], labels=labels)], {}, {}, seed=0, draws=50)
    found = {of: compare_text.score(document, "m", "holdout", "auroc", of).reason for of in ("glioma", None)}
    assert found == {
        "glioma": "only glioma, and 6 of any other class, in this subset",
        None: "only 6 no_tumor and no pituitary in this subset",
    }
    assert compare_text.score(document, "m", "holdout", "recall", "glioma").status == "measured"


def test_a_subset_of_one_class_has_no_auroc() -> None:
    labels = np.arange(len(SPLITS)) % 3
    labels[[split == "test" for split in SPLITS]] = 0
    document = compare([model("m", [0], labels=labels)], {}, {}, seed=0, draws=50)
    reasons = {
        of: compare_text.score(document, "m", "test", "auroc", of).reason for of in ("glioma", "pituitary", None)
    }
    assert reasons == {
        "glioma": "only glioma in this subset",
        "pituitary": "no pituitary in this subset",
        None: "no no_tumor and no pituitary in this subset",
    }


def test_groups_make_duplicates_count_once() -> None:
    """Ten copies of one scan decide nothing, though McNemar on scans is sure."""
    groups = ["copies" if 6 <= i < 16 else f"g{i}" for i in range(len(SPLITS))]
    pair = pair_of(
        compare([model("a", range(10), groups=groups), model("b", [], groups=groups)], {}, {}, seed=0, draws=50),
        "a",
        "b",
    )
    assert (pair["p"], pair["verdict"], pair["test"]) == (1.0, "could be chance", "permutation by group")
    assert pair["p_mcnemar"] == 2 / 2**10
    assert pair["n"] == 81


def test_one_group_gives_values_without_bootstrap_intervals() -> None:
    document = compare([model("m", [0], groups=["one"] * len(SPLITS))], {}, {}, seed=0, draws=50)
    loss = compare_text.score(document, "m", "validation", "loss")
    assert loss.value is not None
    assert (loss.low, loss.high, loss.n) == (None, None, 1)
    accuracy = compare_text.score(document, "m", "validation", "accuracy")
    assert accuracy.low is not None and accuracy.low < 0.4


def test_ties_in_accuracy_go_to_the_lower_loss() -> None:
    document = compare([model("timid", [0], confidence=0.5), model("sure", [1])], {}, {}, seed=0, draws=20)
    assert (document["best"], document["weak"]) == ("sure", "timid")


def test_a_single_model_has_no_rival() -> None:
    document = compare([model("m", [0])], {}, about("m"), seed=0, draws=20)
    assert (document["best"], document["weak"], document["pairs"]) == ("m", None, [])
    assert document["pair"]["weak"] is None
    assert document["text"][0].startswith("m has no rival: validation accuracy 0.989")


def test_the_weak_checkpoint_is_scored_but_does_not_compete() -> None:
    models = [model("net", [0]), model("net-weak", range(20)), model("other", range(9))]
    document = compare(models, {}, about("net", "net-weak") | about("other", architecture="vgg16"), seed=0, draws=20)
    assert (document["best"], document["weak"]) == ("net", "other")
    assert (document["pair"]["strong"], document["pair"]["weak"]) == ("net", "net-weak")
    assert compare_text.value(document, "net-weak", "validation", "accuracy") == pytest.approx(70 / 90)
    assert len([pair for pair in document["pairs"] if pair["subset"] == "validation"]) == 3
    assert not any(sentence.startswith("The difference to net-weak") for sentence in document["text"])


def test_a_weak_checkpoint_takes_nothing_from_the_models_that_compete() -> None:
    rivals = [model("net", [0]), model("other", range(7))]
    alone = pair_of(compare(rivals, {}, {}, seed=0, draws=20), "net", "other")
    document = compare([*rivals, model("net-weak", range(20)), model("other-weak", [])], {}, {}, seed=0, draws=20)
    beside = pair_of(document, "net", "other")
    assert alone["p"] == alone["p_holm"] == beside["p_holm"] == 2 / 2**6
    assert (alone["verdict"], beside["verdict"]) == ("a is better", "a is better")
    twin = pair_of(document, "net", "net-weak")
    assert (twin["p_holm"], twin["correction"]) == (None, "not corrected: chosen to differ")
    assert (twin["p"], twin["verdict"]) == (2 / 2**19, "a is better")
    corrected = [row for row in result_rows(document) if row.get("method") == "McNemar, Holm"]
    told = [(row["model"], row["status"], row["reason"]) for row in corrected if row["subset"] == "validation"]
    assert told[0] == ("net - other", "measured", "")
    assert set(told[1:]) == {(name, "skipped", "not corrected: chosen to differ") for name, *_ in told[1:]}


def test_a_weak_checkpoint_that_is_not_weak_is_called_so() -> None:
    document = compare([model("net", [0]), model("net-weak", [0, 1])], {}, about("net", "net-weak"), seed=0, draws=20)
    assert "the gap is below 0.05" in document["pair"]["reason"]


def test_a_sibling_near_eighty_per_cent_makes_the_pair() -> None:
    models = [model("net", [0]), model("frozen", range(19)), model("worse", range(60)), model("near", [0, 1])]
    names = [each.model for each in models]
    assert compare(models, {}, about(*names), seed=0, draws=20)["pair"]["weak"] == "frozen"
    apart = about("net") | about(*names[1:], architecture="vgg16")
    pair = compare(models, {}, apart, seed=0, draws=20)["pair"]
    assert pair["weak"] is None
    assert "no model of the same backbone is at least 0.05 below net" in pair["reason"]


def test_order_of_scans_and_classes_does_not_matter() -> None:
    first, second = model("a", [0, 1]), model("b", [3, 7, 8])
    rows, columns = np.random.default_rng(0).permutation(len(SPLITS)), np.array([2, 0, 1])
    shuffled = replace(
        second,
        classes=tuple(CLASSES[i] for i in columns),
        paths=tuple(second.paths[i] for i in rows),
        labels=np.argsort(columns)[second.labels[rows]],
        groups=tuple(second.groups[i] for i in rows),
        splits=tuple(second.splits[i] for i in rows),
        leaked=second.leaked[rows],
        probabilities=second.probabilities[np.ix_(rows, columns)],
    )
    expected = compare([first, second], {}, {}, seed=0, draws=20)
    assert compare([first, shuffled], {}, {}, seed=0, draws=20) == expected
    restored = aligned([first, shuffled])[1]
    np.testing.assert_array_equal(restored.probabilities, second.probabilities[6:])


def test_a_seed_gives_the_same_document() -> None:
    models = [model("a", [0, 1, 2]), model("b", [2, 3])]
    assert compare(models, {}, {}, seed=3, draws=30) == compare(models, {}, {}, seed=3, draws=30)
    assert compare(models, {}, {}, seed=3, draws=30)["scores"] != compare(models, {}, {}, seed=4, draws=30)["scores"]


def test_without_a_test_split_its_subsets_are_left_out() -> None:
    given = model("m", [0])
    kept = replace(given, splits=tuple("train" if split == "test" else split for split in SPLITS))
    document = compare([kept], {}, {}, seed=0, draws=20)
    assert document["subsets"] == ["validation", "holdout"]
    assert {row["subset"] for row in document["scores"]} == {"validation", "holdout"}


def test_leaked_and_clean_test_are_told_apart() -> None:
    document = compare([model("m", [0])], {}, {}, seed=0, draws=20)
    assert any("duplicates of training scans it scores 1.000" in sentence for sentence in document["text"])
    assert sum(map(sum, document["confusion"]["m"]["test-leaked"])) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": (*(f"s{i}.png" for i in range(185)), "other.png")}, "1 of 180 and 1 of 180 differ"),
        ({"splits": ("train",) * 16 + SPLITS[16:]}, "0 of 170 and 10 of 180 differ"),
        ({"classes": ("glioma", "no_tumor", "metastasis")}, "b knows the classes glioma, no_tumor, metastasis"),
        ({"model": "a"}, "two models have one name"),
        ({"probabilities": np.full((186, 3), np.nan)}, "b gave 180 scans probabilities that are not numbers"),
    ],
)
def test_models_that_cannot_be_compared(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        compare([model("a", []), replace(model("b", []), **change)], {}, {}, seed=0)


def test_nothing_to_compare() -> None:
    with pytest.raises(BadData, match="no model has predictions"):
        compare([], {}, {}, seed=0)
    given = model("m", [])
    with pytest.raises(BadData, match="no scan is in the validation split"):
        compare([replace(given, splits=("test",) * len(SPLITS))], {}, {}, seed=0)
    with pytest.raises(BadInput, match="0 bootstrap draws"):
        compare([given], {}, {}, seed=0, draws=0)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.9, 0.8), (0.5, 0.4), (0.3, 0.5), (0.1, 0.9)], "overfitting after epoch 2: by epoch 4 the validation loss"),
        ([(0.9, 0.8), (0.5, 0.5), (0.3, 0.4)], "longer training may help"),
        ([(0.9, 0.8), (0.5, 0.50), (0.3, 0.51)], "no overfitting: the validation loss stayed near its lowest"),
        ([(0.9, 0.8), (0.5, 0.4), (0.6, 0.9)], "no overfitting"),
        ([(0.9, 0.8)], "too few epochs"),
        ([], "not trained here"),
    ],
)
def test_reading_curves(points: list[tuple[float, float]], expected: str) -> None:
    assert expected in compare_text.overfitting(curve(*points))


def test_phases_are_not_mixed() -> None:
    head = curve((0.9, 0.2), (0.8, 0.2), phase="head")
    assert "longer training may help" in compare_text.overfitting(head + curve((0.5, 0.5), (0.4, 0.4), (0.3, 0.3)))


def test_history_of_a_model() -> None:
    rows = curve((0.9, 0.8), (0.5, 0.4), (0.3, 0.5), (0.1, 0.9))
    rows[-1]["validation_accuracy"] = "nan"
    document = compare([model("m", [0])], {"m": rows}, about("m"), seed=0, draws=20)
    (entry,) = document["models"]
    assert entry["overfit"].startswith("overfitting after epoch 2")
    assert {key: entry[key] for key in entry if key != "overfit"} == {
        "name": "m",
        "backbone": "mobilenetv2_100",
        "recipe": "finetune",
        "epochs": 4,
        "best_epoch": 2,
        "final_train_loss": 0.1,
        "final_validation_loss": 0.9,
        "final_validation_accuracy": None,
        "lowest_validation_loss": 0.4,
        "lowest_epoch": 2,
        "trained_here": None,
    }
    assert any(sentence.startswith("m: overfitting after epoch 2") for sentence in document["text"])


def test_the_text_reads_the_curves_of_the_best_and_the_weak_model() -> None:
    curves = {"good": curve((0.9, 0.8), (0.5, 0.5), (0.3, 0.4)), "poor": curve((1.2, 1.1), (1.1, 1.0), (1.0, 1.05)),
              "middle": curve((0.9, 0.8), (0.5, 0.5), (0.3, 0.4))}  # fmt: skip
    models = [model("good", [0]), model("middle", range(9)), model("poor", range(40))]
    text = compare(models, curves, {}, seed=0, draws=20)["text"]
    assert (
        "good: no overfitting; the validation loss was lowest at the last epoch, so longer training may help. Its "
        "validation loss was lowest in epoch 3 (0.400) and 0.400 after the last epoch, 3; its training loss ended at "
        "0.300." in text
    )
    assert any(
        line.startswith("poor: ") and "epoch 2 (1.000) and 1.050 after the last epoch, 3" in line for line in text
    )
    assert not any(line.startswith("middle: ") for line in text)
    assert "good: not trained here: there are no curves to read." in compare(models, {}, {}, seed=0, draws=20)["text"]


def test_models_named_best_and_weak_keep_their_roles_and_the_text_says_where_the_figures_differ() -> None:
    models = [model("best", range(30)), model("weak", [0]), model("third", range(9))]
    document = compare(models, {}, about("best", "weak", "third"), seed=0, draws=20)
    assert (document["pair"]["strong"], document["pair"]["weak"]) == ("best", "weak")
    assert (document["best"], document["weak"]) == ("weak", "best")
    assert any(
        "the figures contradict the names: best is not the better one on validation" in t for t in document["text"]
    )
    agreed = compare([model("best", [0]), model("weak", range(4))], {}, about("best", "weak"), seed=0, draws=20)
    assert (agreed["pair"]["strong"], agreed["pair"]["weak"]) == ("best", "weak")
    assert not any("contradict" in line for line in agreed["text"])


def test_the_same_architecture_of_other_maps_is_no_pair() -> None:
    models = [model("net", [0]), model("poor", range(20))]
    told = about("net", "poor")
    for change in ({"input_size": [64, 64]}, {"arguments": {"output_stride": 16}}):
        pair = compare(models, {}, {**told, "poor": {**told["poor"], **change}}, seed=0, draws=20)["pair"]
        assert pair["weak"] is None, change
    assert compare(models, {}, told, seed=0, draws=20)["pair"]["weak"] == "poor"


def test_nothing_is_called_held_out_from_a_model_of_another_run() -> None:
    models = [model("net", [0]), model("other", range(9))]
    for known in (None, {"net": False}, {"net": None, "other": True}):
        text = " ".join(compare(models, {}, {}, seed=0, draws=20, trained_here=known)["text"])
        assert "On the holdout net scores 1.000" in text
        assert "only the second can say what it does on new scans" in text
        assert "took no part" not in text
    assert "It is not known that net learned from this run's training scans only" in text
    text = " ".join(compare(models, {}, {}, seed=0, draws=20, trained_here={"net": True, "other": True})["text"])
    assert "On the holdout, which took no part in any choice, net scores 1.000" in text
    assert "It is not known" not in text


@pytest.mark.parametrize(
    ("known", "said"),
    [(None, "Where patients are unknown, slices"), (False, "Patients are not known for every scan"), (True, None)],
)
def test_the_caution_on_patients_follows_the_audit(known: bool | None, said: str | None) -> None:
    here = {"m": True}
    text = " ".join(
        compare([model("m", [0])], {}, {}, seed=0, draws=20, patients_known=known, trained_here=here)["text"]
    )
    assert ("upper bound" in text) == (said is not None)
    assert said is None or said in text


def test_the_document_is_strict_json_and_its_rows_fit_the_results_table(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    document = compare([model("a", [0]), model("b", range(9))], {}, about("a", "b"), seed=0, draws=20)
    run.replace_results("audit", [{"metric": "images", "value": 186, "status": "measured"}])
    write(document, run)
    write(document, run)
    assert run.comparison() == document
    rows = run.results()
    assert [row["stage"] for row in rows].count("compare") == len(result_rows(document))
    assert rows[0]["stage"] == "audit"
    assert all(set(row) <= set(RESULT_COLUMNS) for row in result_rows(document))
    (difference,) = [
        row for row in rows if row["metric"] == "accuracy difference" and row["subset"] == "validation"
    ]  # fmt: skip
    assert (difference["model"], float(difference["value"])) == ("a - b", pytest.approx(8 / 90))
    json.dumps(document, allow_nan=False)


def test_a_run_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    document = compare([model("a", [0])], {}, {}, seed=0, draws=20)
    with pytest.raises(BadRun, match="could not be written"):
        write(document, Run(tmp_path / "file"))


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    compare([model("m", [0])], {}, {}, seed=0, draws=5, progress=lambda *args: told.append(args))
    assert told[0] == ("comparing", 0, 5)
    assert told[-1] == ("comparing", 5, 5)
