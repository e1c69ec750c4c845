"""What `timm.models.push_to_hf_hub` uploads of a tiny network, written by timm's own function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from whyscan.models import backbones


def write(folder: Path, pretrained: dict[str, Any], **config: Any) -> Path:
    """config.json and model.safetensors of a network of three classes.

    Args:
        pretrained: what its `pretrained_cfg` says beside, or instead of, what timm has.
        config: further entries of config.json.
    """
    timm = backbones.timm_library()
    from timm.models._hub import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = timm.create_model("test_resnet", num_classes=3)
    whole = {**config, "pretrained_cfg": {**model.pretrained_cfg, **pretrained}}
    save_for_hf(model, folder, model_config=whole, safe_serialization=True)
    return folder
