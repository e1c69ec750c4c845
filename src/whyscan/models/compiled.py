"""A faster copy of a network for thousands of forward passes, used only where it was seen to answer the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from whyscan.checks import one_of
from whyscan.models import openvino_engine
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier, Pixels, Predict, Scores, softmax
from whyscan.models.modes import evaluating

PLAIN, FAST, OPENVINO = "torch float32", "torch bfloat16 channels-last", "OpenVINO bfloat16"
OPENVINO_PLAIN, HALF = "OpenVINO float32", "torch float16 channels-last"

# Those that multiply bfloat16; avx_ne_convert, for one, converts it only.
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16")

# Rounding acts on a fit as noise of the scores does: at a tenth of their spread it adds a hundredth to the variance.
_NOISE = 0.1
_RESOLUTION = 1e-6

_Batched = Callable[[Pixels, int], Scores]
"""(pixels, how many at once) -> logits."""
_Copies = dict[str, tuple[Hashable, _Batched | None]]
_COPIES: WeakKeyDictionary[nn.Module, _Copies] = WeakKeyDictionary()


Engine = Literal["fast", "float32"]
"""What a caller asks for; which engine it gets, a `Judge` says."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Who answers for a network thousands of times, and what was said of the probe.

    Attributes:
        predict: Pixels -> LOGITS (n, k), float32. Where the engine's are not finite, float32 is asked instead.
        engine: its name.
        deviation: the largest difference of a probability from float32 on the probe; 0 for float32 itself.
        plain: (n, k) the logits of the probe by the network as it is, in float32.
        said: (n, k) the logits of the probe by `predict`.
    """

    predict: Predict
    engine: str
    deviation: float
    plain: Scores
    said: Scores


def appoint(classifier: Classifier, engine: Engine, probe: Pixels, *, tolerance: float = 0.05, batch: int = 8) -> Judge:
    """The fastest engine that agrees with float32 on a probe; or float32 itself where that is asked for.

    The choice depends on the processor, the weights, the probe and whether OpenVINO is installed, never on a clock:
    the same call on the same machine gives the same engine. The classifier itself is left as it was. The copy that an
    engine needs is made once for a network and lives as long as the network does, or until its weights change.

    Args:
        engine: "fast" or "float32".
        probe: (n, 3, h, w), like the pixels to come: the scan and some of its perturbations.
        tolerance: the largest difference of any probability that is let pass. The class must be the same too, and so
            must the ranking of the perturbations, which is what decides most often: for each class, both on logits and
            on probabilities, the noise that the engine adds must be small against how far the scores of the probe lie
            apart (a tenth adds a hundredth to the variance of what is fitted to them).
        batch: how many scans are judged at once.

    Raises:
        BadInput: an unknown engine.
    """
    one_of(get_args(Engine), engine=engine)
    plain = classifier.logits(probe, batch=batch)
    for name, make in _engines(classifier) if engine == "fast" else ():
        copied = _copy(classifier, name, make)
        if copied is None:
            continue
        try:
            said = copied(probe, batch)
        except RuntimeError:  # an operation that the engine lacks shows only now; float32 has it, as was just seen
            continue
        if agrees(plain, said, tolerance):
            deviation = float(np.abs(softmax(plain) - softmax(said)).max(initial=0.0))
            return Judge(partial(_answer, classifier, copied, batch), name, deviation, plain, said)
    return Judge(lambda pixels: classifier.logits(pixels, batch=batch), PLAIN, 0.0, plain, plain)


def agrees(expected: Scores, got: Scores, tolerance: float) -> bool:
    """Whether logits (n, k) say the same of n scans: the class, the probabilities, and which scan scores higher."""
    # NaN compares as False, so a network that overflows in bfloat16 is turned down by each of these
    if got.shape != expected.shape or not np.isfinite(got).all() or (expected.argmax(1) != got.argmax(1)).any():
        return False
    p, q = softmax(expected), softmax(got)
    small = bool(np.abs(p - q).max(initial=0.0) <= tolerance)
    return small and _noise(expected, got) <= _NOISE and _noise(p, q) <= _NOISE


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the processor itself; emulated, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and any(features.get(name) for name in _BFLOAT16)


def _noise(expected: Scores, got: Scores) -> float:
    """The root mean square of what is added to a class's scores, in units of their own; the worst class counts.

    What is added to all scans alike moves none of them past another, so it does not count.
    """
    if len(expected) < 2:
        return 0.0
    spread = expected.std(0, dtype=np.float64)
    added = (got - expected).std(0, dtype=np.float64)
    return float((added / np.maximum(spread, _RESOLUTION)).max())


def _answer(classifier: Classifier, copied: _Batched, batch: int, pixels: Pixels) -> Scores:
    """By the copy; by float32 where the copy overflows, as float16 may on a scan that is unlike the probe."""
    said = copied(pixels, batch)
    lost = ~np.isfinite(said).all(1)
    if lost.any():
        said = said.copy()
        said[lost] = classifier.logits(np.asarray(pixels)[lost], batch=batch)
    return said


_Make = Callable[[Classifier], _Batched]


def _engines(classifier: Classifier) -> list[tuple[str, _Make]]:
    """What this processor is good at, the fastest first."""
    device = classifier.device
    if not getattr(classifier, "white_box", True):
        return []
    if device.type == "cuda":
        return [(FAST, _bfloat16)] if has_bfloat16(device) else [(HALF, _float16)]
    if device.type != "cpu":
        return []
    bfloat16, installed = has_bfloat16(device), openvino_engine.is_installed()
    table: list[tuple[str, _Make, bool]] = [
        (OPENVINO, _openvino_bfloat16, installed and bfloat16),
        (FAST, _bfloat16, bfloat16),
        (OPENVINO_PLAIN, _openvino, installed),
    ]
    return [(name, make) for name, make, possible in table if possible]


def _copy(classifier: Classifier, name: str, make: _Make) -> _Batched | None:
    """The engine's copy of the network, made at the first call; None where the engine cannot take the network."""
    copies = _COPIES.setdefault(classifier.network, {})
    now = fingerprint(classifier.network)
    before, fast = copies.get(name, (None, None))
    if before != now:
        try:
            fast = make(classifier)
        except Exception:  # tracers and converters fail with errors of every kind; float32 serves any network
            fast = None
        copies[name] = now, fast
    return fast


def fingerprint(network: nn.Module) -> Hashable:
    """Changes when a weight is replaced, written to (also behind autograd's back) or moved to another device."""
    tensors = [each.detach() for each in (*network.parameters(), *network.buffers())]
    sums = torch.stack([each.sum(dtype=torch.float64).cpu() for each in tensors]).tolist() if tensors else []
    versions = [-1 if each.is_inference() else each._version for each in tensors]
    places = [(each.data_ptr(), str(each.device)) for each in tensors]
    return tuple(zip(places, versions, sums, strict=True))


def _openvino_bfloat16(classifier: Classifier) -> _Batched:
    return _openvino(classifier, "bf16")


def _openvino(classifier: Classifier, precision: str = "f32") -> _Batched:
    """A stream a core, whatever the batch: see `openvino_engine`."""
    with evaluating(classifier.network):
        compiled = openvino_engine.compile_network(
            classifier.network, classifier.input_size, precision=precision, streams=max(1, torch.get_num_threads())
        )
    return lambda pixels, _: compiled(pixels)


def _float16(classifier: Classifier) -> _Batched:
    return _bfloat16(classifier, torch.float16)


def _bfloat16(classifier: Classifier, precision: torch.dtype = torch.bfloat16) -> _Batched:
    network: Any = copy.deepcopy(classifier.network).eval()
    network = _rounded(network, precision).to(memory_format=torch.channels_last)
    device, classes = classifier.device, len(classifier.classes)

    def predict(pixels: Pixels, batch: int) -> Scores:
        def run(part: slice) -> Scores:
            tensor = torch.from_numpy(np.require(pixels[part], np.float32, ("C", "W"))).to(device)
            return np.asarray(network(tensor.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())

        with torch.inference_mode(), torch.autocast(device.type, precision):
            return np.concatenate([np.zeros((0, classes), np.float32), *halving(run, len(pixels), batch)])

    return predict


def _rounded(network: nn.Module, precision: torch.dtype) -> Any:
    """The weights that autocast would round anew in every batch, rounded once: the same numbers.

    Only of modules that use them in a convolution or a product and nowhere else; autocast takes care of the rest.
    """
    for module in network.modules():
        if type(module) in (nn.Conv2d, nn.Linear):
            module.to(precision)
    return network
