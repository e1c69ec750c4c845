import pytest
import timm
import torch
import torchvision
from torch import nn

from whyscan.errors import BadTarget
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.layers import find_layer, find_layers, unserving
from whyscan.models.tokens import attention_blocks


class Toy(nn.Module):
    """Defined in another order than it runs; one module runs twice; one convolution has no grid."""

    def __init__(self) -> None:
        super().__init__()
        self.late = nn.Conv2d(4, 4, 3, padding=1)
        self.early = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.squeeze = nn.Conv2d(4, 4, 1)
        self.unused = nn.Conv2d(4, 4, 1)
        self.drop = nn.Dropout()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, pixels):
        x = self.norm(self.early(pixels))
        x = self.twice(self.twice(x))
        x = x * self.squeeze(x.mean((2, 3), keepdim=True))
        return self.drop(self.late(x)).mean((2, 3))


class Separable(nn.Module):
    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(3, 3, 3, groups=3)
        self.between = between
        self.pointwise = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        return self.pointwise(self.between(self.depthwise(x)))


def _hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_order_of_execution_without_the_gridless_and_the_unused():
    assert [layer.name for layer in find_layers(Toy(), (8, 6))] == ["early", "twice", "late"]


def test_paths_lead_to_modules_and_names_drop_the_trunk():
    network = nn.ModuleDict({"trunk": Toy()})
    network.forward = network["trunk"].forward
    layers = find_layers(network, (8, 8))
    assert [layer.path for layer in layers] == ["trunk.early", "trunk.twice", "trunk.late"]
    assert [layer.name for layer in layers] == ["early", "twice", "late"]
    assert network.get_submodule(layers[0].path) is network["trunk"].early


def test_a_layer_with_a_1x1_grid_is_none():
    assert find_layers(nn.Sequential(nn.Conv2d(3, 2, 8)), (8, 8)) == ()
    assert len(find_layers(nn.Sequential(nn.Conv2d(3, 2, 8)), (9, 8))) == 1


def test_of_a_fused_separable_unit_only_the_pointwise_half_counts():
    assert [layer.name for layer in find_layers(Separable(nn.Identity()), (8, 8))] == ["pointwise"]
    kept = find_layers(Separable(nn.BatchNorm2d(3)), (8, 8))
    assert [layer.name for layer in kept] == ["depthwise", "pointwise"]


def test_what_cannot_serve_is_named_with_the_reason():
    toy, unit = Toy(), Separable(nn.Identity())
    assert unserving(toy, (8, 6), find_layers(toy, (8, 6))) == {
        "squeeze": "its output has no grid: it tells what was found and not where", "unused": "it does not run",
    }  # fmt: skip
    (reason,) = unserving(unit, (8, 8), find_layers(unit, (8, 8))).values()
    assert reason.startswith("the first half of a separable convolution")
    assert _hooks(toy) == 0
    # a part of what is listed is no layer of its own
    assert unserving(nn.Sequential(unit), (8, 8), [Layer("0", "0")]) == {}


def test_every_convolution_and_block_is_listed_or_said_not_to_serve():
    for network in (vit(), timm.create_model("coatnet_nano_rw_224", num_classes=2, img_size=64)):
        listed = find_layers(network, (64, 64))
        left = unserving(network, (64, 64), listed)
        wanted = {path for path, module in network.named_modules() if isinstance(module, nn.Conv2d)}
        wanted |= attention_blocks(network).keys()
        assert wanted <= {layer.name for layer in listed} | left.keys()
        assert not left.keys() & {layer.name for layer in listed}
        assert all(left.values())


def test_reasons_are_true_of_blocks_and_of_halves_that_are_read_twice():
    class Twice(Separable):
        def forward(self, x):
            found = self.depthwise(x)
            return self.pointwise(found) + self.pointwise(found[..., :])

    unit = Twice(nn.Identity())
    (reason,) = unserving(unit, (8, 8), find_layers(unit, (8, 8))).values()
    assert reason.startswith("the first half of a separable convolution")
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, img_size=32, window_size=1)
    left = unserving(swin, (32, 32), find_layers(swin, (32, 32)))
    assert all("has no spatial grid" in left[f"layers.3.blocks.{number}"] for number in (0, 1))
    network = vit()
    assert "first tokens alone" in unserving(network, (64, 64), find_layers(network, (64, 64)))["blocks.2"]
    network = timm.create_model("cait_xxs24_224", num_classes=3, img_size=64)
    assert "blocks_token_only" not in unserving(network, (64, 64), find_layers(network, (64, 64)))


def test_what_runs_on_parts_of_the_image_is_no_layer():
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.side = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            parts = torch.cat(self.first(x).chunk(2, 3))
            return self.side(parts).mean((2, 3)).reshape(len(x), 8)

    network = Halves()
    layers = find_layers(network, (8, 12))
    assert [layer.name for layer in layers] == ["first"]
    assert "(2, 4, 4, 3), is not one image's" in unserving(network, (8, 12), layers)["side"]


def test_a_number_that_a_module_makes_is_no_layer():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.scale = nn.Conv2d(3, 4, 3), nn.Identity()

        def forward(self, x):
            return self.first(x).mean((2, 3)) * self.scale(x.mean())

    with pytest.raises(BadTarget, match="layer 'scale' cannot serve"):
        find_layer(Scaled(), (8, 8), "scale")


def test_the_network_is_left_as_it_was():
    network = Toy().train()
    network.drop.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    find_layers(network, (8, 8))
    assert network.training and network.norm.training and not network.drop.training
    assert _hooks(network) == 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_no_hook_and_no_mode_is_left_behind_after_a_failure():
    network = Toy().train()
    network.late = nn.Conv2d(7, 4, 3)  # cannot take the 4 channels that come
    with pytest.raises(RuntimeError, match="channels"):
        find_layers(network, (8, 8))
    assert _hooks(network) == 0 and network.training and network.drop.training


def vit(**arguments):
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=64, depth=3, **arguments)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_of_a_transformer_each_block_counts_and_of_the_last_its_first_norm(name):
    network = timm.create_model(name, num_classes=3, img_size=64, depth=3)
    layers = find_layers(network, (64, 64))
    assert [layer.name for layer in layers] == ["patch_embed.proj", "blocks.0", "blocks.1", "blocks.2.norm1"]
    prefix = 2 if "distilled" in name else 1
    assert layers[0].form == "nchw"
    assert {(layer.form, layer.prefix, layer.grid) for layer in layers[1:]} == {("tokens", prefix, (4, 4))}
    assert _hooks(network) == 0


def test_where_all_tokens_are_read_the_last_blocks_output_serves():
    layers = find_layers(vit(global_pool="avg"), (64, 64))
    assert layers[-1].name == "blocks.2"


def test_torchvisions_transformer_too():
    network = torchvision.models.VisionTransformer(64, 16, 3, 2, 24, 48)
    network.heads.head = nn.Linear(24, 3)
    layers = find_layers(network, (64, 64))
    assert [layer.name.rpartition(".")[2] for layer in layers] == ["conv_proj", "encoder_layer_0", "encoder_layer_1",
                                                                   "ln_1"]  # fmt: skip


def test_a_grid_that_is_not_square():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=(32, 64), depth=2)
    assert find_layers(network, (32, 64))[1].grid == (2, 4)


def test_swin_has_channels_last():
    network = timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, img_size=64, window_size=2)
    layers = find_layers(network, (64, 64))
    assert len(layers) == 1 + 12 and layers[-1].name == "layers.3.blocks.1"
    assert {layer.form for layer in layers[1:]} == {"nhwc"}


def test_convnext_is_a_convolutional_network_with_parts_that_have_channels_last():
    network = timm.create_model("convnext_tiny", num_classes=3, depths=(1, 1, 1, 1), dims=(8, 16, 32, 48))
    names = [layer.name for layer in find_layers(network, (64, 64))]
    assert names == ["stem.0", "stages.0.blocks.0.conv_dw", "stages.1.downsample.1", "stages.1.blocks.0.conv_dw",
                     "stages.2.downsample.1", "stages.2.blocks.0.conv_dw", "stages.3.downsample.1",
                     "stages.3.blocks.0.conv_dw"]  # fmt: skip
    forms = {"stages.1": "nchw", "stages.1.blocks.0": "nchw", "stages.1.blocks.0.norm": "nhwc"}
    forms |= {"stages.1.blocks.0.mlp": "nhwc", "stages.1.blocks.0.mlp.act": "nhwc"}
    assert {name: find_layer(network, (64, 64), name).form for name in forms} == forms


def test_any_module_is_a_layer_if_it_has_a_grid():
    assert find_layer(Toy(), (8, 6), "norm").form == "nchw"
    assert find_layer(vit(), (64, 64), "blocks.1.attn").grid == (4, 4)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("blocks.2", "reads only its first tokens"),
        ("head", r"shape \(1, 3\), has no spatial grid"),
        ("unused", "does not run"),
        ("pair", "not one tensor"),
    ],
)
def test_a_module_that_cannot_serve_is_named_with_the_reason(path, reason):
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.unused, self.pair = vit(), nn.Conv2d(3, 3, 1), Pair()

        def forward(self, x):
            return self.trunk(self.pair(x)[0])

    network = Wrapped()
    full = path if path in ("unused", "pair") else f"trunk.{path}"
    with pytest.raises(BadTarget, match=f"'{path}' cannot serve.*{reason}"):
        find_layer(network, (64, 64), full)
    assert _hooks(network) == 0


@pytest.mark.parametrize(
    ("backbone", "path"),
    [("xception", "act4"), ("resnet50", "layer4"), ("mobilenetv2_035", "bn2"), ("densenet121", "features")],
)
def test_the_final_map_is_the_one_that_is_pooled(backbone: str, path: str) -> None:
    classifier = build(backbone, "none", ("a", "b"), input_size=64)
    final = classifier.layer("final")
    assert final.name == path
    seen = {}
    trunk = classifier.network.trunk
    handles = [
        trunk.get_submodule(path).register_forward_hook(lambda _m, _i, out: seen.update(map=out.clone())),
        trunk.register_forward_hook(lambda _m, _i, out: seen.update(pooled=out)),
    ]
    with torch.no_grad():
        classifier.network(torch.rand(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    final_map = seen["map"].relu() if backbone == "densenet121" else seen["map"]  # its last ReLU is no module
    torch.testing.assert_close(final_map.mean((2, 3)), seen["pooled"])


class ChannelsLast(nn.Module):
    """As ConvNeXt and Swin are written: what is pooled has its channels on the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm, self.head = nn.Conv2d(3, 12, 4, stride=4), nn.LayerNorm(12), nn.Linear(12, 3)

    def forward(self, pixels):
        return self.head(self.norm(self.convolution(pixels).permute(0, 2, 3, 1)).relu().mean((1, 2)))


def test_a_final_map_with_channels_last_is_known_as_such() -> None:
    network = ChannelsLast().eval()
    classifier = Classifier("last", ("a", "b", "c"), (32, 32), network, find_layers(network, (32, 32)))
    assert [layer.name for layer in classifier.layers] == ["convolution"]
    final = classifier.layer("final")
    assert (final.name, final.form) == ("norm", "nhwc")
