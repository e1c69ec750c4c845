"""State dicts from elsewhere; torch itself is the oracle."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from whyscan.errors import BadModel
from whyscan.models.torch_file import open_weights

MEAN, STD = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def network(name: str, width: int = 4) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        if name in ("mobilenetv3_small_050", "test_resnet"):
            return timm.create_model(name, num_classes=width).eval()
        return torchvision.models.get_model(name, num_classes=width).eval()


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2", "mobilenetv3_small_050"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_a_checkpoint_gives_the_scores_of_its_network(tmp_path: Path, name: str, prefix: str) -> None:
    module = network(name)
    state = {prefix + key: value for key, value in module.state_dict().items()}
    torch.save(
        {"epoch": 3, "state_dict": state | ({"criterion.weight": torch.ones(4)} if prefix else {})}, tmp_path / "m.ckpt"
    )
    classifier = open_weights(tmp_path / "m.ckpt", backbone=name, classes=list("abcd"), input_size=64)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module((pixels - MEAN) / STD).numpy()
    assert np.abs(classifier.logits(pixels.numpy()) - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    assert classifier.white_box and classifier.layers
    assert classifier.about["ignored"] == (["criterion.weight"] if prefix else [])


def test_a_head_behind_dropout_one_output_and_one_channel(tmp_path: Path) -> None:
    module = network("resnet18", 1)
    module.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    module.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 1))
    module.eval()
    torch.save(module.state_dict(), tmp_path / "m.pth")
    classifier = open_weights(tmp_path / "m.pth", backbone="resnet18", input_size=64, preprocess="/255")
    grey = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = torch.sigmoid(module(grey)).numpy()[:, 0]
    assert np.allclose(classifier.predict(grey.expand(2, 3, 64, 64).numpy())[:, 1], expected, atol=1e-6)
    assert classifier.classes == ("class 0", "class 1")


def test_safetensors_says_its_own_network(tmp_path: Path) -> None:
    save_file(network("test_resnet").state_dict(), tmp_path / "m.safetensors", {"timm_model": "test_resnet"})
    assert open_weights(tmp_path / "m.safetensors", input_size=64).about["architecture"] == "test_resnet"
    save_file(network("test_resnet").state_dict(), tmp_path / "n.safetensors")
    with pytest.raises(BadModel, match="backbone="):
        open_weights(tmp_path / "n.safetensors")


class Canary:
    """Writes a file when it is unpickled by anything that runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_a_pickle_that_runs_code_does_not(tmp_path: Path, legacy: bool, inside: bool) -> None:
    canary = Canary(tmp_path / "ran")
    value = {"state_dict": {"fc.weight": torch.ones(2, 2)}, "hparams": canary} if inside else canary
    torch.save(value, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(BadModel, match=r"more than tensors.*mkdir"):
        open_weights(tmp_path / "m.pt", backbone="resnet18")
    assert not (tmp_path / "ran").exists()


def test_a_pickled_module_is_refused_and_told_how_to_save(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    with pytest.raises(BadModel, match="state_dict"):
        open_weights(tmp_path / "m.pt", backbone="resnet18")


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = network("resnet18").state_dict()
    state["layer1.0.conv1.weight"] = torch.ones(1, 1, 3, 3)
    del state["bn1.weight"]
    torch.save({**state, "extra.weight": torch.ones(1)}, tmp_path / "m.pth")
    with pytest.raises(BadModel, match=r"missing \(bn1.weight\).*unknown \(extra.weight\).*another shape \(layer1"):
        open_weights(tmp_path / "m.pth", backbone="resnet18", input_size=64)
    torch.save(network("resnet18").state_dict(), tmp_path / "m.pth")
    with pytest.raises(BadModel, match="2 class names"):
        open_weights(tmp_path / "m.pth", backbone="resnet18", classes=["a", "b"])
    with pytest.raises(BadModel, match="not known"):
        open_weights(tmp_path / "m.pth", backbone="resnet81")


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"PK\x03\x04rest", b"nonsense" * 50, b"\x80\x05K\x01."])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(BadModel, match=r"m\.pth"):
        open_weights(tmp_path / "m.pth", backbone="resnet18")


def test_a_tensor_spread_over_little_memory_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(1).expand(10**9)}, tmp_path / "m.pth")
    with pytest.raises(BadModel, match="spreads"):
        open_weights(tmp_path / "m.pth", backbone="resnet18")
