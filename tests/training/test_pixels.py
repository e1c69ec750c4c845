from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadData, BadScan
from whyscan.records.geometry import Geometry
from whyscan.training import pixels
from whyscan.training.pixels import open_pixels

Data = tuple[Catalogue, tuple[SplitRow, ...]]


@pytest.fixture
def data(tmp_path: Path, splits_of: Callable[[Path], Data]) -> Data:
    """Two classes; a grey scan, its copy, a coloured one and a wide one in each."""
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        grey = rng.integers(0, 255, (20, 20)).astype(np.uint8)
        colour = rng.integers(0, 255, (24, 18, 3)).astype(np.uint8)
        wide = rng.integers(0, 65535, (10, 30)).astype(np.uint16)
        for number, image in enumerate((grey, grey, colour, wide)):
            Image.fromarray(image).save(tmp_path / "data" / label / f"{number}.png")
    return splits_of(tmp_path / "data")


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_the_cache_holds_what_a_classifier_would_see(data: Data, tmp_path: Path, fit: str) -> None:
    catalogue, rows = data
    cache = open_pixels(catalogue, rows, (16, 16), fit, tmp_path / "cache")  # type: ignore[arg-type]
    for entry, row in zip(catalogue.entries, rows, strict=True):
        scan = read_entry(entry)
        wanted = Geometry.of(scan.shape, (16, 16), fit).to_model(scan.pixels)  # type: ignore[arg-type]
        np.testing.assert_allclose(cache.batch([row.content])[0].numpy(), wanted, atol=1e-5)


def test_a_batch_has_three_channels_only_where_a_scan_has(data: Data, tmp_path: Path) -> None:
    catalogue, rows = data
    cache = open_pixels(catalogue, rows, (16, 16), "stretch", tmp_path / "cache")
    grey, colour = rows[0].content, rows[2].content
    assert cache.batch([grey, grey]).shape == (2, 1, 16, 16)
    mixed = cache.batch([grey, colour])
    assert mixed.shape == (2, 3, 16, 16)
    np.testing.assert_array_equal(mixed[0, 0], mixed[0, 2])


def test_equal_pixels_are_stored_once(data: Data, tmp_path: Path) -> None:
    cache = open_pixels(*data, (16, 16), "stretch", tmp_path / "cache")
    assert len(data[1]) == 8 and len(cache.places) == 6
    assert cache.data.size == 2 * (1 + 3 + 1) * 256


def test_it_is_built_once(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    first = open_pixels(
        *data, (16, 16), "stretch", tmp_path / "cache", progress=lambda what, done, of: calls.append((done, of))
    )
    assert calls == [(i, 6) for i in range(1, 7)]
    monkeypatch.setattr(pixels, "read_entry", lambda entry: pytest.fail("read again"))
    again = open_pixels(*data, (16, 16), "stretch", tmp_path / "cache")
    np.testing.assert_array_equal(first.data, again.data)


@pytest.mark.parametrize("damage", ["short", "no index", "index cut off", "index of another kind"])
def test_a_damaged_cache_is_built_again(data: Data, tmp_path: Path, damage: str) -> None:
    first = np.array(open_pixels(*data, (16, 16), "stretch", tmp_path / "cache").data)
    (values,) = (tmp_path / "cache").glob("*.u16")
    index = values.with_suffix(".json")
    if damage == "short":
        values.write_bytes(values.read_bytes()[:-1])
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text(index.read_text()[:-9] if damage == "index cut off" else "[1, 2]")
    np.testing.assert_array_equal(open_pixels(*data, (16, 16), "stretch", tmp_path / "cache").data, first)


def test_an_interrupted_build_leaves_nothing_that_looks_whole(data: Data, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_pixels(*data, (16, 16), "stretch", tmp_path / "cache", progress=interrupt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_changed_since_the_audit_is_named(data: Data, tmp_path: Path) -> None:
    catalogue, rows = data
    shutil.copy(catalogue.entries[6].path, catalogue.entries[2].path)
    with pytest.raises(BadData, match=r"a/2\.png has other pixels"):
        open_pixels(catalogue, rows, (16, 16), "stretch", tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"path": "a/9.png"}, "not in the data set"), ({"content": ""}, "cannot be read")],
)
def test_a_row_without_a_scan_is_named(data: Data, tmp_path: Path, change: dict[str, str], message: str) -> None:
    catalogue, rows = data
    odd = dataclasses.replace(rows[0], **change)  # type: ignore[arg-type]
    with pytest.raises(BadData, match=message):
        open_pixels(catalogue, [odd, *rows[1:]], (16, 16), "stretch", tmp_path / "cache")


def test_a_scan_that_cannot_be_read_is_no_trouble_with_writing(
    squares: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, opened = squares[0].entries[3].path, Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == lost:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadScan, match="Permission denied"):
        open_pixels(*squares, (48, 48), "stretch", tmp_path)
