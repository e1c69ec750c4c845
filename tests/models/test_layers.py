import pytest
import torch
from torch import nn

from whyscan.models.layers import evaluating, find_layers


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


def test_evaluating_puts_each_module_back():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3)).train()
    network[1].eval()
    with evaluating(network):
        assert not network[0].training
    assert network[0].training and not network[1].training
