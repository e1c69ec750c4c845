"""A network compiled by OpenVINO (the extra `fast`), the fastest engine on a CPU.

One request per core, one scan per request: on two cores that was 1.5 times as fast as batches of 8 for a small
network and never slower, and since every shape is fixed, a scan gets the same answer whatever it travels with.
(With a dynamic batch OpenVINO changes its kernels while it runs, and the same scan got two answers.)
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from whyscan.models.classifier import Pixels, Predict, Scores


def is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def compile_network(network: nn.Module, input_size: tuple[int, int], *, precision: str, streams: int) -> Predict:
    """The network's logits, computed by OpenVINO.

    Args:
        network: pixels (n, 3, h, w) in [0, 1] -> logits (n, k), on the CPU and in eval mode. Not kept.
        input_size: (h, w).
        precision: "bf16" or "f32".
        streams: how many scans are judged at the same time; the cores are shared out among them.

    Raises:
        Exception: whatever torch's tracer or OpenVINO say of a network that they cannot take.
    """
    with _quietly():
        openvino = _openvino()
        example = torch.zeros(1, 3, *input_size)
        with torch.no_grad():
            # traced and frozen here, since OpenVINO's own way from a module is three times as slow
            frozen = torch.jit.freeze(torch.jit.trace(network, example, check_trace=False).eval())  # type: ignore[no-untyped-call]
        model = openvino.convert_model(frozen, example_input=example)
    model.reshape({model.inputs[0]: list(example.shape)})
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": max(streams, torch.get_num_threads()),
    }
    return _predictor(openvino.compile_model(model, "CPU", settings), streams)


def _predictor(compiled: Any, streams: int) -> Predict:
    requests = [compiled.create_infer_request() for _ in range(streams)]
    classes = compiled.outputs[0].shape[1]
    turn = threading.Lock()

    def predict(pixels: Pixels) -> Scores:
        rows = np.require(pixels, np.float32, "C")
        scores = np.empty((len(rows), classes), np.float32)
        with turn:
            try:
                for i in range(len(rows) + streams):
                    request = requests[i % streams]
                    if i >= streams and i - streams < len(rows):
                        request.wait()
                        scores[i - streams] = request.get_output_tensor().data[0]
                    if i < len(rows):
                        request.start_async({0: rows[i : i + 1]}, share_inputs=True)
            finally:
                # interrupted or not, nobody may still be reading these rows
                for request in requests:
                    request.wait()
        return scores

    return predict


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Tracing warns of every branch of a network; what it got wrong shows when the engine is checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _openvino() -> Any:
    """The package, without its telemetry: on import it would tell its makers over the network that it is used."""
    absent = object()
    before = sys.modules.get("openvino_telemetry", absent)
    if before is absent:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # "cannot be imported"
    try:
        import openvino
    finally:
        if before is absent:
            del sys.modules["openvino_telemetry"]
    return openvino
