from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whyscan.errors import BadInput, BadScan
from whyscan.explain.games.segments import Superpixels
from whyscan.study.options import parse


def test_text_becomes_values() -> None:
    found = parse({"samples": "200", "fill": "0.5", "score": "logit"}, ["steps=64", "centred=False", "baseline = blur"])
    assert found == {
        "samples": 200, "fill": 0.5, "score": "logit", "steps": 64, "centred": False, "baseline": "blur",
    }  # fmt: skip
    assert parse({"samples": "auto"}) == {"samples": "auto"}


def test_superpixels_by_name_and_count() -> None:
    assert parse({"superpixels": "grid"}) == {"superpixels": Superpixels("grid")}
    assert parse({"superpixels": "slic:80"}) == {"superpixels": Superpixels("slic", 80)}


def test_settings_of_superpixels_are_settings_like_others() -> None:
    found = parse({"superpixels": "grid:20"}, ["background=leave out", "compactness=0.3"])
    assert found == {"superpixels": Superpixels("grid", 20, 0.3, "leave out")}
    assert parse({}, ["count=80"]) == {"superpixels": Superpixels(count=80)}
    with pytest.raises(BadInput, match="background"):
        parse({}, ["background=gone"])


@pytest.mark.parametrize("name", ["cut.png", "cut.tif", "cut.npy"])
def test_superpixels_are_a_label_map_where_a_file_is_named(name: str, tmp_path: Path) -> None:
    labels = np.arange(400, dtype=np.uint16).reshape(20, 20) // 60
    if name == "cut.npy":
        np.save(tmp_path / name, labels.astype(int) - 1)
    else:
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / name)
    found = parse({"superpixels": str(tmp_path / name)})["superpixels"]
    np.testing.assert_array_equal(found, labels.astype(int) - (name == "cut.npy"))
    with pytest.raises(BadInput, match="count beside a label map"):
        parse({"superpixels": str(tmp_path / name)}, ["count=80"])


def test_a_file_that_is_no_label_map_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "floats.npy", np.zeros((20, 20)))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(tmp_path / "colour.png")
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    for name in ("floats.npy", "objects.npy", "colour.png", "broken.npy"):
        with pytest.raises(BadScan, match=name):
            parse({"superpixels": str(tmp_path / name)})


def test_references_are_a_folder_of_scans(tmp_path: Path) -> None:
    for i in range(2):
        Image.fromarray(np.full((16, 16), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
    assert [scan.source for scan in parse({"references": str(tmp_path)})["references"]] == ["0.png", "1.png"]
    for text in ("black", "5"):
        with pytest.raises(BadScan, match=text):
            parse({}, [f"references={text}"])


@pytest.mark.parametrize("text", ["hexagons", "slic:", "slic:many", "slic:-3"])
def test_superpixels_that_do_not_exist(text: str) -> None:
    with pytest.raises(BadInput, match="slic, quickshift, felzenszwalb, grid"):
        parse({"superpixels": text})


@pytest.mark.parametrize("settings", [["steps"], ["=3"], ["steps=3", "steps=4"]])
def test_settings_that_cannot_be_read(settings: list[str]) -> None:
    with pytest.raises(BadInput, match="NAME=VALUE"):
        parse({}, settings)


def test_a_setting_that_is_an_option_as_well_is_not_given_twice() -> None:
    with pytest.raises(BadInput, match="each name once"):
        parse({"samples": "200"}, ["samples=300"])
