from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.errors import BadModel
from whyscan.models.classifier import Classifier, Network
from whyscan.models.weights import digest
from whyscan.training import features
from whyscan.training.anatomy import anatomy
from whyscan.training.features import trunk_features
from whyscan.training.pixels import PixelCache, open_pixels

Data = tuple[Catalogue, tuple[SplitRow, ...]]
SIZE = (48, 48)


@pytest.fixture
def cache(squares: Data, tmp_path: Path) -> PixelCache:
    return open_pixels(*squares, (48, 48), "stretch", tmp_path / "cache")


@pytest.fixture
def network(tiny: Callable[..., Classifier]) -> Network:
    made = tiny(classes=["a", "b"]).network
    assert isinstance(made, Network)
    return made


def _count(network: Network) -> list[int]:
    seen: list[int] = []
    network.trunk.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    return seen


def test_they_are_the_trunks_own(squares: Data, cache: PixelCache, network: Network, tmp_path: Path) -> None:
    contents = [row.content for row in squares[1][:10]]
    found = trunk_features(anatomy(network, SIZE), cache, [*contents, contents[0]], tmp_path, bfloat16=False, batch=4)
    with torch.no_grad():
        wanted = network.features(cache.batch(contents).expand(-1, 3, -1, -1)).numpy()
    np.testing.assert_allclose(found[:10], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[10], found[0])


def test_each_scan_goes_through_the_trunk_once(
    squares: Data, cache: PixelCache, network: Network, tmp_path: Path
) -> None:
    contents, seen = [row.content for row in squares[1][:10]], _count(network)
    first = trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    assert sum(seen) == 10
    again = trunk_features(anatomy(network, SIZE), cache, contents[::-1], tmp_path, bfloat16=False)
    assert sum(seen) == 10
    np.testing.assert_array_equal(again[::-1], first)
    trunk_features(anatomy(network, SIZE), cache, [row.content for row in squares[1][:12]], tmp_path, bfloat16=False)
    assert sum(seen) == 12


def test_another_trunk_or_precision_has_features_of_its_own(
    squares: Data, cache: PixelCache, network: Network, tmp_path: Path
) -> None:
    contents, seen = [row.content for row in squares[1][:4]], _count(network)
    exact = trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    rough = trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=True)
    assert sum(seen) == 8
    assert 0 < np.abs(exact - rough).max() < 0.05 * np.abs(exact).max()
    before = digest(network.trunk)
    with torch.no_grad():
        next(network.trunk.parameters()).mul_(2)
    assert digest(network.trunk) != before
    trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    assert sum(seen) == 12


def test_a_killed_pass_goes_on_where_it_was(
    squares: Data, cache: PixelCache, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_PART", 4)
    contents, seen = [row.content for row in squares[1][:10]], _count(network)

    def interrupt(what: str, done: int, total: int) -> None:
        assert total == 10
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False, batch=2, progress=interrupt)
    assert sum(seen) == 10
    trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    assert sum(seen) == 12  # two parts of four were kept


def test_a_trunk_that_answers_with_nan_is_refused(
    squares: Data, cache: PixelCache, network: Network, tmp_path: Path
) -> None:
    with torch.no_grad():
        next(network.trunk.parameters()).fill_(float("nan"))
    with pytest.raises(BadModel, match="NaN"):
        trunk_features(anatomy(network, SIZE), cache, [squares[1][0].content], tmp_path, bfloat16=False)
    assert not list(tmp_path.glob("features-*/*.npz"))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_damaged_part_is_computed_again(
    squares: Data, cache: PixelCache, network: Network, tmp_path: Path, damage: bytes
) -> None:
    contents, seen = [row.content for row in squares[1][:4]], _count(network)
    first = trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    (part,) = tmp_path.glob("features-*/*.npz")
    part.write_bytes(damage)
    again = trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    np.testing.assert_array_equal(again, first)
    assert sum(seen) == 8
    trunk_features(anatomy(network, SIZE), cache, contents, tmp_path, bfloat16=False)
    assert sum(seen) == 8
