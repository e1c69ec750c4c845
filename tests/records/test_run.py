from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whyscan.errors import BadInput, BadRun
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.records.run import RESULT_COLUMNS, Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    files.write_json(tmp_path / "run.json", {"seed": 0})
    return Run.open(tmp_path)


def test_only_a_run_can_be_opened(run: Run, tmp_path: Path) -> None:
    assert run.manifest() == {"seed": 0}
    for other in (tmp_path / "none", tmp_path / "models"):
        with pytest.raises(BadRun, match=r"has no run\.json"):
            Run.open(other)


def test_stages_that_have_not_run_are_none_or_empty(run: Run) -> None:
    assert run.audit() is run.comparison() is run.gallery() is None
    assert run.models() == run.results() == run.curves("net") == []


def test_stages_that_have_run_are_read(run: Run) -> None:
    for path, read in (
        (run.audit_path, run.audit),
        (run.compare_path, run.comparison),
        (run.gallery_path, run.gallery),
    ):
        files.write_json(path, {"stage": path.name})
        assert read() == {"stage": path.name}
    for name in ("b", "a", "half"):
        files.write_text(run.model_folder(name) / "model.safetensors", "")
        if name != "half":
            files.write_json(run.model_folder(name) / "model.json", {"name": name})
    assert run.models() == ["a", "b"]
    assert run.model("b") == {"name": "b"}
    files.write_rows(run.model_folder("a") / "curves.csv", [{"epoch": 1}], ["epoch"])
    assert run.curves("a") == [{"epoch": "1"}]
    with pytest.raises(BadRun, match=r"predictions\.csv is missing"):
        run.predictions("a")


def test_a_list_where_an_object_should_be_is_damaged(run: Run) -> None:
    files.write_json(run.manifest_path, [1])
    with pytest.raises(BadRun, match="not an object"):
        run.manifest()


def test_a_stage_replaces_its_own_results_and_no_others(run: Run) -> None:
    run.replace_results("audit", [{"metric": "leaks", "value": 251}])
    run.replace_results("compare", [{"metric": "accuracy", "value": 0.9}, {"metric": "ece", "value": 0.1}])
    run.replace_results("compare", [{"metric": "accuracy", "value": 0.95, "model": "net"}])
    rows = run.results()
    assert [(row["stage"], row["metric"], row["value"]) for row in rows] == [
        ("audit", "leaks", "251"),
        ("compare", "accuracy", "0.95"),
    ]
    assert tuple(rows[0]) == RESULT_COLUMNS


def test_attributions_are_read_from_inside_the_run_only(run: Run, tmp_path: Path) -> None:
    attribution = Attribution(
        "gradcam", ("a",), Geometry.of((2, 2), (2, 2)), ("a", "b"), np.array([0.5, 0.5], np.float32),
        maps=np.zeros((1, 2, 2), np.float32),
    )  # fmt: skip
    path = run.attribution_path("0123456789abcdef" + "f" * 48, "net", "gradcam")
    assert path.relative_to(run.folder).parts == ("explain", "0123456789abcdef", "net", "gradcam.npz")
    attribution.save(path)
    (found,) = run.attributions("explain/0123456789abcdef/net/gradcam.npz")
    assert found.digest() == attribution.digest()
    for outside in ("../a.npz", str(tmp_path.parent / "a.npz")):
        with pytest.raises(BadRun, match="leads out of the run"):
            run.attributions(outside)


@pytest.mark.parametrize("name", ["../../escaped", "a/b", "", ".", "..", ".hidden", "a b", "/abs", "a\\b", "a\n"])
def test_a_models_name_cannot_lead_out_of_the_run(run: Run, name: str) -> None:
    with pytest.raises(BadInput, match="model name"):
        run.model_folder(name)
    assert run.model_folder("resnet50.tv_in1k-weak").parent == run.folder / "models"


@pytest.mark.parametrize("damage", ["metric,value\nleaks,251\n", ",".join(RESULT_COLUMNS) + "\naudit,m\n"])
def test_a_damaged_table_of_results_is_named(run: Run, damage: str) -> None:
    run.results_path.write_text(damage)
    with pytest.raises(BadRun, match=r"results\.csv is damaged \(row 2\)"):
        run.replace_results("audit", [{"metric": "leaks", "value": 251}])
    assert run.results_path.read_text() == damage
