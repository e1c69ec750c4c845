"""The audit: on small sets made to be found out, and on the real one whose faults are known."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from whyscan.data.audit import Audit, audit, write_audit
from whyscan.data.catalogue import open_catalogue
from whyscan.errors import BadData, BadRun


def picture(seed: int, shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    smooth = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return np.uint8(np.clip(128 + 300 * smooth, 0, 255))


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """24 + 8 images of two classes: an exact and a near leak, a conflict, a copy, a broken file, a bad mask."""
    root = tmp_path / "set"
    for i in range(12):
        save(root / f"train/a/{i:02}.png", picture(i))
        save(root / f"train/b/{i:02}.png", picture(100 + i))
    for i in range(4):
        save(root / f"test/a/{i}.png", picture(200 + i))
        save(root / f"test/b/{i}.png", picture(300 + i))
    save(root / "test/a/0.png", picture(5))  # exact leak
    larger = Image.fromarray(picture(106)).resize((80, 80), Image.Resampling.BICUBIC)
    save(root / "test/b/1.png", np.asarray(larger))  # near leak
    save(root / "train/b/02.png", picture(2))  # the same picture as a/02: a conflict
    save(root / "train/a/04.png", picture(3))  # a copy
    (root / "test/b/3.png").write_bytes(b"")
    save(root / "masks/train/a/07.png", picture(0, (9, 9)))
    return root


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def texts(found: Audit, level: str) -> str:
    return "\n".join(each["text"] for each in found.document["findings"] if each["level"] == level)


def test_everything_planted_is_found(leaky: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = audit(open_catalogue(leaky), progress=lambda *each: told.append(each))
    document = found.document
    assert (document["images"], document["readable"], document["name"]) == (32, 30, "set")
    assert document["classes"] == {"a": {"train": 12, "test": 4}, "b": {"train": 12, "test": 4}}
    assert [each["path"] for each in document["unreadable"]] == ["test/b/3.png", "train/a/07.png"]
    assert "0 bytes" in document["unreadable"][0]["reason"] and "9 x 9" in document["unreadable"][1]["reason"]
    assert document["leaks"] == {
        "test": 7, "exact": 1, "near": 2, "patient": 0, "clean": 5,
        "per_class": {"a": {"test": 4, "exact": 1, "near": 1}, "b": {"test": 3, "exact": 0, "near": 1}},
    }  # fmt: skip
    groups = {tuple(member["path"] for member in g["members"]): g["kind"] for g in document["duplicates"]["groups"]}
    assert groups == {
        ("test/a/0.png", "train/a/05.png"): "exact",
        ("test/b/1.png", "train/b/06.png"): "near",
        ("train/a/02.png", "train/b/02.png"): "exact",
        ("train/a/03.png", "train/a/04.png"): "exact",
    }
    (conflict,) = document["conflicts"]
    assert {member["path"] for member in conflict["members"]} == {"train/a/02.png", "train/b/02.png"}
    split = {row.path: row for row in found.rows}
    assert split["train/a/02.png"].split == split["train/b/02.png"].split == "excluded"
    assert split["train/a/03.png"].split == split["train/a/04.png"].split
    assert [path for path, row in split.items() if row.leaked] == ["test/a/0.png", "test/b/1.png"]
    assert sum(sum(part.values()) for name, part in document["splits"].items() if "-" not in name) == 32
    assert told[31] == ("reading scans", 32, 32)
    assert "1 of 7 test images (14%) are pixel-identical" in texts(found, "fail")
    assert "2 of 32 images cannot be read" in texts(found, "warn")
    assert "1 group of duplicates carries different labels." in texts(found, "warn")
    assert document["patients_known"] is False and "upper bound" in texts(found, "warn")


def test_no_official_test(tmp_path: Path) -> None:
    for i in range(30):
        save(tmp_path / f"normal/{i}.png", picture(i))
        save(tmp_path / f"tumour/{i}.png", picture(100 + i, (40, 48)))
    found = audit(open_catalogue(tmp_path), seed=3)
    assert found.document["leaks"] is None and found.document["seed"] == 3
    assert found.document["classes"] == {"normal": {"all": 30}, "tumour": {"all": 30}}
    assert {cue["subset"] for cue in found.document["cues"]} == {"train", "validation", "holdout"}
    size = next(c for c in found.document["cues"] if (c["name"], c["subset"]) == ("image size", "validation"))
    assert size["accuracy"] == 1.0 and size["rule"] in ("40 x 40 means normal", "48 x 40 means tumour")
    assert "the holdout serves as the test" in texts(found, "note")
    assert found.document["conflicts"] == [] and "No image has a duplicate." in texts(found, "note")


def test_a_shortcut_is_told_in_words(tmp_path: Path) -> None:
    for i in range(120):
        save(tmp_path / f"a/{i}.png", picture(i, (12, 12)))
        save(tmp_path / f"b/{i}.png", picture(1000 + i, (12, 14)))
    assert "12 means" in texts(audit(open_catalogue(tmp_path)), "warn")


def test_patients_across_train_and_test_leak(tmp_path: Path) -> None:
    rows = ["path,label,patient,split"]
    for i in range(12):
        save(tmp_path / f"{i}.png", picture(i))
        rows.append(f"{i}.png,{'ab'[i % 2]},p{i % 8},{'train' if i < 9 else 'test'}")
    (tmp_path / "scans.csv").write_text("\n".join(rows))
    found = audit(open_catalogue(tmp_path / "scans.csv"))
    assert found.document["patients_known"] is True
    leaks = found.document["leaks"]
    assert (leaks["exact"], leaks["near"], leaks["patient"], leaks["clean"]) == (0, 0, 3, 0)
    assert "3 more test images are of patients that the training part has too" in texts(found, "fail")


def test_same_seed_same_audit(leaky: Path) -> None:
    first, second = audit(open_catalogue(leaky), seed=1), audit(open_catalogue(leaky), seed=1)
    assert first.rows == second.rows
    assert {**first.document, "seconds": 0} == {**second.document, "seconds": 0}


def test_what_is_written_is_what_was_found(leaky: Path, tmp_path: Path) -> None:
    found = audit(open_catalogue(leaky))
    write_audit(found, tmp_path / "audit")
    assert json.loads((tmp_path / "audit/audit.json").read_text()) == found.document
    assert str(leaky) not in (tmp_path / "audit/audit.json").read_text()
    assert len(lines(tmp_path / "audit/duplicates.csv")) == found.document["duplicates"]["images"] == 8
    assert [row["path"] for row in lines(tmp_path / "audit/conflicts.csv")] == ["train/a/02.png", "train/b/02.png"]
    assert len(lines(tmp_path / "audit/unreadable.csv")) == 2
    assert len(lines(tmp_path / "audit/cues.csv")) == len(found.document["cues"])
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(BadRun, match="could not be written"):
        write_audit(found, blocked / "audit")


def test_a_listed_file_that_is_missing_leaves_no_place_of_this_machine_in_the_records(
    leaky: Path, tmp_path: Path
) -> None:
    rows = [f"{file.relative_to(leaky).as_posix()},{file.parent.name}" for file in sorted(leaky.glob("train/*/*.png"))]
    (leaky / "scans.csv").write_text("\n".join(["path,label", *rows, "train/a/gone.png,a", ""]))
    write_audit(audit(open_catalogue(leaky / "scans.csv")), tmp_path / "audit")
    for path in (tmp_path / "audit").iterdir():
        assert str(tmp_path) not in path.read_text()
    assert "gone.png is missing" in (tmp_path / "audit" / "unreadable.csv").read_text()


def test_a_class_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    save(tmp_path / "a/1.png", picture(1))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/1.png").write_text("no image")
    with pytest.raises(BadData, match=r"1 of 2 classes .* can be read"):
        audit(open_catalogue(tmp_path))


@pytest.fixture(scope="module")
def real(shared: Path) -> Audit:
    return audit(open_catalogue(shared / "data" / "brain-tumor-mri"))


def cue(document: Any, name: str, question: str, subset: str) -> Any:
    return next(
        each
        for each in document["cues"]
        if (each["name"], each["question"], each["subset"]) == (name, question, subset)
    )


@pytest.mark.real
@pytest.mark.slow
def test_the_real_set_leaks(real: Audit) -> None:
    document = real.document
    assert (document["images"], document["readable"]) == (3264, 3264)
    leaks = document["leaks"]
    assert (leaks["test"], leaks["exact"], leaks["near"], leaks["clean"]) == (394, 251, 259, 135)
    assert leaks["per_class"]["no_tumor"] == {"test": 105, "exact": 105, "near": 105}
    assert document["seconds"] < 60
    across = [
        member["path"]
        for conflict in document["conflicts"]
        for member in conflict["members"]
        if member["label"] == "glioma_tumor"
    ]
    assert across == ["Testing/glioma_tumor/image(2).jpg", "Testing/glioma_tumor/image(48).jpg"]
    assert all(
        any((m["label"], m["official"]) == ("meningioma_tumor", "train") for m in conflict["members"])
        for conflict in document["conflicts"]
    )
    assert "251 of 394 test images (64%) are pixel-identical" in texts(real, "fail")


@pytest.mark.real
@pytest.mark.slow
def test_the_real_sets_shortcuts(real: Audit) -> None:
    size = {s: cue(real.document, "image size", "tumour or not", s) for s in ("train", "validation", "test")}
    assert size["train"]["rule"] == "512 x 512 means tumour"
    assert [round(100 * size[s]["accuracy"], 1) for s in ("train", "test")] == [93.9, 34.8]
    assert round(100 * size["train"]["majority"], 1) == 86.2
    assert size["validation"]["flag"]
    memory = [cue(real.document, "nearest neighbour", "class", s) for s in ("test", "test-leaked", "test-clean")]
    assert [round(100 * each["accuracy"], 1) for each in memory] == [76.9, 99.2, 34.1]


@pytest.mark.real
@pytest.mark.slow
def test_the_real_sets_split(real: Audit) -> None:
    splits = real.document["splits"]
    assert {name: sum(splits[name].values()) for name in ("test-leaked", "test-clean")} == {
        "test-leaked": 259, "test-clean": 135,
    }  # fmt: skip
    for name in ("train", "validation", "holdout"):
        assert min(splits[name].values()) >= 50
    parts: dict[str, set[str]] = {}
    for row in real.rows:
        if row.split != "test":
            parts.setdefault(row.group, set()).add(row.split)
    assert all(len(found) == 1 for found in parts.values())
