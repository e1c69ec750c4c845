import json
import random

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from whyscan.errors import BadInput, BadModel
from whyscan.models import backbones
from whyscan.models.backbones import BACKBONES, build, find_backbone
from whyscan.models.preprocess import SYMMETRIC

CLASSES = ("glioma", "meningioma", "none")


def _pixels(n=2, size=64):
    return np.random.default_rng(0).random((n, 3, size, size), dtype=np.float32)


def _file(path, architecture="test_resnet", metadata=None, **arguments):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        trunk = timm.create_model(architecture, num_classes=0, **arguments)
    save_file(trunk.state_dict(), path, metadata)
    return path


@pytest.mark.parametrize("name", BACKBONES)
def test_the_table_says_what_timm_says(name):
    entry = BACKBONES[name]
    config = timm.get_pretrained_cfg(entry.architecture)
    assert config is not None, f"timm has no {entry.architecture}"
    assert config.input_size == (3, entry.input_size, entry.input_size)
    assert (tuple(config.mean), tuple(config.std)) == (entry.normalisation.mean, entry.normalisation.std)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_gives_features_and_a_head_fits(name):
    entry = BACKBONES[name]
    about = {"architecture": entry.architecture, "arguments": dict(entry.arguments), "head": "dense256"}
    about |= {"mean": entry.normalisation.mean, "std": entry.normalisation.std}
    size = (entry.input_size, entry.input_size)
    with torch.device("meta"):
        network = backbones.make_network(about, size, CLASSES).eval()
        assert network(torch.zeros(1, 3, *size)).shape == (1, 3)
        assert backbones.find_layers(network, size, entry.architecture)


def test_any_other_name_of_timm_works_with_its_own_size_and_normalisation():
    assert find_backbone("test_resnet").input_size == 160
    assert find_backbone("efficientnet_b0.ra_in1k").architecture == "efficientnet_b0.ra_in1k"
    classifier = build("test_efficientnet", "none", CLASSES, input_size=64)
    assert classifier.input_size == (64, 64) and classifier.name == "test_efficientnet"
    assert classifier.predict(_pixels()).shape == (2, 3)
    assert not classifier.network.training


@pytest.mark.parametrize(("name", "near"), [("resnet5O", "resnet50"), ("Xception", "xception"), ("zzzz", "xception")])
def test_an_unknown_name_gets_suggestions(name, near):
    with pytest.raises(BadModel, match=f"{name}.*{near}"):
        build(name, "none", CLASSES)


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    one, two, other = (build("test_resnet", "none", CLASSES, input_size=64, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all() and random.getstate() == states[2]  # noqa: NPY002
    assert one.hash == two.hash != other.hash
    np.testing.assert_array_equal(one.logits(_pixels()), two.logits(_pixels()))


def test_heads():
    linear = build("test_resnet", "none", CLASSES, input_size=64).network.head
    dense = build("test_resnet", "none", CLASSES, input_size=64, head="dense256").network.head
    assert [type(part).__name__ for part in linear] == ["Dropout", "Linear"]
    assert [type(part).__name__ for part in dense] == ["Linear", "ReLU", "Dropout", "Linear"]
    assert dense[0].out_features == 256 and dense[3].out_features == linear[1].out_features == 3
    with pytest.raises(BadInput, match="dense512"):
        build("test_resnet", "none", CLASSES, head="dense512")


@pytest.mark.parametrize("classes", [(), ("a",), ("a", "a"), ("a", ""), ("a", 7)])
def test_classes_that_cannot_be(classes):
    with pytest.raises(BadInput, match="two or more different names"):
        build("test_resnet", "none", classes, input_size=64)


def test_pooling_before_vggs_wide_layers():
    about = {"architecture": "vgg16", "arguments": {}, "head": "linear", "mean": [0] * 3, "std": [1] * 3}
    with torch.device("meta"):
        network = backbones.make_network(about, (64, 64), CLASSES)
    # Keras's VGG16(include_top=False) has 14,714,688 parameters.
    assert sum(p.numel() for p in network.trunk.parameters()) == 14_714_688
    assert network.head[1].in_features == 512


def test_a_fixed_grid_is_told_the_size():
    classifier = build("test_vit", "none", CLASSES, input_size=96)
    assert classifier.about["arguments"] == {"img_size": 96}
    assert classifier.predict(_pixels(size=96)).shape == (2, 3)
    assert build("test_vit", "none", CLASSES).about["arguments"] == {}


@pytest.mark.parametrize(("name", "size"), [("test_vit", 37), ("mobilenetv2_035", -3)])
def test_a_size_that_the_network_cannot_take(name, size):
    with pytest.raises(BadInput, match=f"{size} x {size}"):
        build(name, "none", CLASSES, input_size=size)


def test_a_weights_file_is_used_with_what_it_says(tmp_path):
    metadata = {"timm_model": "mobilenetv2_035", "timm_kwargs": json.dumps({"pad_type": "same", "bn_eps": 0.01})}
    path = _file(tmp_path / "w.safetensors", "mobilenetv2_035", metadata | {"input": "x/127.5-1"})
    classifier = build("mobilenetv2_035", path, CLASSES, input_size=64)
    trunk = classifier.network.trunk
    assert trunk.bn1.eps == 0.01 and type(trunk.conv_stem).__name__ == "Conv2dSame"
    assert classifier.about["arguments"] == {"pad_type": "same", "bn_eps": 0.01}
    assert tuple(classifier.network.mean.flatten().tolist()) == SYMMETRIC.mean
    assert classifier.about["origin"] == "w.safetensors"
    expected = load_file(path)
    assert all(torch.equal(value, expected[name]) for name, value in trunk.state_dict().items())

    plain = build("mobilenetv2_035", _file(tmp_path / "p.safetensors", "mobilenetv2_035"), CLASSES, input_size=64)
    assert plain.about["arguments"] == {} and plain.network.trunk.bn1.eps == 1e-5
    with torch.inference_mode():
        ours, theirs = (c.network.trunk(torch.from_numpy(_pixels())) for c in (classifier, plain))
    assert (ours - theirs).abs().max() > 0.01 * theirs.abs().max()  # the same tensors, yet another function


def test_weights_of_another_architecture_name_both(tmp_path):
    path = _file(tmp_path / "w.safetensors", metadata={"timm_model": "test_resnet"})
    with pytest.raises(BadModel, match=r"w\.safetensors holds weights of test_resnet.*test_efficientnet"):
        build("test_efficientnet", path, CLASSES)


def test_weights_that_do_not_say_whose_they_are_but_do_not_fit(tmp_path):
    path = _file(tmp_path / "w.safetensors")
    with pytest.raises(BadModel, match=r"w\.safetensors does not fit.*missing.*unknown"):
        build("test_efficientnet", path, CLASSES)


def test_a_head_in_the_file_is_ignored(tmp_path):
    whole = timm.create_model("test_resnet", num_classes=7)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    classifier = build("test_resnet", tmp_path / "w.safetensors", CLASSES, input_size=64)
    assert torch.equal(classifier.network.trunk.conv1[0].weight, whole.conv1[0].weight)


@pytest.mark.parametrize(
    "arguments", [{"checkpoint_path": "/x.pth"}, {"pretrained": True}, {"pretrained_cfg": {}}, {"features_only": True}]
)
def test_arguments_that_would_open_files_are_refused(tmp_path, arguments):
    path = _file(tmp_path / "w.safetensors", metadata={"timm_kwargs": json.dumps(arguments)})
    with pytest.raises(BadModel, match=f"arguments {next(iter(arguments))}"):
        build("test_resnet", path, CLASSES)


def test_arguments_that_the_architecture_does_not_take(tmp_path):
    path = _file(tmp_path / "w.safetensors", metadata={"timm_kwargs": json.dumps({"img_size": 64})})
    with pytest.raises(BadModel, match="does not take the arguments"):
        build("test_resnet", path, CLASSES)


def test_imagenet_weights_that_timm_has_not():
    with pytest.raises(BadModel, match=r"no ImageNet weights for mobilenetv2_035.*file"):
        build("mobilenetv2_035", "imagenet", CLASSES)


def test_no_network(monkeypatch):
    def create_model(*args, **kwargs):
        raise OSError("name resolution failed")

    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(BadModel, match=r"resnet50 could not be fetched \(OSError: name resolution.*local .safetensors"):
        build("resnet50", "imagenet", CLASSES)
    with pytest.raises(OSError, match="name resolution"):  # not the network's fault: not disguised
        build("resnet50", "none", CLASSES)


def test_a_missing_file():
    with pytest.raises(BadModel, match="imagnet is not a file"):
        build("test_resnet", "imagnet", CLASSES)


@pytest.mark.real
@pytest.mark.parametrize("name", ["mobilenetv2_035", "mobilenetv2_100"])
def test_real_weights_load_with_their_arguments_and_differ_without(shared, tmp_path, name):
    path = shared / "weights" / f"{name}.imagenet.safetensors"
    classifier = build(name, path, CLASSES)
    assert classifier.about["arguments"] == {"pad_type": "same", "bn_eps": 0.001}
    assert classifier.about["mean"] == SYMMETRIC.mean and len(classifier.layers) == 52
    save_file(load_file(path), tmp_path / "bare.safetensors")
    bare = build(name, tmp_path / "bare.safetensors", CLASSES)
    pixels = torch.from_numpy(_pixels(1, 224))
    with torch.inference_mode():
        ours, theirs = classifier.network.features(pixels), bare.network.features(pixels)
    assert (ours - theirs).abs().max() > 0.1 * ours.abs().max()
