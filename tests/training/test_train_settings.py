from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from whyscan.errors import BadInput
from whyscan.models.compiled import has_bfloat16
from whyscan.training.settings import TrainSettings, native_bfloat16


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipe", "freeze"), ("epochs", 0), ("epochs", 2.0), ("epochs", True), ("head_epochs", -1), ("seed", -1),
        ("batch", 1), ("head_learning_rate", 0), ("trunk_learning_rate", -1.0), ("trunk_learning_rate", float("nan")),
        ("weight_decay", -0.1), ("label_smoothing", 1.0), ("warmup", 1.5), ("patience", 0), ("clip", 0.0),
        ("unfreeze", "last"), ("unfreeze", "last-0"), ("input_size", 4), ("fit", "crop"), ("precision", "float16"),
        ("weak_target", 80), ("weak_target", "0.8"),
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=name):
        TrainSettings(**{name: value})


def test_none_switches_off_what_can_be_switched_off() -> None:
    settings = TrainSettings(patience=None, clip=None, weak_target=None, input_size=None, head_epochs=None)
    assert settings.describe()["clip"] is None


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16", "sve_bf16", "bf16", "avx_ne_convert", "avx2"])
def test_training_and_explaining_agree_on_what_the_processor_can_do(
    feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True}, raising=False)
    able = feature.endswith("bf16")
    assert native_bfloat16() == has_bfloat16(torch.device("cpu")) == able


@pytest.mark.parametrize(("unfreeze", "blocks"), [("all", None), ("last-1", 1), ("last-12", 12)])
def test_unfreeze_is_read(unfreeze: str, blocks: int | None) -> None:
    assert TrainSettings(unfreeze=unfreeze).unfrozen_blocks == blocks


def test_the_head_follows_the_recipe() -> None:
    assert (TrainSettings(recipe="frozen").head, TrainSettings(recipe="finetune").head) == ("dense256", "linear")


def test_auto_precision_is_bfloat16_only_where_the_processor_multiplies_it() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        pytest.skip("no /proc/cpuinfo to compare with")
    flags = cpuinfo.read_text()
    if "flags" not in flags:
        pytest.skip("not an x86 processor")
    assert native_bfloat16() == any(flag in flags for flag in ("avx512_bf16", "amx_bf16"))
    assert TrainSettings(precision="auto").bfloat16 == native_bfloat16()
    assert TrainSettings(precision="bfloat16").bfloat16
    assert not TrainSettings(precision="float32").bfloat16
