import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from whyscan.errors import BadModel
from whyscan.models import weights
from whyscan.models.preprocess import SYMMETRIC


def _module() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.rand(value.shape) + 0.1 for name, value in module.state_dict().items() if value.ndim}


def test_a_file_says_what_it_is(tmp_path):
    path = tmp_path / "w.safetensors"
    about = {"timm_model": "resnet50", "timm_kwargs": json.dumps({"bn_eps": 0.001}), "input": "x/127.5-1"}
    save_file({"a": torch.ones(2)}, path, about)
    file = weights.read_weights(path)
    assert (file.architecture, file.arguments, file.normalisation) == ("resnet50", {"bn_eps": 0.001}, SYMMETRIC)
    assert file.tensors["a"].tolist() == [1, 1]


def test_a_file_that_says_nothing(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    file = weights.read_weights(tmp_path / "w.safetensors")
    assert (file.architecture, file.arguments, file.normalisation) == ("", {}, None)


def test_of_a_whole_classifier_the_trunk_is_taken(tmp_path):
    save_file({"trunk.a": torch.ones(1), "head.a": torch.zeros(1), "mean": torch.zeros(3)}, tmp_path / "m.safetensors")
    assert list(weights.read_weights(tmp_path / "m.safetensors").tensors) == ["a"]


@pytest.mark.parametrize("arguments", ["{", "[1]", "7"])
def test_damaged_arguments(tmp_path, arguments):
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors", {"timm_kwargs": arguments})
    with pytest.raises(BadModel, match=r"w\.safetensors.*timm_kwargs"):
        weights.read_weights(tmp_path / "w.safetensors")


def test_missing_pickled_and_truncated_files(tmp_path):
    with pytest.raises(BadModel, match="not a file"):
        weights.read_weights(tmp_path / "none.safetensors")
    with pytest.raises(BadModel, match="not a file"):
        weights.read_weights(tmp_path)
    torch.save({"a": torch.ones(1)}, tmp_path / "p.pth")
    with pytest.raises(BadModel, match="pickled"):
        weights.read_weights(tmp_path / "p.pth")


@given(st.integers(min_value=0), st.binary(max_size=4))
def test_no_prefix_of_a_file_passes_for_a_whole_one(tmp_path_factory, length, tail):
    whole = save({"a": torch.arange(6.0), "b": torch.ones(2, 2)})
    path = Path(tmp_path_factory.getbasetemp()) / "part.safetensors"
    path.write_bytes(whole[: length % len(whole)] + (tail if length % 2 else b""))
    if path.read_bytes() == whole:
        return
    try:
        read, _ = weights.read_tensors(path)
    except BadModel:
        return
    assert path.stat().st_size == len(whole) and read.keys() == {"a", "b"}  # its last bytes were drawn anew


def test_put_takes_all_or_nothing():
    module, other = _module(), _module()
    tensors = _tensors(other)
    weights.put(module, {**tensors, "classifier.weight": torch.ones(5), "fc.bias": torch.ones(5)}, "w")
    assert all(torch.equal(module.state_dict()[name], value) for name, value in tensors.items())


def test_half_precision_is_widened():
    module = _module()
    tensors = {name: value.half() for name, value in _tensors(module).items()}
    weights.put(module, tensors, "w")
    assert module[0].weight.dtype == torch.float32
    assert torch.equal(module[0].weight, tensors["0.weight"].float())


def test_what_does_not_fit_is_listed_and_nothing_is_changed():
    module = nn.Sequential(*[nn.Linear(2, 2) for _ in range(4)])
    before = weights.digest(module)
    tensors = _tensors(module)
    tensors["0.weight"] = torch.ones(3, 2)
    tensors |= {f"extra.{i}": torch.ones(1) for i in range(6)}
    del tensors["3.bias"]
    with pytest.raises(BadModel) as caught:
        weights.put(module, tensors, "file.safetensors")
    text = str(caught.value)
    assert "file.safetensors" in text and "1 missing (3.bias)" in text
    assert "6 unknown (extra.0, extra.1, extra.2, extra.3, ...)" in text
    assert "1 of another shape (0.weight (3, 2) for (2, 2))" in text
    assert weights.digest(module) == before


def test_numbers_that_are_none_are_refused():
    module = _module()
    tensors = _tensors(module)
    tensors["1.running_var"][2] = torch.inf
    with pytest.raises(BadModel, match=r"NaN or infinity in 1 tensors \(1\.running_var\)"):
        weights.put(module, tensors, "w")


def test_the_digest_follows_the_values_and_not_their_layout():
    module = _module()
    before = weights.digest(module)
    assert weights.digest(module.to(memory_format=torch.channels_last)) == before
    with torch.no_grad():
        module[0].bias[0] += 1
    assert weights.digest(module) != before
