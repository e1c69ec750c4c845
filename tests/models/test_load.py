"""Modules in memory that answer with something other than logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadModel, BadTarget
from whyscan.explain.explain import explain
from whyscan.explain.games.segments import Superpixels
from whyscan.models.classifier import Classifier, Network
from whyscan.models.load import load

PIXELS = np.random.default_rng(0).random((4, 3, 8, 8), np.float32)


def logits(outputs: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, outputs, 3, padding=1)
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def opened(module: nn.Module, outputs: int = 3, **options: str) -> Classifier:
    return load(module, classes=("a", "b", "c")[:outputs], input_size=8, preprocess="/255", **options)


@pytest.mark.parametrize(
    ("last", "outputs"), [(nn.Softmax(1), 3), (nn.Softmax(1), 2), (nn.Sigmoid(), 1)], ids=["3", "2", "sigmoid"]
)
def test_probabilities_are_noticed_and_can_be_meant(last: nn.Module, outputs: int) -> None:
    bare = logits(outputs)
    module = nn.Sequential(*bare, last)
    classes = max(outputs, 2)
    with pytest.raises(BadModel, match=r"look like probabilities.*scores=\"probability\""):
        opened(module, classes)
    meant = opened(module, classes, scores="probability")
    np.testing.assert_allclose(meant.predict(PIXELS), opened(bare, classes).predict(PIXELS), atol=1e-6)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_logits_that_are_called_probabilities_are_refused(outputs: int) -> None:
    bare = logits(outputs)
    with torch.no_grad():
        bare[0].bias += 3 - 6 * (torch.arange(outputs) % 2)
    with pytest.raises(BadModel, match=r"look like logits.*scores=\"logit\""):
        opened(bare, max(outputs, 2), scores="probability")


def test_probabilities_that_do_not_exclude_each_other_are_refused() -> None:
    with pytest.raises(BadModel, match=r"add up to .* not 1"):
        opened(nn.Sequential(*logits(3), nn.Sigmoid()), scores="probability")


class Rising(nn.Module):
    """Probabilities for any even grey; for other scans the first column leaves [0, 1]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.inner, self.outputs = logits(outputs), outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        likely = self.inner(x).softmax(1) if self.outputs > 1 else self.inner(x).sigmoid()
        return likely + 9 * x.var((1, 2, 3))[:, None] * torch.linspace(1, -1, 2)[: self.outputs]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("method", ["", "gradcam", "saliency", "lime"])
def test_what_the_probe_does_not_show_is_refused_at_the_scan(outputs: int, method: str) -> None:
    classifier = opened(Rising(outputs), 2, scores="probability")
    pixels = (PIXELS[0, :1] > 0.5).astype(np.float32)
    scan = Scan(pixels, content_hash(pixels))
    cut = Superpixels("grid", 4) if method == "lime" else None
    with pytest.raises(BadModel, match=r"the module answered with .* look like logits"):
        explain(classifier, scan, method, superpixels=cut) if method else classifier.predict(scan)


def test_the_logarithm_is_differentiable() -> None:
    """log p_a - log p_b = z_a - z_b, so that a contrast's map is the one that the logits give."""
    pixels = PIXELS[0, :1]
    scan = Scan(pixels, content_hash(pixels))
    bare = logits(3)
    softened = opened(nn.Sequential(*bare, nn.Softmax(1)), scores="probability")
    one, two = (explain(each, scan, "gradcam", "a-b") for each in (softened, opened(bare)))
    assert two.values.any()
    np.testing.assert_allclose(one.values, two.values, atol=1e-5)


def test_logits_that_are_not_probabilities_are_let_pass() -> None:
    """Black gives (0, 1), which adds up to 1; grey and white do not."""

    class Level(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            level = self.scale * x.mean((1, 2, 3))
            return torch.stack([level, 1 - level * level], 1)

    assert opened(Level(), 2).predict(PIXELS).shape == (4, 2)


def test_a_dict_is_refused_by_its_keys() -> None:
    class Dictionary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = logits(3)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.inner(x), "aux": x}

    with pytest.raises(BadModel, match="'logits', 'aux'"):
        opened(Dictionary())


def test_scores_are_checked() -> None:
    with pytest.raises(BadInput, match="scores 'odds'"):
        opened(logits(3), scores="odds")
    with pytest.raises(BadInput, match="fit 'squeeze'"):
        opened(logits(3), fit="squeeze")


def test_layers_are_called_alike_however_a_network_is_wrapped() -> None:
    plain, sigmoid = opened(logits(2), 2), opened(logits(1), 2)
    meant = opened(nn.Sequential(*logits(2), nn.Softmax(1)), 2, scores="probability")
    names = [layer.name for layer in plain.layers]
    assert names and all("trunk" not in name for name in names)
    assert [layer.name for layer in sigmoid.layers] == [layer.name for layer in meant.layers] == names
    for classifier in (plain, sigmoid, meant):
        for layer in classifier.layers:
            assert classifier.layer(layer.name) == classifier.layer(layer.path) == layer


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_width_are_named(kind: torch.dtype) -> None:
    with pytest.raises(BadModel, match=r"not float32: pass model\.float\(\)"):
        opened(logits(3).to(kind))


def test_a_module_in_training_goes_on_training() -> None:
    norm = nn.BatchNorm2d(4)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    module[1].eval()
    before = module[1].running_mean.clone()
    classifier = opened(module)
    classifier.predict(PIXELS)
    assert module.training and module[0].training and not module[1].training
    assert torch.equal(module[1].running_mean, before)


def test_what_normalises_goes_where_the_module_is() -> None:
    """A module on another device is not asked with a mean that stayed behind; "meta" stands for a graphics card."""
    network = Network(nn.Conv2d(3, 4, 3, device="meta"), nn.Identity(), (0.5,) * 3, (0.5,) * 3)
    assert {buffer.device.type for buffer in network.buffers()} == {"meta"}


def test_a_device_is_named_and_has_to_be_here() -> None:
    assert opened(logits(3), device="cpu").device.type == "cpu"
    for wrong in ("gpu", "cuda:9", "meta"):
        with pytest.raises(BadInput, match=f"'{wrong}'.*cpu"):
            opened(logits(3), device=wrong)


def test_one_channel_is_told_how_to_be_wrapped() -> None:
    grey = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(BadModel, match="takes one channel: wrap it"):
        opened(grey)

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = grey

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answers: torch.Tensor = self.net(x.mean(1, keepdim=True))
            return answers

    assert [layer.name for layer in opened(Wrapped()).layers] == ["net.0"]


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_the_layers_of_a_program_cannot_be_reached_and_all_is_no_name_of_one() -> None:
    program = torch.jit.script(logits(3))  # type: ignore[no-untyped-call]
    with pytest.raises(BadTarget, match="is a TorchScript program"):
        opened(program).layer("last")
    with pytest.raises(BadTarget, match="has no layer with a grid"):
        opened(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())).layer("last")
    with pytest.raises(BadTarget, match="explain_layers"):
        opened(logits(3)).layer("all")
