"""PNG, safetensors and the door to all formats: what is written is what was saved."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from typer.testing import CliRunner

import whyscan
from whyscan.cli.main import app
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadRun
from whyscan.export import png, tensors
from whyscan.export.dicom_words import file_part, text
from whyscan.export.formats import FORMATS, export
from whyscan.records.attribution import Attribution, load_all, save_all

Make = Callable[..., Attribution]
runner = CliRunner()


@pytest.fixture
def found(attribution_of: Make) -> Attribution:
    pixels = np.random.default_rng(0).random((1, 30, 40)).astype(np.float32)
    return attribution_of(Scan(pixels, "cd" * 32, source="a.png"), measured={"gap": (0.5, float("nan"), 0.0)})


def test_whoever_waits_is_told_how_many_files_of_explanations_are_done(found: Attribution, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_all(tmp_path / "why" / f"{name}.npz", [found])
    for form in ("png", "npz", "safetensors"):
        said: list[tuple[str, int, int]] = []
        export([tmp_path / "why"], form, out=tmp_path / form, progress=lambda *each, said=said: said.append(each))
        assert [(done, total) for _, done, total in said] == [(0, 3), (1, 3), (2, 3), (3, 3)], form


def test_a_raw_map_comes_back_to_half_a_step(found: Attribution, tmp_path: Path) -> None:
    overlay, raw, said = png.save_png(found, "glioma", tmp_path / "a.b")
    assert [path.name for path in (overlay, raw, said)] == ["a.b.overlay.png", "a.b.raw.png", "a.b.json"]
    values = found.values[0]
    scale = json.loads(said.read_text())["raw"]
    with Image.open(raw) as picture:
        assert picture.mode == "I;16" and picture.size == (40, 30)
        by_hand = scale["offset"] + scale["slope"] * np.asarray(picture, np.float64)
    assert np.abs(by_hand - values).max() <= scale["slope"] / 2 * 1.001
    np.testing.assert_array_equal(png.load_raw(raw), by_hand.astype(np.float32))
    with Image.open(overlay) as picture:
        np.testing.assert_array_equal(np.asarray(picture), found.overlay("glioma"))


finite = st.floats(-1e6, 1e6, width=32)


@given(arrays.arrays(np.float32, (3, 4), elements=finite | st.just(float("nan")) | st.just(float("inf"))))
def test_any_values_are_stored_within_half_a_step(values: np.ndarray) -> None:
    stored, scale = png.quantise(values)
    there = np.isfinite(values)
    back = scale["offset"] + scale["slope"] * stored.astype(np.float64)
    assert np.isfinite(back).all()
    assert np.abs(back - values)[there].max(initial=0.0) <= scale["slope"] / 2 * 1.001 + 1e-9


def test_a_picture_that_is_no_raw_map_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(b"nothing")
    for name in ("x.png", "y.png", "z.png"):
        with pytest.raises(BadRun):
            png.load_raw(tmp_path / name)


def test_safetensors_come_back_the_same(found: Attribution, tmp_path: Path) -> None:
    tensors.save_tensors([found, found], tmp_path / "a.safetensors")
    back = tensors.load_tensors(tmp_path / "a.safetensors")
    assert [each.digest() for each in back] == [found.digest()] * 2
    from safetensors.numpy import load_file

    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["0.maps"], found.maps)


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_damaged_tensors_are_a_named_error(ending: str, found: Attribution, tmp_path: Path) -> None:
    tensors.save_tensors([found], tmp_path / "a.safetensors")
    (tmp_path / f"a{ending}").write_bytes(b"\xff" * 100)
    with pytest.raises(BadRun, match="damaged"):
        tensors.load_tensors(tmp_path / "a.safetensors")


def test_export_takes_attributions_files_and_folders(found: Attribution, tmp_path: Path) -> None:
    save_all(tmp_path / "saved" / "a.gradcam.npz", [found])
    for record in (found, tmp_path / "saved", tmp_path / "saved" / "a.gradcam.npz"):
        out = tmp_path / f"out-{type(record).__name__}-{len(list(tmp_path.iterdir()))}"
        written = whyscan.export([record], ["npz", "safetensors", "png"], out=out)
        assert all(Path(path).is_file() for path in written["files"]) and written["left_out"] == []
        (npz,) = (path for path in written["files"] if path.endswith(".npz"))
        assert load_all(Path(npz))[0].digest() == found.digest()
        assert len(list((out / "png").glob("*.overlay.png"))) == 3


def test_layers_do_not_overwrite_each_other(attribution_of: Make, found: Attribution, tmp_path: Path) -> None:
    scan = Scan(np.zeros((1, 8, 8), np.float32), "ef" * 32)
    layers = [attribution_of(scan, layer=name, targets=("glioma",)) for name in ("conv/1", "conv 1", "conv-1")]
    save_all(tmp_path / "a.npz", layers)
    export([tmp_path / "a.npz"], "png", out=tmp_path / "out")
    assert len(list((tmp_path / "out" / "png").glob("*.raw.png"))) == 3


def test_a_format_that_is_none_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="gif"):
        export([tmp_path / "nowhere.npz"], "gif", out=tmp_path / "out")
    with pytest.raises(BadRun):
        export([tmp_path], "png", out=tmp_path / "out")


def test_the_command_writes_a_document_and_says_what_it_left_out(found: Attribution, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    save_all(tmp_path / "a.npz", [found])
    result = runner.invoke(
        app, ["export", str(tmp_path / "a.npz"), "--to", "dicom", "--out", str(tmp_path / "out"), "--json"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert len(document["left_out"]) == 2 and all(Path(path).is_file() for path in document["files"])
    refused = runner.invoke(
        app,
        ["export", str(tmp_path / "a.npz"), "--to", "dicom", "--object", "map", "--out", str(tmp_path / "o"), "--json"],
    )
    assert refused.exit_code == 2 and "has no geometry" in json.loads(refused.stdout)["came"]


def test_the_command_loads_no_torch(found: Attribution, tmp_path: Path) -> None:
    save_all(tmp_path / "a.npz", [found])
    code = (
        "import sys\nfrom whyscan.cli.main import app\n"
        f"try:\n    app(['export', {str(tmp_path / 'a.npz')!r}, '--to', 'png', '--out', {str(tmp_path / 'o')!r}])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules, 'export loads torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@given(st.text(max_size=60))
def test_any_name_is_a_safe_part_of_a_file_name(name: str) -> None:
    part = file_part(name)
    assert part and "/" not in part and "\\" not in part and not part.startswith(".") and part.isascii()
    assert len(part) <= 50
    assert len(text(name)) <= 64 and text(name).isprintable() and "\\" not in text(name)


def test_every_format_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "export.md").read_text(encoding="utf-8")
    assert [name for name in FORMATS if f"`{name}`" not in page] == []
