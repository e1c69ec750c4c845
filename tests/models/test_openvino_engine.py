from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from whyscan.models import openvino_engine
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier
from whyscan.models.openvino_engine import compile_network

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build("test_resnet", "none", ("a", "b", "c"), input_size=64)


@pytest.fixture(scope="module")
def exact(classifier):
    return compile_network(classifier.network, (64, 64), precision="f32", streams=2)


def pixels(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 3, 64, 64), np.float32)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
def test_in_float32_it_says_what_torch_says(classifier, exact, n) -> None:
    scores = exact(pixels(n))
    assert scores.shape == (n, 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, classifier.logits(pixels(n)), atol=1e-5)


def test_a_scan_gets_the_same_answer_whatever_it_travels_with(classifier) -> None:
    predict = compile_network(classifier.network, (64, 64), precision="bf16", streams=2)
    together = predict(pixels(9))
    np.testing.assert_array_equal(np.concatenate([predict(pixels(9)[i : i + 1]) for i in range(9)]), together)
    np.testing.assert_array_equal(predict(pixels(9)[::-1])[::-1], together)
    np.testing.assert_array_equal(predict(pixels(9)), together)
    np.testing.assert_allclose(together, classifier.logits(pixels(9)), atol=0.05)


def test_any_array_is_taken(classifier, exact) -> None:
    many = np.broadcast_to(pixels(3)[:, :1].astype(np.float64), (3, 3, 64, 64))
    many.flags.writeable = False
    expected = classifier.logits(np.ascontiguousarray(many, np.float32))
    np.testing.assert_allclose(exact(many), expected, atol=1e-5)


def test_two_threads_do_not_get_each_others_answers(exact) -> None:
    expected = exact(pixels(12))
    wrong: list[int] = []

    def ask(start: int) -> None:
        for _ in range(20):
            if not np.array_equal(exact(pixels(12)[start : start + 4]), expected[start : start + 4]):
                wrong.append(start)

    threads = [threading.Thread(target=ask, args=(start,)) for start in (0, 4, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_failure_leaves_the_engine_usable(exact) -> None:
    before = exact(pixels(3))
    with pytest.raises(RuntimeError):
        exact(np.zeros((3, 3, 32, 32), np.float32))
    np.testing.assert_array_equal(exact(pixels(3)), before)


def test_the_network_is_left_as_it_was(classifier) -> None:
    network = classifier.network
    before = {name: value.numpy().tobytes() for name, value in network.state_dict().items()}
    asking = [parameter.requires_grad for parameter in network.parameters()]
    compile_network(network, (64, 64), precision="bf16", streams=1)
    assert {name: value.numpy().tobytes() for name, value in network.state_dict().items()} == before
    assert [parameter.requires_grad for parameter in network.parameters()] == asking
    assert not any(module.training or module._forward_hooks for module in network.modules())


_IMPORTS = """
import sys
from whyscan.models import compiled, openvino_engine
assert "openvino" not in sys.modules, "imported before anyone asked"
openvino_engine._openvino()
assert "openvino" in sys.modules
# it would report each import to its makers
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
import openvino_telemetry
"""


def test_it_is_imported_late_and_without_telemetry() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", _IMPORTS], check=True, timeout=120)


def test_whether_it_is_installed_is_asked_without_importing_it(monkeypatch) -> None:
    assert openvino_engine.is_installed()
    monkeypatch.setattr(openvino_engine.importlib.util, "find_spec", lambda name: None)
    assert not openvino_engine.is_installed()
