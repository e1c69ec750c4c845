"""Phantoms: seeded, exact, and different by nothing but what they say they differ by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from whyscan.data.catalogue import open_catalogue
from whyscan.data.phantom import (
    _HEAD,
    KINDS,
    Shortcut,
    _rng,
    phantom,
    phantom_set,
    shortcut_area,
    write_phantoms,
)
from whyscan.data.phantom_head import VIEWS, draw_head
from whyscan.data.phantom_shapes import cut, ellipse, field, grid, inside, join
from whyscan.data.read import read_entry
from whyscan.errors import BadInput, BadRun

LESIONED = tuple(kind for kind in KINDS if kind != "no_tumor")
CUES = ("corner mark", "border", "intensity", "side")


def grey(kind: str, seed: int, shortcut: Shortcut | None = None, size: int = 128) -> np.ndarray:
    return phantom(kind, size=size, seed=seed, shortcut=shortcut).pixels[0]


@settings(deadline=None, max_examples=30)
@given(kind=st.sampled_from(KINDS), size=st.integers(32, 160), seed=st.integers(0, 2**64 - 1))
def test_any_size_and_seed_gives_a_scan_on_the_levels_of_a_png(kind: str, size: int, seed: int) -> None:
    scan = phantom(kind, size=size, seed=seed)
    again = phantom(kind, size=size, seed=seed)
    assert scan.pixels.shape == (1, size, size) and scan.pixels.dtype == np.float32
    assert scan.region is not None and scan.region.shape == (size, size) and scan.region.dtype == bool
    assert scan.region.any() == (kind != "no_tumor")
    assert np.array_equal(scan.pixels, scan.thumbnail()[None].astype(np.float32) / np.float32(255))
    assert np.array_equal(scan.pixels, again.pixels) and scan.content == again.content
    assert np.array_equal(scan.region, again.region) if again.region is not None else False
    assert scan.label == kind


def test_seeds_give_different_heads_and_every_view() -> None:
    contents = {phantom("no_tumor", size=48, seed=seed).content for seed in range(40)}
    views = {word for seed in range(40) for word in VIEWS if word in phantom("no_tumor", size=48, seed=seed).reading[0]}
    assert len(contents) == 40
    assert views == set(VIEWS)


@pytest.mark.parametrize("kind", LESIONED)
def test_the_lesion_is_all_that_differs_from_the_healthy_head_of_the_same_seed(kind: str) -> None:
    for seed in range(25):
        scan = phantom(kind, seed=seed)
        assert scan.region is not None
        change = np.abs(scan.pixels[0] - grey("no_tumor", seed))
        assert not change[~scan.region].any()
        assert (change[scan.region] > 0.02).mean() > 0.5


@pytest.mark.parametrize("kind", LESIONED)
def test_the_lesion_lies_inside_the_skull(kind: str) -> None:
    for seed in range(40):
        head = draw_head(_rng(seed, _HEAD), 128)
        region = phantom(kind, seed=seed).region
        assert region is not None
        assert (head.wall[region] < 0).all()


def test_lesions_look_like_what_they_are_called() -> None:
    area: dict[str, list[float]] = {kind: [] for kind in LESIONED}
    contrast: dict[str, list[float]] = {kind: [] for kind in LESIONED}
    spread: dict[str, list[float]] = {kind: [] for kind in LESIONED}
    pieces: dict[str, list[int]] = {kind: [] for kind in LESIONED}
    for seed in range(40):
        for kind in LESIONED:
            scan = phantom(kind, seed=seed)
            assert scan.region is not None
            core = ndimage.binary_erosion(scan.region, iterations=2)
            area[kind].append(scan.region.mean())
            contrast[kind].append(float(np.median(scan.pixels[0][core]) - np.median(grey("no_tumor", seed)[core])))
            spread[kind].append(float(scan.pixels[0][core].std()))
            pieces[kind].append(ndimage.label(scan.region)[1])
    median = {name: {kind: np.median(table[kind]) for kind in LESIONED} for name, table in
              {"area": area, "contrast": contrast, "spread": spread}.items()}  # fmt: skip
    assert median["area"]["glioma"] > median["area"]["meningioma"] > median["area"]["pituitary"]
    assert median["contrast"]["meningioma"] > 0.2 and median["contrast"]["pituitary"] > 0.2
    assert median["spread"]["glioma"] > 2 * median["spread"]["meningioma"]
    assert all(np.mean(np.array(found) == 1) > 0.9 for found in pieces.values())


def test_a_glioma_has_a_dark_core_within_a_bright_ring() -> None:
    ringed = 0
    for seed in range(30):
        scan = phantom("glioma", seed=seed)
        assert scan.region is not None
        smooth = ndimage.gaussian_filter(scan.pixels[0], 0.7)
        bright = (smooth > 0.6 * np.percentile(smooth[scan.region], 95)) & scan.region
        core = ndimage.binary_fill_holes(bright) & ~ndimage.binary_dilation(bright)
        ringed += bool(core.sum() > 5 and smooth[core].mean() < 0.6 * smooth[bright].mean())
    assert ringed >= 22


def test_a_meningioma_touches_the_dura() -> None:
    gaps = []
    for seed in range(40):
        head = draw_head(_rng(seed, _HEAD), 128)
        region = phantom("meningioma", seed=seed).region
        assert region is not None
        to_falx = np.inf
        if head.falx is not None:
            (_, top), (_, bottom) = head.falx
            beside = region & (head.y > top) & (head.y < bottom)
            to_falx = float(np.abs(head.x)[beside].min()) if beside.any() else np.inf
        gaps.append(min(float(-head.wall[region].max()), to_falx))
    assert max(gaps) < 0.05


def test_an_adenoma_sits_at_the_sella() -> None:
    for seed in range(40):
        head = draw_head(_rng(seed, _HEAD), 128)
        region = phantom("pituitary", seed=seed).region
        assert region is not None
        middle = head.x[region].mean(), head.y[region].mean()
        assert np.hypot(middle[0] - head.sella[0], middle[1] - head.sella[1]) < 0.15


@pytest.mark.parametrize("cue", CUES)
def test_a_shortcut_is_only_where_it_was_planted(cue: str) -> None:
    planted = Shortcut(cue, kinds=("meningioma",))  # type: ignore[arg-type]
    for kind in KINDS:
        for seed in range(5):
            area = shortcut_area(planted, kind, size=96, seed=seed)
            change = grey(kind, seed, planted, size=96) != grey(kind, seed, size=96)
            assert change.any() == area.any() == (kind == "meningioma")
            assert not change[~area].any()
            with_cue, without = phantom(kind, size=96, seed=seed, shortcut=planted), phantom(kind, size=96, seed=seed)
            assert (cue in with_cue.reading[0]) == (kind == "meningioma")
            if cue != "side":
                assert np.array_equal(with_cue.region, without.region)  # type: ignore[arg-type]


@pytest.mark.parametrize("cue", ("corner mark", "border"))
@pytest.mark.parametrize("size", (32, 128, 256))
def test_a_drawn_mark_is_small_bright_and_away_from_the_lesion(cue: str, size: int) -> None:
    planted = Shortcut(cue, kinds=KINDS)  # type: ignore[arg-type]
    scan = phantom("glioma", size=size, seed=3, shortcut=planted)
    area = shortcut_area(planted, "glioma", size=size, seed=3)
    assert scan.region is not None
    assert 0 < area.mean() < 0.13
    assert not (area & scan.region).any()
    assert (scan.pixels[0][area] > 0.85).all()


def test_the_corner_mark_can_be_read_as_an_r() -> None:
    area = shortcut_area(Shortcut("corner mark", KINDS), "glioma", size=64, seed=0)
    rows, columns = np.nonzero(area)
    letter = area[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert ["".join(".#"[int(cell)] for cell in row) for row in letter] == [
        "####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#",
    ]  # fmt: skip


def test_brighter_and_further_left() -> None:
    brighter, left = Shortcut("intensity", KINDS), Shortcut("side", KINDS)
    columns = np.arange(128)
    for seed in range(5):
        plain = grey("glioma", seed)
        assert grey("glioma", seed, brighter).mean() > 1.1 * plain.mean()
        moved = grey("glioma", seed, left)
        assert (moved.sum(0) @ columns) / moved.sum() < (plain.sum(0) @ columns) / plain.sum() - 4


@pytest.mark.parametrize("rate", (0.0, 0.3, 1.0))
def test_the_rate_is_the_share_that_carries_the_shortcut(rate: float) -> None:
    planted = Shortcut("corner mark", ("glioma", "no_tumor"), rate)
    carried = [shortcut_area(planted, "glioma", size=32, seed=seed).any() for seed in range(400)]
    assert abs(np.mean(carried) - rate) < 3 * np.sqrt(0.25 / 400)
    assert np.mean(carried) == rate or 0 < rate < 1


def test_a_set_has_a_seed_for_every_scan_and_keeps_it_when_it_grows() -> None:
    items = list(phantom_set(per_class=4, test_per_class=2, seed=5))
    assert len(items) == len({item.path for item in items}) == len({item.seed for item in items}) == 24
    assert {item.path.split("/")[1] for item in items} == set(KINDS) == {item.kind for item in items}
    larger = list(phantom_set(per_class=4, test_per_class=3, seed=5))
    assert {item.path: item.seed for item in larger}.items() >= {item.path: item.seed for item in items}.items()


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    cue = Shortcut("border", ("glioma",))
    write_phantoms(tmp_path / "set", per_class=3, test_per_class=2, size=48, seed=7, shortcut=cue)
    catalogue = open_catalogue(tmp_path / "set")
    items = {item.path: item for item in phantom_set(per_class=3, test_per_class=2, seed=7)}
    assert catalogue.classes == KINDS
    assert {entry.name for entry in catalogue.entries} == set(items)
    for entry in catalogue.entries:
        item, scan = items[entry.name], read_entry(entry)
        drawn = phantom(item.kind, size=48, seed=item.seed, shortcut=cue if entry.official == "train" else None)
        assert np.array_equal(scan.pixels, drawn.pixels)
        assert np.array_equal(scan.region, drawn.region)  # type: ignore[arg-type]
        assert scan.content == drawn.content and scan.label == drawn.label
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_the_test_part_can_be_left_out_and_can_carry_a_shortcut(tmp_path: Path) -> None:
    cue = Shortcut("corner mark", KINDS)
    write_phantoms(tmp_path / "a", per_class=1, test_per_class=0, size=32, seed=0)
    write_phantoms(tmp_path / "b", per_class=1, test_per_class=1, size=32, seed=0, test_shortcut=cue)
    area = shortcut_area(cue, "glioma", size=32, seed=0)
    test = np.asarray(Image.open(tmp_path / "b/Testing/glioma/glioma-0000.png"))
    train = np.asarray(Image.open(tmp_path / "b/Training/glioma/glioma-0000.png"))
    assert not (tmp_path / "a/Testing").exists()
    assert (test[area] == round(0.9 * 255)).all()
    assert (train[area] < 100).all()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="holds something"):
        write_phantoms(tmp_path, per_class=1, test_per_class=1, size=32, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_phantoms(tmp_path / "set", per_class=1, test_per_class=0, size=32, seed=0)
    assert len(list((tmp_path / "set").rglob("*.png"))) == 8


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saved = Image.Image.save, []

    def full(self: Image.Image, *args: object, **options: object) -> None:
        if len(saved) == 5:
            raise OSError(28, "No space left on device")
        saved.append(1)
        save(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(BadRun, match="No space left"):
        write_phantoms(tmp_path / "set", per_class=2, test_per_class=1, size=32, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput):
        write_phantoms(tmp_path / "file", per_class=1, test_per_class=1, size=32, seed=0)
    with pytest.raises(BadRun):
        write_phantoms(tmp_path / "file" / "set", per_class=1, test_per_class=1, size=32, seed=0)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"kind": "gliom"}, "gliom"),
        ({"size": 31}, "size"),
        ({"size": 4096}, "size"),
        ({"size": 64.0}, "size"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        phantom(**{"kind": "glioma", "size": 64, "seed": 0} | arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"kind": "smell"}, "smell"),
        ({"kinds": ("glioma", "cold")}, "cold"),
        ({"kinds": ()}, "no class"),
        ({"rate": 1.5}, "rate"),
        ({"rate": float("nan")}, "rate"),
    ],
)
def test_a_shortcut_that_cannot_be_is_refused(arguments: dict[str, object], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        Shortcut(**{"kind": "border", "kinds": ("glioma",)} | arguments)  # type: ignore[arg-type]


def test_a_shortcut_describes_itself() -> None:
    assert Shortcut("side", ("glioma",), 0.5).describe() == {"kind": "side", "kinds": ("glioma",), "rate": 0.5}


def test_distances_are_those_of_geometry() -> None:
    x, y = grid(200)
    assert x[0, 0] == pytest.approx(-0.995) and x[0, -1] == pytest.approx(0.995) and y[-1, 0] == pytest.approx(0.995)
    circle = ellipse(x, y, (0.1, -0.2), (0.4, 0.4))
    assert np.abs(circle - (np.hypot(x - 0.1, y + 0.2) - 0.4)).max() < 1e-4
    # The area inside the outline of an ellipse is pi a b, however it is tilted.
    tilted = ellipse(x, y, (0, 0), (0.6, 0.3), tilt=0.7)
    assert (tilted < 0).mean() * 4 == pytest.approx(np.pi * 0.18, rel=0.01)
    assert inside(tilted, 0.02).mean() * 4 == pytest.approx(np.pi * 0.18, rel=0.01)
    other = ellipse(x, y, (0.5, 0), (0.3, 0.3))
    far = np.abs(circle - other) > 0.1
    assert np.array_equal(join(circle, other, 0.1)[far], np.minimum(circle, other)[far])
    assert np.array_equal(cut(circle, other, 0.1)[far], np.maximum(circle, other)[far])
    assert (join(circle, other, 0.1) <= np.minimum(circle, other)).all()
    assert (cut(circle, other, 0.1) >= np.maximum(circle, other)).all()


def test_a_field_is_the_same_at_every_size() -> None:
    small, large = (field(np.random.default_rng(1), 6, size) for size in (48, 192))
    assert np.corrcoef(small.ravel(), large.reshape(48, 4, 48, 4).mean((1, 3)).ravel())[0, 1] > 0.99
    many = np.stack([field(np.random.default_rng(seed), 12, 48) for seed in range(60)])
    assert abs(many.mean()) < 0.05 and 0.8 < many.std() < 1.2
