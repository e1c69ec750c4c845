"""TorchScript and exported programs: the network is the oracle, and what touches files is refused."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from whyscan.errors import BadModel
from whyscan.models.script_file import open_script
from whyscan.models.torch_file import open_weights


def saved(module: nn.Module, path: Path, *, script: bool = False) -> Path:
    example = torch.zeros(1, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt2":
            torch.export.save(torch.export.export(module, (example,)), path)
        else:
            torch.jit.save(torch.jit.script(module) if script else torch.jit.trace(module, example), path)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
@pytest.mark.parametrize("softmax", [False, True])
def test_answers_are_those_of_the_network(tmp_path: Path, suffix: str, softmax: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module: nn.Module = timm.create_model("mobilenetv3_small_050", num_classes=4).eval()
    path = saved(nn.Sequential(module, nn.Softmax(1)).eval() if softmax else module, tmp_path / f"m{suffix}")
    classifier = open_script(path, classes=list("abcd"), input_size=64, preprocess="/255")
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module(pixels).softmax(1).numpy()
    assert np.abs(classifier.predict(pixels.numpy()) - expected).max() < 1e-6
    assert not classifier.white_box and classifier.about["scores"] == ("probability" if softmax else "logit")
    with pytest.raises(BadModel, match="program"):
        open_weights(path.rename(tmp_path / "m.pth"), backbone="resnet18")


class Saves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "canary")
        return x.mean((2, 3))


class Loops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() < 1e9):
            x = x + 1
        return x.mean((2, 3))


@pytest.mark.parametrize(("module", "says"), [(Saves(), "aten::save"), (Loops(), "prim::Loop")])
def test_programs_that_write_or_loop_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: nn.Module, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModel, match=says):
        open_script(saved(module, tmp_path / "m.pt", script=True), input_size=64)
    assert not (tmp_path / "canary").exists()


def rewritten(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in change(entries).items():
            archive.writestr(name, value)


class Pickled:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("canary",)


def test_nothing_in_an_exported_program_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval(), tmp_path / "m.pt2")
    rewritten(path, lambda found: found | {key: pickle.dumps(Pickled()) for key in found if "sample_inputs" in key})
    assert open_script(path, input_size=64).classes == ("class 0", "class 1", "class 2", "class 3")
    rewritten(path, lambda found: {key: value.replace(b'"use_pickle": false', b'"use_pickle": true')
                                   for key, value in found.items()})  # fmt: skip
    with pytest.raises(BadModel, match="pickled object"):
        open_script(path, input_size=64)
    assert not (tmp_path / "canary").exists()


def test_code_that_runs_on_opening_and_foreign_operators_are_refused(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    path = saved(module, tmp_path / "m.pt")
    rewritten(path, lambda found: {key: value + b"\n# __setstate__" if key.endswith(".py") else value
                                   for key, value in found.items()})  # fmt: skip
    with pytest.raises(BadModel, match="__setstate__"):
        open_script(path, input_size=64)
    path = saved(module, tmp_path / "m.pt2")
    other = (b"torch.ops.aten.conv2d.default", b"torch.ops.aten.from_file.default")
    rewritten(path, lambda found: {key: value.replace(*other) for key, value in found.items()})
    with pytest.raises(BadModel, match="from_file"):
        open_script(path, input_size=64)


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"PK\x03\x04" + b"\0" * 60)
    with pytest.raises(BadModel, match=r"m\.pt"):
        open_script(tmp_path / "m.pt", input_size=64)
