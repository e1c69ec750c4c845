"""A volume as a whole: the mean, the largest and the votes by hand, and a montage that shows what it says."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import whyscan
from whyscan.errors import BadInput, BadTarget
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.records.place import Place
from whyscan.records.volume import montage, summarise_volume
from whyscan.render import montage as drawing
from whyscan.render.scale import Scale

CLASSES = ("glioma", "no tumor")


def slice_(index: int, p: float, *, peak: float = 1.0, **more: object) -> Attribution:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 1:3, 1:3] = peak
    fields: dict[str, object] = {
        "method": "gradcam", "targets": CLASSES, "classes": CLASSES, "geometry": Geometry.of((40, 30), (64, 64)),
        "probabilities": np.array([p, 1 - p], np.float32), "maps": maps, "source": f"a-axial-{index:03d}",
        "thumbnail": np.full((40, 30), 90, np.uint8), "scan": f"{index:064d}", "model": "small",
        "place": Place("ab12", index, 9, np.eye(4), "axial", "nifti"),
    }  # fmt: skip
    return Attribution(**(fields | more))  # type: ignore[arg-type]


def test_by_hand() -> None:
    found = summarise_volume([slice_(5, 0.25), slice_(2, 0.875), slice_(3, 0.0)])
    assert found.indices == (2, 3, 5) and found.names == ("a-axial-002", "a-axial-003", "a-axial-005")
    assert found.mean == {"glioma": 0.375, "no tumor": 0.625}
    assert found.largest == {"glioma": (0.875, 2), "no tumor": (1.0, 3)}
    assert found.votes == {"glioma": 1, "no tumor": 2}
    assert found.predicted == "no tumor"
    said = "no tumor: mean probability 0.625 over 3 of 9 slices, largest 1.000 (slice 3), predicted on 2"
    assert found.sentence() == said
    record = json.loads(json.dumps(found.as_record()))
    assert record["largest"]["glioma"] == {"probability": 0.875, "slice": 2}
    assert record["slices"][0] == {
        "index": 2, "name": "a-axial-002", "reading": [], "probabilities": {"glioma": 0.875, "no tumor": 0.125}
    }  # fmt: skip
    assert "no interval" in record["rule"]


def test_the_window_is_said_once_and_what_is_odd_about_a_slice_at_that_slice() -> None:
    window = "window centre 40, width 80, LINEAR (as asked for)"
    odd = "WARNING: 7 values of this slice are no numbers (NaN or infinite): shown as black"
    record = summarise_volume([slice_(1, 0.5, reading=(window,)), slice_(2, 0.5, reading=(window, odd))]).as_record()
    assert record["reading"] == [window] and [each["reading"] for each in record["slices"]] == [[], [odd]]


def test_the_later_of_a_slice_counts() -> None:
    assert summarise_volume([slice_(1, 0.25), slice_(2, 0.5), slice_(1, 0.75)]).mean["glioma"] == 0.625


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9))
def test_the_mean_lies_between_the_ends(probabilities: list[float]) -> None:
    found = summarise_volume([slice_(i, p) for i, p in enumerate(probabilities)])
    assert min(probabilities) - 1e-6 <= found.mean["glioma"] <= found.largest["glioma"][0] + 1e-6
    assert sum(found.mean.values()) == pytest.approx(1, abs=1e-5)
    assert sum(found.votes.values()) == len(probabilities)


def test_only_the_slices_of_one_volume_by_one_method() -> None:
    with pytest.raises(BadInput, match="no slice of a volume"):
        summarise_volume([])
    with pytest.raises(BadInput, match=r"a-axial-001, which is no slice"):
        summarise_volume([slice_(1, 0.5, place=None)])
    others = [
        slice_(2, 0.5, method="lime"), slice_(2, 0.5, model="large"),
        slice_(2, 0.5, place=Place("cd34", 2, 9, None, "axial", "nifti")),
        slice_(2, 0.5, place=Place("ab12", 2, 9, None, "coronal", "nifti")),
    ]  # fmt: skip
    for other in others:
        with pytest.raises(BadInput, match="slices of 2 volumes, planes, methods or models"):
            montage([slice_(1, 0.5), other], "glioma")


def test_a_montage_shares_one_scale_and_says_what_is_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    original = drawing.montage

    def watched(tiles: object, **said: object) -> object:
        seen.update(tiles=tiles, **said)
        return original(tiles, **said)  # type: ignore[arg-type]

    monkeypatch.setattr(drawing, "montage", watched)
    one = slice_(4, 0.75, targets=("no tumor",), maps=np.ones((1, 4, 4), np.float32))
    png = montage([slice_(7, 0.25, peak=1.0), slice_(2, 0.875, peak=4.0), one], "gli", notes=["And more."])
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG" and picture.width > 500
    tiles: list[tuple[str, np.ndarray]] = seen["tiles"]  # type: ignore[assignment]
    assert [label for label, _ in tiles] == [
        "2\nglioma 0.88", "4, not explained\nglioma 0.75", "7\nno tumor 0.75"
    ]  # fmt: skip
    assert seen["scale"].limit == pytest.approx(4, rel=0.1)  # type: ignore[attr-defined]
    tint = [float((picture.max(axis=-1) - picture.min(axis=-1).astype(int)).max()) for _, picture in tiles]
    assert tint[0] > tint[2] > tint[1] == 0
    assert "And more." in seen["notes"] and any("RESEARCH" in note for note in seen["notes"])  # type: ignore[attr-defined, operator]
    assert "3 of 9 axial slices" in str(seen["title"]) and "explained: glioma" in str(seen["title"])
    with pytest.raises(BadTarget):
        montage([one], "glioma")


@pytest.mark.parametrize("count", [1, 2, 7, 19, 60, 200])
def test_any_number_of_slices_makes_a_picture_of_a_handy_shape(count: int) -> None:
    tiles = [(str(i), np.zeros((150, 120, 3), np.uint8)) for i in range(count)]
    height, width, _ = drawing.montage(tiles, scale=Scale(False, 1.0, "logit"), title="t").shape
    assert width <= 2640 and (count < 6 or 0.5 < width / height < 2.2)
    columns = drawing._columns(count, 150, 120)
    assert -(-count // columns) * columns - count < columns


def test_a_known_lesion_is_outlined_and_public_names_lead_here() -> None:
    region = np.zeros((40, 30), bool)
    region[10:20, 10:20] = True
    plain = montage([slice_(1, 0.5), slice_(2, 0.5)], "glioma")
    assert montage([replace(slice_(1, 0.5), region=region), slice_(2, 0.5)], "glioma") != plain
    assert whyscan.montage is montage and whyscan.summarise_volume is summarise_volume
