"""Attention rollout: the product worked out by hand, and what is read out of which network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel
from whyscan.explain.gradients.rollout import SAME, AttentionRollout, attend, on_grid, rollout
from whyscan.models.backbones import build
from whyscan.models.classifier import Classifier


@pytest.fixture(scope="module")
def vit() -> Classifier:
    return build("test_vit", "none", ("a", "b"), input_size=64, seed=0)


@pytest.fixture(scope="module")
def picture() -> Scan:
    return Scan(np.random.default_rng(0).random((1, 64, 64), np.float32), "noise")


def test_two_blocks_by_hand() -> None:
    # two tokens. Block 1 attends (1, 0) and (.5, .5); with the identity and halved: (1, 0) and (.25, .75)
    # block 2 attends (0, 1) and (1, 0): (.5, .5) and (.5, .5); the product of block 2 and block 1: (.625, .375) twice
    one = torch.tensor([[1, 0], [0.5, 0.5]]).expand(1, 1, 2, 2)
    two = torch.tensor([[0.0, 1], [1, 0]]).expand(1, 1, 2, 2)
    first, both = rollout([one, two])
    torch.testing.assert_close(first[0], torch.tensor([[1, 0], [0.25, 0.75]]))
    torch.testing.assert_close(both[0], torch.tensor([[0.625, 0.375]] * 2))


def test_heads() -> None:
    # two heads: (1, 0) and (0, 1) in the first row; their mean is (.5, .5), their maximum (1, 1), their minimum (0, 0)
    heads = torch.tensor([[[1.0, 0], [1, 0]], [[0.0, 1], [1, 0]]])[None]
    rows = {name: rollout([heads], name)[0][0, 0].tolist() for name in ("mean", "max", "min")}
    assert rows["mean"] == [0.75, 0.25]
    assert rows["max"] == pytest.approx([2 / 3, 1 / 3])
    assert rows["min"] == [1, 0]


def test_rows_stay_shares(vit: Classifier, picture: Scan) -> None:
    _, attentions = attend(vit, torch.from_numpy(vit.prepare(picture)[0]))
    for each in attentions:
        torch.testing.assert_close(each.sum(-1), torch.ones_like(each.sum(-1)))
    for each in rollout(attentions):
        torch.testing.assert_close(each.sum(-1), torch.ones_like(each.sum(-1)))


def test_the_toy_by_hand(toy_transformer: Classifier, scan) -> None:
    network, pixels = toy_transformer.network, torch.from_numpy(toy_transformer.prepare(scan)[0])
    with torch.no_grad():
        tokens = network.patches(pixels).flatten(2).mT
        tokens = torch.cat([network.token, tokens], 1)
        q, k, _ = functional_projection(network.attention, tokens)
        attention = torch.softmax(q @ k.mT / 2, -1).mean(1)[0]  # two heads of 4 channels
    (found,) = AttentionRollout()(toy_transformer, [scan])
    expected = (attention[0, 1:] / 2).view(4, 4).numpy()
    np.testing.assert_allclose(found.maps, np.broadcast_to(expected, (3, 4, 4)), rtol=1e-5)
    assert found.diagnosis == (SAME,) * 3
    np.testing.assert_allclose(found.probabilities, toy_transformer.predict(scan), atol=1e-6)


def functional_projection(attention: nn.MultiheadAttention, tokens: torch.Tensor) -> torch.Tensor:
    """(3, n, heads, s, channels): what the module projects its input to."""
    made = tokens @ attention.in_proj_weight.T + attention.in_proj_bias
    return made.view(len(tokens), -1, 3, attention.num_heads, attention.head_dim).permute(2, 0, 3, 1, 4)


@pytest.mark.parametrize("name", ["test_vit", "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_networks_of_timm_answer_as_before_and_stay_as_they_were(name: str, picture: Scan) -> None:
    classifier = build(name, "none", ("a", "b"), input_size=64, seed=0)
    modules = list(classifier.network.modules())
    before = [getattr(module, "fused_attn", None) for module in modules]
    assert True in before
    (found,) = AttentionRollout()(classifier, [picture])
    assert [getattr(module, "fused_attn", None) for module in modules] == before
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in modules)
    np.testing.assert_allclose(found.probabilities, classifier.predict(picture), atol=1e-5)
    assert found.maps.shape == (2, 4, 4)
    # what does not reach the patches is the share of the tokens that are no patches
    assert 0.5 < found.maps[0].sum() <= 1 + 1e-6


def test_it_is_restored_whatever_is_raised(vit: Classifier, monkeypatch) -> None:
    modules = list(vit.network.modules())
    before = [(getattr(module, "fused_attn", None), module.training) for module in modules]
    monkeypatch.setattr(vit.network.head, "forward", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        attend(vit, torch.zeros(1, 3, 64, 64))
    assert [(getattr(module, "fused_attn", None), module.training) for module in modules] == before
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in modules)


def test_pooled_tokens_are_read_by_their_mean(picture: Scan) -> None:
    classifier = build("vit_tiny_patch16_224", "none", ("a", "b"), input_size=64, seed=0)
    trunk = classifier.network.trunk
    rolled = rollout(attend(classifier, torch.from_numpy(classifier.prepare(picture)[0]))[1])[-1]
    np.testing.assert_allclose(on_grid(classifier, rolled).flatten(1), rolled[:, 0, 1:])
    trunk.global_pool = "avg"
    np.testing.assert_allclose(on_grid(classifier, rolled).flatten(1), rolled[:, 1:].mean(1)[:, 1:])


def test_some_blocks(vit: Classifier, picture: Scan) -> None:
    _, attentions = attend(vit, torch.from_numpy(vit.prepare(picture)[0]))
    whole = rollout(attentions)
    for blocks in range(1, len(attentions) + 1):
        (found,) = AttentionRollout(blocks=blocks)(vit, [picture])
        np.testing.assert_allclose(found.maps[0].ravel(), whole[blocks - 1][0, 0, 1:].numpy(), rtol=1e-5)
    with pytest.raises(BadInput, match=f"{blocks + 1} blocks"):
        AttentionRollout(blocks=blocks + 1)(vit, [picture])


def test_grids_that_are_not_square(vit: Classifier) -> None:
    wide = Classifier("wide", ("a", "b"), (32, 64), nn.Linear(1, 1), ())
    rolled = torch.arange(9.0).expand(1, 9, 9)
    assert on_grid(wide, rolled)[0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    with pytest.raises(BadModel, match="8 tokens that are no grid of 64 x 64"):
        on_grid(Classifier("odd", ("a", "b"), (64, 64), nn.Linear(1, 1), ()), torch.zeros(1, 8, 8))


def test_networks_that_cannot_serve_are_named(toy: Classifier, picture: Scan) -> None:
    with pytest.raises(BadModel, match="toy has no attention"):
        AttentionRollout()(toy, [picture])
    swin = build("swin_tiny", "none", ("a", "b"), input_size=64, seed=0)
    with pytest.raises(BadModel, match="attends within windows"):
        AttentionRollout()(swin, [picture])


def test_bad_settings() -> None:
    with pytest.raises(BadInput, match="heads 'sum'"):
        AttentionRollout(heads="sum")
    with pytest.raises(BadInput, match="blocks 0"):
        AttentionRollout(blocks=0)
