"""Explanations that know nothing of the model."""

from __future__ import annotations

import numpy as np
import toys

from whyscan.trust import names
from whyscan.trust.nulls import null_attributions


def test_there_is_one_of_each_kind_on_the_models_grid() -> None:
    found = null_attributions(toys.classifier(), toys.scan(), "a", seed=0)
    assert list(found) == [names.NULL + name for name in names.NULLS]
    for name, each in found.items():
        assert each.method == name and each.targets == ("a",) and each.maps.shape == (1, 32, 32)
        assert np.isfinite(each.maps).all() and each.maps.min() >= 0 and np.ptp(each.maps) > 0


def test_only_the_random_one_depends_on_the_seed_and_none_on_the_model() -> None:
    one, other = (null_attributions(toys.classifier(), toys.scan(), "a", seed=seed) for seed in (0, 1))
    changed = [name for name in one if not np.array_equal(one[name].maps, other[name].maps)]
    assert changed == ["null: random"]
    strange = null_attributions(toys.classifier(5), toys.scan(), "b", seed=0)
    assert all(np.array_equal(one[name].maps, strange[name].maps) for name in one)


def test_the_random_map_is_another_one_for_another_scan() -> None:
    one, other = (null_attributions(toys.classifier(), toys.scan(i), "a", seed=0)["null: random"] for i in (0, 1))
    assert abs(np.corrcoef(one.maps.ravel(), other.maps.ravel())[0, 1]) < 0.9
