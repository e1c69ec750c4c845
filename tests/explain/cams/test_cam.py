"""What the family shares: batches, forms of layers, words."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.errors import BadModel, BadTarget
from whyscan.explain.cams.cam import batches
from whyscan.explain.cams.family import EigenCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.explain import explain_layers
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.load import load

FAMILY = [GradCAM, GradCAMPlusPlus, HiResCAM, XGradCAM, LayerCAM, EigenCAM]


def transformer(name: str, **arguments: object) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name, num_classes=3, **arguments)
        nn.init.normal_(network.get_classifier().weight)  # timm starts it near 0
    return load(network.eval(), classes=["a", "b", "c"], input_size=64)


@pytest.fixture(scope="module")
def vit() -> Classifier:
    return transformer("test_vit", img_size=64)


@pytest.mark.parametrize("explainer", FAMILY)
def test_one_trace_for_all_layers_and_scans_is_the_same_as_one_by_one(explainer, toy, scans) -> None:
    together = explainer(batch=3).at(toy, scans, ("predicted", "true"), toy.layers)
    for scan, layers in zip(scans, together, strict=True):
        for layer, found in zip(toy.layers, layers, strict=True):
            (alone,) = explainer(layer.name)(toy, [scan], ("predicted", "true"))
            assert (alone.layer, alone.targets, alone.diagnosis) == (layer.name, found.targets, found.diagnosis)
            np.testing.assert_allclose(found.maps, alone.maps, atol=1e-5 * max(1, alone.maps.max()))


def test_eigencam_differentiates_nothing_and_has_one_map_for_every_class(toy, scan) -> None:
    toy.network.register_full_backward_hook(lambda *_: pytest.fail("a backward pass"))
    seen: list[bool] = []
    handle = toy.network.head.register_forward_hook(lambda _m, _i, out: seen.append(out.requires_grad))
    (found,) = EigenCAM("last")(toy, [scan])
    handle.remove()
    assert seen == [False]
    assert (found.maps == found.maps[:1]).all() and found.maps.any()
    assert found.settings["same for every target"] is True


def test_batches_come_in_order_and_failures_are_not_swallowed(toy, scans) -> None:
    found = [[each.scan.content for each in part] for part in batches(toy, scans, 3)]
    assert found == [[scan.content for scan in scans[:3]], [scans[3].content]]
    broken = [*scans[:3], Scan(np.zeros((2, 20, 24), np.float32), "two channels")]
    with pytest.raises(ValueError, match="broadcast"):
        list(batches(toy, broken, 1))


def test_short_memory_halves_the_batch(toy, scans) -> None:
    sizes: list[int] = []

    def hook(_module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    expected = GradCAM()(toy, scans)
    handle = toy.network.register_forward_pre_hook(hook)
    found = GradCAM()(toy, scans)
    handle.remove()
    assert sizes == [4, 2, 2]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.maps, two.maps, atol=1e-6)


class Root(nn.Module):
    """The square root of a feature that is 0: finite, with a slope that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.conv(pixels).mean((2, 3)).sqrt()


def test_a_gradient_that_is_not_finite_is_named(scan) -> None:
    classifier = Classifier("root", ("a", "b", "c"), (16, 16), Root().eval(), (Layer("conv", "conv"),))
    with pytest.raises(BadModel, match="Grad-CAM of layer 'conv' is NaN or infinite"):
        GradCAM("conv")(classifier, [scan])


@pytest.mark.parametrize("explainer", FAMILY)
def test_every_listed_layer_of_a_transformer_gives_a_map(explainer, vit, scan) -> None:
    found = explain_layers(vit, scan, method=explainer())
    assert list(found) == ["patch_embed.proj", *(f"blocks.{i}" for i in range(5)), "blocks.5.norm1"]
    for each in found.values():
        assert each.maps.shape == (3, 4, 4)
        if explainer is HiResCAM and each.layer == "blocks.4":
            # past it, patch tokens are read by the last block's norm only, and that takes no notice of their length
            assert set(each.diagnosis) <= {"below float resolution", "negative everywhere"}
        else:
            assert set(each.diagnosis) <= {"there", "negative everywhere"}
            assert "there" in each.diagnosis


def test_a_tokens_map_is_that_of_its_grid(vit, scan) -> None:
    """Worked out from the block's own output and gradient: tokens 1 to 16 are the grid, row by row."""
    (found,) = GradCAM("blocks.2")(vit, [scan], "b")
    kept: list[torch.Tensor] = []
    handle = vit.network.trunk.blocks[2].register_forward_hook(lambda _m, _i, out: kept.append(out))
    logits = vit.network(torch.from_numpy(vit.prepare(scan)[0]))
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 1], kept)
    expected = (kept[0][0, 1:] * gradient[0, 1:].mean(0)).sum(1).relu().view(4, 4)
    np.testing.assert_allclose(found.maps[0], expected.detach(), atol=1e-6)


def test_a_block_after_which_only_the_class_token_is_read_cannot_serve(vit, scan) -> None:
    with pytest.raises(BadTarget, match=r"blocks\.5' cannot serve.*reads only its first tokens"):
        GradCAM("blocks.5")(vit, [scan])
    # forced, it says so in its diagnosis
    forced = Layer("blocks.5", "trunk.blocks.5", form="tokens", prefix=1, grid=(4, 4))
    (((found,)),) = GradCAM().at(vit, [scan], "all", [forced])
    assert found.diagnosis == ("only the class token is read",) * 3


def test_channels_last_is_turned_before_the_kernel(scan) -> None:
    swin = transformer("swin_tiny_patch4_window7_224", img_size=64, window_size=2)
    layer = swin.layer("last")
    assert (layer.name, layer.form) == ("layers.3.blocks.1", "nhwc")
    (found,) = GradCAM("layers.0.blocks.1")(swin, [scan], "a")
    kept: list[torch.Tensor] = []
    handle = swin.network.trunk.layers[0].blocks[1].register_forward_hook(lambda _m, _i, out: kept.append(out))
    logits = swin.network(torch.from_numpy(swin.prepare(scan)[0]))
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 0], kept)
    expected = (kept[0][0] * gradient[0].mean((0, 1))).sum(2).relu()
    assert found.maps.shape == (1, 16, 16)
    np.testing.assert_allclose(found.maps[0], expected.detach(), atol=1e-6)


def test_products_before_a_layer_norm_are_rounding_and_said_to_be(scan) -> None:
    swin = transformer("swin_tiny_patch4_window7_224", img_size=64, window_size=2)
    assert HiResCAM()(swin, [scan])[0].diagnosis == ("below float resolution",) * 3
    assert "there" in HiResCAM("layers.1.blocks.1")(swin, [scan])[0].diagnosis


def test_any_module_may_be_asked_for_by_name(toy, scan) -> None:
    (found,) = GradCAM("norm")(toy, [scan])
    assert found.layer == "norm" and found.maps.shape == (3, 8, 8)
    assert list(explain_layers(toy, scan, layers=["norm", "first"])) == ["first", "norm"]
