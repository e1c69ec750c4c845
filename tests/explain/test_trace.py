from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from whyscan.errors import BadModel, BadTarget
from whyscan.explain.trace import trace, tracing

PIXELS = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
ROWS = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, -1.0, 0]])


class Inner(nn.Module):
    """A network made of its parts and a way through them."""

    def __init__(self, way: Callable[[nn.Module, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.way = way

    def forward(self, pixels: Tensor) -> Tensor:
        return self.way(self, pixels)


def conv(came: int, made: int, seed: int = 0) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(came, made, 3, padding=1)


def pooled(features: Tensor) -> Tensor:
    return features.mean((2, 3))


def state(network: nn.Module) -> list[object]:
    return [
        *((module.training, len(module._forward_hooks), len(module._backward_hooks)) for module in network.modules()),
        *((parameter.requires_grad, parameter.grad is None, parameter._version) for parameter in network.parameters()),
        *(buffer._version for buffer in network.buffers()),
    ]


def test_the_gradient_of_a_mean_is_worked_out_by_hand() -> None:
    network = Inner(lambda self, x: self.head(pooled(self.only(x))), only=conv(3, 2), head=nn.Linear(2, 3))
    found = trace(network, PIXELS, ["only"], ROWS)
    weight = network.head.weight.detach()
    assert torch.equal(found.activations["only"], network.only(PIXELS).detach())
    for t, row in enumerate(ROWS):
        # score = row . (W mean_hw(a) + b), so d score / d a is (row W) / (16 * 16) everywhere
        expected = ((row @ weight) / 256)[None, :, None, None].expand(2, 2, 16, 16)
        torch.testing.assert_close(found.gradients["only"][t], expected)


def by_retain_grad(toy: nn.Module, row: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """The same, the plain way: every step written out, nothing in place."""
    first = toy.first(PIXELS)
    second = toy.second(torch.relu(first))
    logits = toy.head(torch.relu(toy.norm(second)).mean((2, 3)))
    first.retain_grad()
    second.retain_grad()
    (logits @ row).sum().backward()
    toy.zero_grad()
    outputs = {"first": first, "second": second}
    return {k: v.detach() for k, v in outputs.items()}, {k: v.grad for k, v in outputs.items()}, logits.detach()


def test_in_place_networks_give_each_layers_own_output_and_gradient(toy) -> None:
    found = trace(toy.network, PIXELS, ["first", "second"], ROWS)
    for t, row in enumerate(ROWS):
        activations, gradients, logits = by_retain_grad(toy.network, row)
        torch.testing.assert_close(found.logits, logits)
        for path in activations:
            torch.testing.assert_close(found.activations[path], activations[path])
            torch.testing.assert_close(found.gradients[path][t], gradients[path])
    assert (found.activations["first"] < 0).any()  # ReLU would have left none


def test_a_change_in_place_that_no_module_announces_is_found_out() -> None:
    def way(self: Inner, x: Tensor) -> Tensor:
        a = self.a(x)
        b = self.b(a)
        b += a
        functional.relu(b, inplace=True)
        return pooled(self.c(b))

    network = Inner(way, a=conv(3, 4), b=conv(4, 4, 1), c=conv(4, 3, 2)).eval()
    with tracing(network, ["a", "b", "c"]) as run:
        for _ in range(2):  # the second time it is known beforehand
            kept: dict[str, Tensor] = {}
            run(PIXELS, ROWS, lambda a, g: g, kept)
            torch.testing.assert_close(kept["b"], network.b(network.a(PIXELS)))


def test_layers_come_in_order_of_execution(toy) -> None:
    assert list(trace(toy.network, PIXELS, ["second", "first"], ROWS).gradients) == ["first", "second"]


def test_a_contrast_is_the_difference_of_the_gradients(toy) -> None:
    gradients = trace(toy.network, PIXELS, ["first"], ROWS).gradients["first"]
    torch.testing.assert_close(gradients[2], gradients[0] - gradients[1])


def test_a_batch_is_the_same_as_one_by_one_and_each_image_may_have_its_own_targets(toy) -> None:
    own = torch.stack([ROWS, ROWS.flip(0)])
    batch = trace(toy.network, PIXELS, ["first"], own).gradients["first"]
    for i in range(2):
        single = trace(toy.network, PIXELS[i : i + 1], ["first"], own[i]).gradients["first"]
        torch.testing.assert_close(batch[:, i], single[:, 0])


def test_targets_may_depend_on_the_logits(toy) -> None:
    with tracing(toy.network, ["second"]) as run:
        best = run(PIXELS, lambda logits: functional.one_hot(logits.argmax(1), 3)[:, None].float(), lambda a, g: g)
    wanted = torch.eye(3)[best.logits.argmax(1)][:, None]
    expected = trace(toy.network, PIXELS, ["second"], wanted).gradients["second"]
    torch.testing.assert_close(torch.stack(list(best.results["second"])), expected)


def test_of_a_shared_module_the_last_run_counts() -> None:
    network = Inner(lambda self, x: pooled(self.twice(self.twice(x))), twice=conv(3, 3)).eval()
    found = trace(network, PIXELS, ["twice"], torch.eye(3))
    torch.testing.assert_close(found.activations["twice"], network.twice(network.twice(PIXELS)).detach())
    # the mean over 256 places: each of them counts 1/256, also where no other layer was asked for
    torch.testing.assert_close(found.gradients["twice"].sum((3, 4)), torch.eye(3)[:, None].expand(3, 2, 3))


def test_layers_around_a_shared_module_get_the_gradients_of_the_whole_way() -> None:
    parts = {"a": conv(3, 3), "twice": conv(3, 3, 1), "b": conv(3, 3, 2)}
    network = Inner(lambda self, x: pooled(self.b(self.twice(self.twice(self.a(x))))), **parts).eval()
    first = network.a(PIXELS).detach().requires_grad_()
    shared = network.twice(network.twice(first))
    score = pooled(network.b(shared))[:, 0].sum()
    expected = torch.autograd.grad(score, [first, shared])
    for paths in (["a", "twice", "b"], ["twice", "b"], ["a", "twice"]):
        found = trace(network, PIXELS, paths, torch.eye(3)[:1]).gradients
        for path, gradient in zip(["a", "twice"], expected, strict=True):
            if path in paths:
                torch.testing.assert_close(found[path][0], gradient)


def test_depthwise_networks_run_with_channels_last_and_answer_the_same() -> None:
    parts = {"a": conv(3, 4), "b": nn.Conv2d(4, 4, 3, groups=4), "c": nn.BatchNorm2d(4), "d": nn.Linear(4, 3)}
    seen: list[bool] = []

    def way(self: nn.Module, x: Tensor) -> Tensor:
        seen.append(x.is_contiguous())
        return self.d(pooled(self.c(self.b(self.a(x)))))

    network = Inner(way, **parts).eval()
    found = trace(network, PIXELS, ["a"], torch.eye(3))
    torch.testing.assert_close(found.logits, network(PIXELS).detach())
    assert seen == [False, True]


def test_a_trace_works_inside_inference_mode(toy) -> None:
    expected = trace(toy.network, PIXELS, ["first", "second"], ROWS)
    with torch.inference_mode():
        found = trace(toy.network, PIXELS.clone(), ["first", "second"], ROWS)
    for path in ("first", "second"):
        torch.testing.assert_close(found.gradients[path], expected.gradients[path])


class Wall(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        raise AssertionError("differentiated below the shallowest layer")


def test_nothing_below_the_shallowest_layer_is_differentiated() -> None:
    network = Inner(lambda self, x: pooled(self.b(Wall.apply(self.a(x)))), a=conv(3, 4), b=conv(4, 3))
    trace(network, PIXELS, ["b"], torch.eye(3))
    with pytest.raises(AssertionError, match="differentiated below"):
        trace(network, PIXELS, ["a"], torch.eye(3))


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_whatever_is_raised_the_network_is_as_before(toy, raised: type[BaseException]) -> None:
    network = toy.network.train()
    network.norm.eval()
    network.head.bias.requires_grad_(False)
    before = state(network)

    def kernel(activation: Tensor, gradient: Tensor) -> Tensor:
        raise raised

    with pytest.raises(raised), tracing(network, ["first", "second"]) as run:
        run(PIXELS, ROWS, kernel)
    assert state(network) == before
    trace(network, PIXELS, ["first", "second"], ROWS)
    assert state(network) == before


def test_a_network_that_raises_half_way_keeps_no_hook(toy) -> None:
    before = state(toy.network)
    with pytest.raises(RuntimeError):
        trace(toy.network, PIXELS[:, :2], ["first"], ROWS)
    assert state(toy.network) == before


def test_a_layer_that_the_score_does_not_use_has_gradient_zero() -> None:
    network = Inner(lambda self, x: (self.idle(x), pooled(self.busy(x)))[1], idle=conv(3, 2), busy=conv(3, 3))
    found = trace(network, PIXELS, ["idle", "busy"], torch.eye(3))
    assert not found.gradients["idle"].any()
    assert found.gradients["busy"].any()


def test_a_score_that_is_not_differentiable_has_gradient_zero() -> None:
    network = Inner(lambda self, x: pooled(self.a(x)).detach(), a=conv(3, 3))
    assert not trace(network, PIXELS, ["a"], torch.eye(3)).gradients["a"].any()


def test_what_cannot_be_traced_is_named(toy) -> None:
    with pytest.raises(BadTarget, match="'third' is not in the network"):
        trace(toy.network, PIXELS, ["third"], ROWS)
    with pytest.raises(BadTarget, match="no layer was asked for"):
        trace(toy.network, PIXELS, [], ROWS)
    asleep = Inner(lambda self, x: pooled(self.a(x)), a=conv(3, 3), asleep=conv(3, 3))
    with pytest.raises(BadTarget, match="'asleep' did not run"):
        trace(asleep, PIXELS, ["asleep", "a"], torch.eye(3))
    pair = Inner(lambda self, x: pooled(self.two(x)[0]), two=Inner(lambda self, x: (x, x)))
    with pytest.raises(BadTarget, match="'two' did not run or gave no tensor"):
        trace(pair, PIXELS, ["two"], torch.eye(3))


@pytest.mark.parametrize("answer", [lambda logits: logits * float("nan"), lambda logits: {"logits": logits}])
def test_a_model_that_answers_nonsense_is_named(answer: Callable[[Tensor], object]) -> None:
    network = Inner(lambda self, x: answer(pooled(self.a(x))), a=conv(3, 3))
    with pytest.raises(BadModel, match="the network answered with a"):
        trace(network, PIXELS, ["a"], torch.eye(3))


def test_a_look_is_one_forward_pass_that_differentiates_nothing(toy) -> None:
    before = state(toy.network)
    with tracing(toy.network, ["second", "first"]) as run:
        seen = run.look(PIXELS)
    assert list(seen.activations) == ["first", "second"]
    assert not any(each.requires_grad for each in seen.activations.values())
    expected = trace(toy.network, PIXELS, ["first", "second"], ROWS)
    torch.testing.assert_close(seen.logits, expected.logits)
    for path, activation in expected.activations.items():  # in-place ReLU follows: the layer's own output all the same
        torch.testing.assert_close(seen.activations[path], activation)
    assert state(toy.network) == before


def test_a_look_counts_the_runs_of_shared_modules() -> None:
    network = Inner(lambda self, x: pooled(self.once(self.twice(self.twice(x)))), twice=conv(3, 3), once=conv(3, 3))
    with tracing(network.eval(), ["twice", "once"]) as run:
        assert run.look(PIXELS).runs == {"twice": 2, "once": 1}


def test_each_layer_may_have_its_own_kernel(toy) -> None:
    with tracing(toy.network, ["first", "second"]) as run:
        found = run(PIXELS, ROWS, {"first": lambda a, g: "a", "second": lambda a, g: "b"}).results
    assert {path: list(each) for path, each in found.items()} == {"first": ["a"] * 3, "second": ["b"] * 3}
