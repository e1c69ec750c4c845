"""Keras files as data: both formats, their dialects, and weights that find their layers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import seeds
from hypothesis import given
from hypothesis import strategies as st

from whyscan.errors import BadModel
from whyscan.models.keras.read import read, snake_case


def _layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def _dense(name: str, **config: Any) -> dict[str, Any]:
    return _layer("Dense", name, units=2, activation="linear", use_bias=True, **config)


def _batch_norm(name: str, **config: Any) -> dict[str, Any]:
    return _layer("BatchNormalization", name, axis=[-1], scale=True, center=True, **config)


def _sequential(name: str, *layers: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers), **config}}


def _h5(path: Path, graph: dict[str, Any], groups: dict[str, list[tuple[str, np.ndarray]]], chunks: int = 1) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(graph).encode(), b"2.2.4-tf"
        weights = file.create_group("model_weights")
        for layer, arrays in groups.items():
            group = weights.create_group(layer)
            names = [name.encode() for name, _ in arrays]
            if chunks == 1:
                group.attrs["weight_names"] = names
            for place in range(chunks if chunks > 1 else 0):
                group.attrs[f"weight_names{place}"] = names[place::1][: 1 if place < chunks - 1 else None]
            for name, value in arrays:
                group.create_dataset(name, data=value)
    return path


def _number(value: float) -> np.ndarray:
    return np.full((2, 2), value, np.float32)


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_both_formats_give_the_same_arrays(kind: str, tmp_path: Path) -> None:
    found = read(seeds.make(tmp_path, [kind])[kind])
    assert (found.format, len(found.sha256)) == (kind, 64)
    assert set(found.weights) == {("conv",), ("bn",), ("dense",)}
    for name, arrays in seeds.keras_weights().items():
        for each, value in arrays.items():
            np.testing.assert_array_equal(found.weights[(name,)][each], value.astype(np.float32))


def test_what_a_file_is_its_content_says(tmp_path: Path) -> None:
    path = seeds.make(tmp_path, ["keras"])["keras"]
    assert read(path.rename(tmp_path / "model.h5")).format == "keras"


def test_a_nested_models_weights_find_their_layers_by_name(tmp_path: Path) -> None:
    graph = _sequential("outer", _sequential("inner", _dense("a"), _dense("b")), _dense("c"))
    names = ["inner/b/kernel:0", "inner/b/bias:0", "inner/a/kernel:0", "inner/a/bias:0"]  # in an order of their own
    arrays = [(name, _number(place)) for place, name in enumerate(names)]
    found = read(
        _h5(tmp_path / "m.h5", graph, {"inner": arrays, "c": [("c/kernel:0", _number(9)), ("c/bias:0", _number(8))]})
    )
    assert found.weights[("inner", "b")]["kernel"][0, 0] == 0
    assert found.weights[("inner", "a")]["bias"][0, 0] == 3
    assert found.weights[("c",)]["bias"][0, 0] == 8


@pytest.mark.parametrize("frozen", [False, True])
def test_weights_without_telling_names_come_in_kerass_order(frozen: bool, tmp_path: Path) -> None:
    """Learnt ones first, then the others; of a frozen model each layer's all together."""
    graph = _sequential("outer", _sequential("inner", _batch_norm("a"), _batch_norm("b"), trainable=not frozen))
    arrays = [(f"Variable_{place}:0", _number(place)) for place in range(8)]
    found = read(_h5(tmp_path / "m.h5", graph, {"inner": arrays}))
    order = ["gamma", "beta", "moving_mean", "moving_variance"]
    first = {name: int(found.weights[("inner", "a")][name][0, 0]) for name in order}
    second = {name: int(found.weights[("inner", "b")][name][0, 0]) for name in order}
    if frozen:
        assert list(first.values()) == [0, 1, 2, 3]
        assert list(second.values()) == [4, 5, 6, 7]
    else:
        assert list(first.values()) == [0, 1, 4, 5]
        assert list(second.values()) == [2, 3, 6, 7]


def test_two_layers_of_one_name_in_two_nested_models_are_told_apart_by_order(tmp_path: Path) -> None:
    graph = _sequential("outer", _sequential("inner", _sequential("x", _dense("d")), _sequential("y", _dense("d"))))
    arrays = [(f"v{place}/{name}:0", _number(place)) for place, name in enumerate(("kernel", "bias") * 2)]
    found = read(_h5(tmp_path / "m.h5", graph, {"inner": arrays}))
    assert found.weights[("inner", "x", "d")]["bias"][0, 0] == 1
    assert found.weights[("inner", "y", "d")]["kernel"][0, 0] == 2


def test_names_cut_into_pieces_are_joined(tmp_path: Path) -> None:
    graph = _sequential("outer", _dense("c"))
    found = read(_h5(tmp_path / "m.h5", graph, {"c": [("c/kernel:0", _number(1)), ("c/bias:0", _number(2))]}, chunks=2))
    assert found.weights[("c",)]["bias"][0, 0] == 2


def test_a_sequential_of_keras_2_2_is_a_bare_list(tmp_path: Path) -> None:
    graph = {"class_name": "Sequential", "config": [_dense("c")]}
    found = read(_h5(tmp_path / "m.h5", graph, {"c": [("c/kernel:0", _number(1)), ("c/bias:0", _number(2))]}))
    assert found.weights[("c",)]["kernel"][0, 0] == 1
    assert found.version == "2.2.4-tf"


def test_too_few_arrays_name_the_layer(tmp_path: Path) -> None:
    graph = _sequential("outer", _sequential("inner", _dense("a"), _dense("b")))
    with pytest.raises(BadModel, match="inner"):
        read(_h5(tmp_path / "m.h5", graph, {"inner": [("v:0", _number(1))]}))


def test_weights_without_a_graph_say_what_to_save(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["kernel"] = _number(1)
    with pytest.raises(BadModel, match=r"model\.save\)"):
        read(path)


@pytest.mark.parametrize("container", ["layers", "_layer_checkpoint_dependencies"])
def test_groups_of_an_archive_are_counted_by_class(container: str, tmp_path: Path) -> None:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for place, key in enumerate(("dense", "dense_1", "sequential")):
            inner = f"/{container}/dense" if key == "sequential" else ""
            file[f"{container}/{key}{inner}/vars/0"] = _number(place)
            file[f"{container}/{key}{inner}/vars/1"] = _number(10 + place)
    graph = _sequential("outer", _dense("first"), _sequential("in", _dense("third")), _dense("second"))
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(graph))
        archive.writestr("model.weights.h5", held.getvalue())
    found = read(path).weights
    assert [int(found[each]["kernel"][0, 0]) for each in (("first",), ("second",), ("in", "third"))] == [0, 1, 2]
    assert found[("in", "third")]["bias"][0, 0] == 12


@given(st.from_regex(r"[A-Z][a-z]{1,6}([A-Z][a-z]{1,6}){0,2}([1-3]D)?", fullmatch=True))
def test_snake_case_keeps_the_letters(name: str) -> None:
    assert snake_case(name).replace("_", "") == name.lower()


def test_snake_case_is_kerass() -> None:
    pairs = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "SeparableConv2D": "separable_conv2d",
             "ReLU": "re_lu", "PReLU": "p_re_lu", "Functional": "functional"}  # fmt: skip
    assert {kind: snake_case(kind) for kind in pairs} == pairs
