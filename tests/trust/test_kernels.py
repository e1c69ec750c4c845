"""Kernels that make the extra tables: flips, agreement, edits, and the condition of a map. Worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from whyscan.data.head import Head
from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.trust import condition
from whyscan.trust.agreeing import agreement_row
from whyscan.trust.edits import EDITS
from whyscan.trust.flipping import flip_row, on_regions, turned
from whyscan.trust.layering import likeness

CLASSES = ("a", "b")
QUARTERS = (np.arange(8)[:, None] // 4 * 2 + np.arange(8) // 4).astype(np.int32)


def lime(weights, segments=QUARTERS, intervals=None, size=8, **more):
    weights = np.asarray(weights, np.float32)
    return Attribution(
        "lime", CLASSES, Geometry.of((8, 8), (size, size)), CLASSES, np.array([0.6, 0.4], np.float32),
        segments=segments, weights=np.stack([weights, -weights]), intervals=intervals, signed=True, scan="s", **more,
    )  # fmt: skip


def test_flips_by_hand():
    first, second = lime([1.0, 0.5, -0.5, 0.01]), lime([-1.0, 0.5, 0.5, -0.01])
    found = turned(first, second, "a")
    assert found.lost.tolist() == [True, False, False, False]  # the last has no clear sign
    assert found.gained.tolist() == [False, False, True, False]
    tumour = np.zeros((8, 8), bool)
    tumour[:4, :4] = True
    row = flip_row(found, {"tumour": tumour, "rest": ~tumour, "none": np.zeros((3, 3), bool)})
    assert row["lost"] == pytest.approx(1 / 3) and row["gained"] == pytest.approx(1 / 3)
    assert row["clear"] == pytest.approx(0.75)
    assert row["places"] == {"tumour": 1.0, "rest": 0.0, "none": None}


def test_flips_between_classes_of_one_explanation():
    one = lime([1.0, -1.0, 0.5, 0.5])
    assert flip_row(turned(one, one, "a", "b"))["lost"] == pytest.approx(0.75)
    assert flip_row(turned(one, one, "a"))["lost"] == 0.0
    assert flip_row(turned(one, one, "a"))["correlation"] == pytest.approx(1.0)


def test_an_interval_across_zero_has_no_sign():
    wide = np.tile(np.array([-1.0, 1.0], np.float32), (2, 4, 1))
    row = flip_row(turned(lime([1, 1, 1, 1], intervals=wide), lime([-1, -1, -1, -1]), "a"))
    assert row["lost"] is None and row["clear"] == 0.0 and row["correlation"] is None


def test_other_superpixels_are_carried_over():
    fine = (np.arange(16)[:, None] // 4 * 4 + np.arange(16) // 4).astype(np.int32)
    other = lime([-1.0] * 8 + [1.0] * 8, fine, size=16)
    moved = on_regions(other, lime([1, 1, 1, 1]))
    assert moved.weights[0].tolist() == pytest.approx([-1, -1, 1, 1])
    assert flip_row(turned(lime([1, 1, 1, 1]), other, "a"))["lost"] == pytest.approx(0.5)


def test_flips_refuse_other_scans_and_maps():
    with pytest.raises(BadInput, match="two scans"):
        turned(lime([1, 1, 1, 1]), Attribution(**{**lime([1, 1, 1, 1]).__dict__, "scan": "t"}), "a")
    cam = Attribution("gradcam", CLASSES, Geometry.of((8, 8), (8, 8)), CLASSES, np.array([0.6, 0.4], np.float32),
                      maps=np.ones((2, 4, 4), np.float32), scan="s")  # fmt: skip
    with pytest.raises(BadInput, match="superpixels"):
        turned(cam, lime([1, 1, 1, 1]), "a")


def test_agreement_of_three():
    found = {"one": lime([1, 2, 3, 4]), "two": lime([2, 4, 6, 8]), "three": lime([4, 3, 2, 1])}
    tumour = QUARTERS == 3
    row = agreement_row(found, "a", {"tumour": tumour, "nowhere": np.zeros((8, 8), bool)})
    assert {(a, b): round(c, 6) for a, b, c in row["pairs"]} == {
        ("one", "two"): 1.0, ("one", "three"): -1.0, ("two", "three"): -1.0}  # fmt: skip
    assert row["mean"] == pytest.approx(-1 / 3)
    assert row["places"]["tumour"] == 1.0 and row["places"]["nowhere"] is None
    silent = agreement_row({"one": lime([1, 2, 3, 4]), "none": lime([0, 0, 0, 0])}, "a")
    assert silent["pairs"] == [] and silent["mean"] is None


def head_and_scan():
    y, x = np.mgrid[:64, :80]
    head = np.hypot((y - 32) / 26, (x - 40) / 26) < 1
    brain = np.hypot((y - 32) / 20, (x - 40) / 20) < 1
    tumour = np.hypot(y - 30, x - 50) < 5
    pixels = np.where(brain, 0.5, np.where(head, 0.9, 0.02)) + 0.4 * tumour
    pixels = pixels + 0.02 * brain * np.random.default_rng(0).uniform(-1, 1, pixels.shape)  # tissue is never flat
    pixels[2:6, 2:9] = 1.0  # a mark in a corner
    pixels = np.clip(pixels, 0, 1).astype(np.float32)[None]
    return Scan(pixels, "c", region=tumour), Head(head, brain)


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_changes_pixels_alone_and_leaves_the_scan_as_it_was(name):
    scan, head = head_and_scan()
    before = scan.pixels.copy()
    edited = EDITS[name].make(scan, head)
    assert np.array_equal(scan.pixels, before)
    assert edited is not None and edited.pixels.dtype == np.float32
    assert edited.pixels.min() >= 0 and edited.pixels.max() <= 1
    assert edited.shape != scan.shape or not np.array_equal(edited.pixels, before)
    assert edited.content == scan.content and edited.label == scan.label


def test_edits_take_away_what_they_say():
    scan, head = head_and_scan()
    made = {name: edit.make(scan, head).pixels[0] for name, edit in EDITS.items()}
    kept = scan.pixels[0]
    mark, tumour = (slice(2, 6), slice(2, 9)), scan.region
    for name in ("background", "corner marks"):
        assert np.allclose(made[name][mark], 0.02, atol=1e-6) and np.array_equal(made[name][head.head], kept[head.head])
    assert np.allclose(made["border"][:2], 0.02, atol=1e-6) and np.array_equal(
        made["border"][head.head], kept[head.head]
    )
    assert made["background level"][~head.head].max() == 0
    assert np.allclose(made["skull"][head.head & ~head.brain], kept[head.brain].mean(), atol=1e-5)
    assert np.array_equal(made["skull"][head.brain], kept[head.brain])
    assert np.allclose(made["tumour"][tumour], 0.5, atol=0.01)
    assert np.array_equal(EDITS["healthy patch"].make(scan, head).region, tumour)
    assert np.array_equal(made["healthy patch"][tumour], kept[tumour])
    assert made["aspect ratio"].shape == (80, 80)
    inside = made["brightness"][head.head]
    assert inside.mean() == pytest.approx(0.35, abs=0.02) and inside.std() == pytest.approx(0.2, abs=0.04)


def test_edits_that_cannot_be_made_say_so():
    scan = Scan(np.full((1, 20, 20), 0.5, np.float32), "c")
    nothing = Head(None, None, "no head")
    made = {name for name, edit in EDITS.items() if edit.make(scan, nothing) is not None}
    assert made == {"border", "image size"}


def case(values, **more):
    values = np.asarray(values, np.float32)
    attribution = SimpleNamespace(diagnosis=("negative everywhere",), index=lambda _: 0, converged=None, **more)
    return SimpleNamespace(values=values, attribution=attribution, target="a")


def test_condition():
    assert condition.blank(case(np.zeros((4, 4)))).value == 1.0
    assert condition.blank(case(np.zeros((4, 4)))).reason == "negative everywhere"
    assert condition.blank(case([[0, 1e-9]])).value == 0.0
    assert condition.blank(case([[np.nan, 1]])).value == 1.0
    assert condition.constant(case(np.full((4, 4), 0.3))).value == 1.0
    assert condition.constant(case(np.zeros((4, 4)))).value == 0.0
    assert condition.constant(case([[0.3, 0.4]])).value == 0.0
    assert condition.converged(case([[1]])).status == "skipped"


def test_class_discriminativeness():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(4, 4))
    alike = case(one, grid=np.stack([one, 2 * one]))
    opposed = case(one, grid=np.stack([one, -one]))
    assert condition.class_discriminativeness(alike).value == pytest.approx(0.0)
    assert condition.class_discriminativeness(opposed).value == pytest.approx(2.0)
    assert condition.class_discriminativeness(case(one, grid=np.stack([one, 0 * one]))).status == "skipped"


def test_likeness_within_a_class():
    rng = np.random.default_rng(0)
    habit, other = rng.normal(size=(2, 8, 8)).astype(np.float32)
    maps = [habit, 3 * habit + 1, -habit, other, np.zeros((8, 8)), np.full((5, 7), np.nan), habit]
    labels, groups = ["a", "a", "a", "b", "a", "a", "c"], ["1", "2", "3", "4", "5", "6", "7"]
    found = likeness(maps, labels, groups)
    assert found[:3] == pytest.approx([0.0, 0.0, -1.0], abs=1e-6)  # 0: the mean of 1 and -1
    assert np.isnan(found[3:]).all()
    assert np.isnan(likeness(maps[:2], ["a", "a"], ["1", "1"])).all()  # copies
    assert likeness([], [], []).size == 0
    coarse = [each.repeat(4, 0).repeat(4, 1) for each in (habit, habit)]
    assert likeness([habit, coarse[0]], ["a", "a"], ["1", "2"]) == pytest.approx([1, 1], abs=0.06)  # smoothed
