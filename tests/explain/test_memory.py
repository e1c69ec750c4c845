"""What a call leaves behind: nothing. No hook, no changed weight, mode or flag, no memory; whatever was raised."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.games.estimate import AGREEMENT
from whyscan.explain.games.lime import LIME
from whyscan.explain.games.segments import Superpixels
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.methods import METHODS
from whyscan.models.classifier import Classifier

TRANSFORMERS_ONLY = ("attention_rollout",)
STATM = Path("/proc/self/statm")


class Broken(Exception):
    pass


class Fuse(nn.Module):
    """Lets so many forward passes through and raises in the next ones, when every layer has run."""

    def __init__(self, passes: int, error: type[BaseException]) -> None:
        super().__init__()
        self.left, self.error = passes, error

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return scores


@pytest.fixture
def toy(request: pytest.FixtureRequest, toy: Classifier, toy_transformer: Classifier) -> Classifier:
    """A network that the method in question can look into: in training, part of it frozen and part in eval mode."""
    call = getattr(request.node, "callspec", None)
    chosen = toy_transformer if call and call.params.get("name") in TRANSFORMERS_ONLY else toy
    modules = list(chosen.network.modules())
    next(chosen.network.parameters()).requires_grad_(False)
    chosen.network.train()
    modules[-1].eval()
    return chosen


def state(network: nn.Module) -> dict[str, Any]:
    modules, parameters = dict(network.named_modules()), dict(network.named_parameters())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {name: value.detach().numpy().tobytes() for name, value in network.state_dict().items()},
        "same tensors": {name: id(value) for name, value in parameters.items()},
        "modules": {name: id(module) for name, module in modules.items()},
        "requires_grad": {name: value.requires_grad for name, value in parameters.items()},
        "gradients": {name: value.grad is not None for name, value in parameters.items()},
        "training": {name: module.training for name, module in modules.items()},
        "hooks": {name: sum(len(getattr(module, kind)) for kind in hooks) for name, module in modules.items()},
        "hooks of tensors": {name: bool(value._backward_hooks) for name, value in parameters.items()},
        "own attributes": {name: sorted(vars(module)) for name, module in modules.items()},
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "threads": torch.get_num_threads(),
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_call_leaves_nothing_on_the_network(name: str, toy: Classifier, scans) -> None:
    before = state(toy.network)
    METHODS[name].explainer()(toy, scans[:1], ["glioma", "no_tumor-men"])
    assert state(toy.network) == before


class Small(nn.Module):
    """A device with room for two scans at a time, as cuDNN says it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if len(features) > 2:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return features


@pytest.mark.parametrize("name", METHODS)
def test_where_memory_is_short_the_answer_is_the_same(name: str, toy: Classifier, scans) -> None:
    explainer = METHODS[name].explainer()
    expected = explainer(toy, scans, "all", seed=1)
    layer = toy.network.get_submodule("second" if hasattr(toy.network, "second") else "patches")
    handle = layer.register_forward_hook(lambda _, __, output: Small()(output))
    try:
        found = explainer(toy, scans, "all", seed=1)
    finally:
        handle.remove()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(one.values), torch.from_numpy(other.values), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize("passes", [0, 1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_raises_is_left_as_it_was(name: str, toy: Classifier, scans, passes: int, error) -> None:
    toy.network.add_module("fuse", Fuse(passes, error))
    handle = toy.network.register_forward_hook(lambda network, _, scores: network.fuse(scores))
    before = state(toy.network)
    raised = False
    try:
        METHODS[name].explainer()(toy, scans[:2], "all")
    except error:
        raised = True
    assert raised or passes  # with more passes some methods are done before it comes to that
    after = state(toy.network)
    handle.remove()
    assert after == before


@pytest.mark.parametrize("name", METHODS)
def test_a_progress_callback_that_raises_leaves_nothing(name: str, toy: Classifier, scans) -> None:
    def progress(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = state(toy.network)
    with pytest.raises(KeyboardInterrupt):
        METHODS[name].explainer()(toy, scans[:2], "all", progress=progress)
    assert state(toy.network) == before


def resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tracked() -> int:
    """Objects that the collector knows, without those of coverage: it keeps a method for every thread that ever ran."""
    gc.collect()
    theirs = (type(each.__self__).__module__ for each in gc.get_objects() if type(each) is MethodType)
    return len(gc.get_objects()) - sum(owner.startswith("coverage") for owner in theirs)


def explain(classifier: Classifier, seeds: range, make) -> Iterator[None]:
    few = LIME(Perturbation(superpixels=Superpixels("grid", count=9), samples=40))
    for seed in seeds:
        scan = make(seed)
        GradCAM()(classifier, [scan], seed=seed)
        GradCAM().at(classifier, [scan], "all", classifier.layers)
        (found,) = few(classifier, [scan], seed=seed)
        assert AGREEMENT in found.measured and not found.settings["exact"]  # quadrature was run: it alone measures
        yield


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="the memory in use is read from /proc")
def test_a_thousand_scans_take_no_more_memory_than_some(toy: Classifier) -> None:
    def make(seed: int):
        noise = torch.rand(1, 20, 24, generator=torch.Generator().manual_seed(seed)).numpy()
        return Scan(noise, content_hash(noise), source=f"{seed}.png", label="glioma")

    for _ in explain(toy, range(100), make):
        pass
    objects, before = tracked(), resident()
    for _ in explain(toy, range(100, 1100), make):
        pass
    left = tracked()
    assert resident() < 1.05 * before
    # the interpreter and torch alone are some hundred MB: what is counted here shows a leak of one object a scan
    assert left < objects + 500
