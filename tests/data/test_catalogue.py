"""Catalogues: folders and tables, good and bad."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from whyscan.data.catalogue import Entry, open_catalogue, shuffled
from whyscan.data.read import read_entry
from whyscan.errors import BadData, BadScan


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def table(root: Path, text: str) -> Path:
    (root / "scans.csv").write_text(text, encoding="utf-8")
    return root / "scans.csv"


def test_a_folder_per_class(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.png", "a/2.JPG", "a/deep/3.tif", "a/notes.txt", "a/.hidden.png", ".git/x.png")
    touch(tmp_path, "masks/a/2.png", "masks/a/deep/3.png")
    catalogue = open_catalogue(tmp_path)
    assert catalogue.classes == ("a", "b") and catalogue.root == tmp_path
    assert [(e.name, e.label, e.official) for e in catalogue.entries] == [
        ("a/2.JPG", "a", None), ("a/deep/3.tif", "a", None), ("b/1.png", "b", None),
    ]  # fmt: skip
    assert [e.mask for e in catalogue.entries] == [tmp_path / "masks/a/2.png", tmp_path / "masks/a/deep/3.png", None]
    assert all(e.path == tmp_path / e.name for e in catalogue.entries)


@pytest.mark.parametrize(("train", "test"), [("Training", "Testing"), ("train", "test"), ("TRAIN", "Test")])
def test_official_parts(tmp_path: Path, train: str, test: str) -> None:
    touch(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{test}/a/1.png", f"masks/{test}/a/1.png")
    touch(tmp_path, "Validation/b/2.png")
    found = {e.name: (e.official, e.mask is not None) for e in open_catalogue(tmp_path).entries}
    assert found == {
        f"{train}/a/1.png": ("train", False),
        f"{train}/b/1.png": ("train", False),
        f"{test}/a/1.png": ("test", True),
        "Validation/b/2.png": ("train", False),
    }


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a/1.txt", "b/2.txt"], "holds no images"),
        (["1.png", "2.png"], "holds 2 images and no class folders"),
        (["a/1.png"], "has one class only, 'a'"),
        (["a/1.png", "b/2.png", "c/notes.txt"], "the class folder c holds no images"),
        (["train/a/1.png", "train/b/2.png", "test/c/1.png"], "test part of .* has c, which the training part lacks"),
        (["test/a/1.png", "test/b/1.png"], "has a test part only"),
        (["train/a/1.png", "train/b/2.png", "test/notes.txt"], "test holds no images"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(BadData, match=words):
        open_catalogue(touch(tmp_path, *names))


def test_official_tests_come_first_in_an_order_that_the_seed_draws() -> None:
    entries = [
        Entry(f"{part}/{number}", Path("x"), "a", official=part) for part in ("train", "test") for number in range(10)
    ]
    drawn = shuffled(entries, 3)
    assert [entry.official for entry in drawn] == ["test"] * 10 + ["train"] * 10
    assert sorted(drawn, key=entries.index) == entries and drawn[:10] != entries[10:]
    assert drawn == shuffled(entries, 3) != shuffled(entries, 4)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nowhere is missing"):
        open_catalogue(tmp_path / "nowhere")


def test_a_table(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.png", "x/2.png", "y/3.png", "drawn/1.png", "masks/y/3.png")
    text = (
        "\ufeffpath,label,patient,split,mask,age\n"
        "x/2.png,b,p2,Testing,,50\n"
        "./x/1.png,a,p1,train,drawn/1.png,40\n"
        "y/3.png,b,,val,,\n"
    )
    catalogue = open_catalogue(table(tmp_path, text))
    assert [(e.name, e.label, e.patient, e.official) for e in catalogue.entries] == [
        ("x/1.png", "a", "p1", "train"), ("x/2.png", "b", "p2", "test"), ("y/3.png", "b", None, "train"),
    ]  # fmt: skip
    assert [e.mask for e in catalogue.entries] == [tmp_path / "drawn/1.png", None, tmp_path / "masks/y/3.png"]
    assert [e.path for e in catalogue.entries] == [tmp_path / e.name for e in catalogue.entries]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,class\n1.png,a\n", "no column path and no column label"),
        ("", "no column path"),
        ("path,label\n1.png,a\n../2.png,b\n", "row 3 of scans.csv has the path '../2.png', which leads out"),
        ("path,label\n1.png,a\nx/../../2.png,b\n", "row 3 .* leads out"),
        ("path,label\n1.png,a\n/etc/2.png,b\n", "row 3 .* leads out"),
        ("path,label,mask\n1.png,a,../m.png\n", "row 2 .* leads out"),
        ("path,label\n1.png,a\n.,b\n", "row 3 .* leads out"),
        ("path,label\n1.png,a\n2.png,\n", "row 3 of scans.csv has no label"),
        ("path,label\n,a\n2.png,b\n", "row 2 of scans.csv has no path"),
        ("path,label,split\n1.png,a,train\n2.png,b,somewhere\n", "row 3 .* the split 'somewhere'"),
        ("path,label,split\n1.png,a,train\n2.png,b,\n", "some rows of scans.csv have a split and some have none"),
        ("path,label\n1.png,a\n2.png,b\n./1.png,b\n", "row 4 .* 1.png again, after row 2"),
        ("path,label\n8.png,a\n9.png,b\n", "names no image that exists"),
        ("path,label\n", "names no image that exists"),
        ("path,label\n1.png,a\n2.png,a\n", "one class only"),
        ('path,label\n1.png,"a\n', "scans.csv is damaged"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, words: str) -> None:
    touch(tmp_path, "1.png", "2.png")
    with pytest.raises(BadData, match=words):
        open_catalogue(table(tmp_path, text))


def test_a_table_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "scans.csv").write_bytes(b"path,label\n\xff\xfe.png,a\n")
    with pytest.raises(BadData, match="damaged"):
        open_catalogue(tmp_path / "scans.csv")


def test_a_scan_that_is_listed_but_missing_is_left_to_the_audit(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    assert len(open_catalogue(table(tmp_path, "path,label\n1.png,a\n2.png,b\n")).entries) == 2


def test_a_table_in_the_current_folder_may_not_lead_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "in/1.png", "in/2.png", "out.png")
    monkeypatch.chdir(tmp_path / "in")
    table(Path(), "path,label\n1.png,a\n2.png,b\n")
    assert [entry.path for entry in open_catalogue("scans.csv").entries] == [Path("1.png"), Path("2.png")]
    table(Path(), "path,label\n1.png,a\n../out.png,b\n")
    with pytest.raises(BadData, match="leads out of in"):
        open_catalogue("scans.csv")


def test_a_folder_that_may_not_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self / "b"))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BadData, match=r"^b cannot be listed \(Permission denied\)"):
        open_catalogue(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse or translate such names")
def test_names_that_are_not_utf8_are_spelt_out(tmp_path: Path) -> None:
    for name in (b"caf\xe9/1.png", b"b/\xff.png"):
        path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118 - of bytes
        touch(tmp_path, str(path))
    catalogue = open_catalogue(tmp_path)
    assert [entry.name for entry in catalogue.entries] == ["b/\\udcff.png", "caf\\udce9/1.png"]
    assert catalogue.classes == ("b", "caf\\udce9")
    assert all(entry.path.is_file() for entry in catalogue.entries)
    with pytest.raises(BadScan) as caught:
        read_entry(catalogue.entries[0])
    assert str(caught.value).encode().startswith(b"\\udcff.png is 0 bytes")
