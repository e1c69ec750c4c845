"""A faster copy of a network for thousands of forward passes, used only where it was seen to answer the same."""

from __future__ import annotations

import copy

import numpy as np
import torch

from whyscan.models.classifier import Classifier, Pixels, Predict, Scores, softmax

PLAIN, FAST = "torch float32", "torch bfloat16 channels-last"

# Those that multiply bfloat16; avx_ne_convert, for one, converts it only.
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16")


def fast_predict(
    classifier: Classifier, probe: Pixels, *, tolerance: float = 0.01, batch: int = 16
) -> tuple[Predict, str, float]:
    """Logits of a classifier, by the fastest engine that agrees with float32 on a probe.

    The choice depends on the processor, the weights and the probe, never on a clock: the same call on the same
    machine gives the same engine. The classifier itself is left as it was.

    Args:
        probe: (n, 3, h, w), like the pixels to come: the scan and some of its perturbations.
        tolerance: the largest difference of any probability that is let pass; the class must be the same too.

    Returns:
        predict: Pixels -> LOGITS (n, k), float32.
        engine: its name.
        deviation: the largest difference of a probability from float32 on the probe; 0 for float32 itself.
    """
    if not has_bfloat16(classifier.device):
        return _plain(classifier, batch), PLAIN, 0.0
    fast = _bfloat16(classifier, batch)
    expected, got = softmax(classifier.logits(probe, batch=batch)), softmax(fast(probe))
    deviation = float(np.abs(expected - got).max(initial=0.0))
    # NaN compares as False, so a network that overflows in bfloat16 is turned down here too.
    if deviation <= tolerance and (expected.argmax(1) == got.argmax(1)).all():
        return fast, FAST, deviation
    return _plain(classifier, batch), PLAIN, 0.0


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the processor itself; emulated, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and any(features.get(name) for name in _BFLOAT16)


def _plain(classifier: Classifier, batch: int) -> Predict:
    return lambda pixels: classifier.logits(pixels, batch=batch)


def _bfloat16(classifier: Classifier, batch: int) -> Predict:
    network = copy.deepcopy(classifier.network).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = classifier.device

    def predict(pixels: Pixels) -> Scores:
        out = [np.zeros((0, len(classifier.classes)), np.float32)]
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            for start in range(0, len(pixels), batch):
                part = torch.from_numpy(np.require(pixels[start : start + batch], np.float32, ("C", "W")))
                logits = network(part.to(device).contiguous(memory_format=torch.channels_last))
                out.append(logits.float().cpu().numpy())
        return np.concatenate(out)

    return predict
