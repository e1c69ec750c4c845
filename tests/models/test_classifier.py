import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel, BadTarget
from whyscan.models.classifier import Classifier, Layer, Network, TwoClass, softmax


def _classifier(classes=("glioma_tumor", "meningioma_tumor", "no_tumor"), layers=(), network=None) -> Classifier:
    network = network or Network(
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(3, len(classes)), [0] * 3, [1] * 3
    )
    return Classifier("toy", tuple(classes), (8, 6), network.eval(), tuple(layers))


def _scan(shape=(1, 20, 10), value=0.5) -> Scan:
    return Scan(np.full(shape, value, np.float32), "0" * 64)


def test_network_normalises_inside():
    head = nn.Linear(3, 2)
    network = Network(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), head, [0.5, 0.25, 0.0], [0.5, 0.25, 2.0])
    pixels = torch.tensor([1.0, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(network.features(pixels), torch.tensor([[1.0, 1.0, 0.5]]))
    torch.testing.assert_close(network(pixels), head(torch.tensor([[1.0, 1.0, 0.5]])))


def test_one_scan_gives_a_vector_and_many_a_matrix_with_the_same_numbers():
    classifier = _classifier()
    one, many = classifier.predict(_scan()), classifier.predict([_scan()] * 5, batch=2)
    assert one.shape == (3,) and many.shape == (5, 3)
    np.testing.assert_allclose(many, np.tile(one, (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(one.sum(), 1, rtol=1e-6)
    assert classifier.logits([]).shape == (0, 3)
    assert classifier.logits(np.zeros((0, 3, 8, 6), np.float32)).shape == (0, 3)


def test_a_grey_scan_fills_three_channels_on_the_models_grid():
    pixels, geometry = _classifier().prepare(_scan((1, 20, 10), 0.25))
    assert pixels.shape == (1, 3, 8, 6) and geometry.scan == (20, 10)
    np.testing.assert_allclose(pixels, 0.25, rtol=1e-6)


def test_logits_take_read_only_and_double_precision_pixels():
    pixels = np.random.default_rng(0).random((2, 3, 8, 6))
    frozen = pixels.astype(np.float32)
    frozen.setflags(write=False)
    classifier = _classifier()
    np.testing.assert_allclose(classifier.logits(pixels), classifier.logits(frozen), rtol=1e-6)
    assert classifier.device.type == "cpu"


def test_pixels_of_another_size_are_refused():
    with pytest.raises(BadInput, match=r"\(1, 3, 9, 9\).*\(n, 3, 8, 6\)"):
        _classifier().logits(np.zeros((1, 3, 9, 9), np.float32))


def test_an_answer_that_is_not_a_number_or_of_another_width_is_refused():
    classifier = _classifier()
    with torch.no_grad():
        classifier.network.head.bias.fill_(torch.nan)
    with pytest.raises(BadModel, match="NaN"):
        classifier.predict(_scan())
    with pytest.raises(BadModel, match=r"shape \(1, 5\)"):
        wide = Network(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(3, 5), [0] * 3, [1] * 3)
        _classifier(network=wide).predict(_scan())


@pytest.mark.parametrize(
    ("name", "full", "row"),
    [
        ("glioma_tumor", "glioma_tumor", [1, 0, 0]),
        ("no", "no_tumor", [0, 0, 1]),
        ("GLIOMA", "glioma_tumor", [1, 0, 0]),
        ("glioma-men", "glioma_tumor-meningioma_tumor", [1, -1, 0]),
        ("no-glioma_tumor", "no_tumor-glioma_tumor", [-1, 0, 1]),
    ],
)
def test_targets(name, full, row):
    assert _classifier().target_name(name) == full
    np.testing.assert_array_equal(_classifier().target(name), row)
    np.testing.assert_array_equal(_classifier().target(full), row)


@pytest.mark.parametrize(
    "name", ["", "pituitary", "glioma-", "-glioma", "glioma-glioma", "glioma-pituitary", "-", "x-y"]
)
def test_targets_that_are_none(name):
    with pytest.raises(BadTarget, match="glioma_tumor"):
        _classifier().target(name)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("non-tumour", "non-tumour"),  # a class, not a contrast
        ("non-tum", "non-tumour"),  # the beginning of one, although "non" and "tum" begin classes too
        ("tumour-non-tumour", "tumour-non-tumour"),
        ("non-tumour-tumour", "non-tumour-tumour"),
        ("t2-flair-non", "t2-flair-non-tumour"),
    ],
)
def test_classes_whose_names_hold_a_hyphen(name, full):
    classifier = _classifier(("non-tumour", "tumour", "t2-flair"))
    assert classifier.target_name(name) == full
    assert abs(classifier.target(name)).sum() == (1 if full in classifier.classes else 2)


def test_a_contrast_that_can_be_read_in_two_ways_is_refused_and_full_names_win():
    both = _classifier(("a", "b-c", "a-b", "c"))
    with pytest.raises(BadTarget, match="a against b-c or a-b against c"):
        both.target("a-b-c")
    exact = _classifier(("a", "b-c", "a-bx", "c"))
    assert exact.target_name("a-b-c") == "a-b-c" and exact.target("a-b-c").tolist() == [1, -1, 0, 0]


def test_layers_by_name_alias_path_and_place():
    first, last = Layer("conv1", "trunk.conv1", "block1_conv1"), Layer("conv2", "trunk.conv2")
    classifier = _classifier(layers=(first, last))
    assert classifier.layer("conv1") is classifier.layer("block1_conv1") is classifier.layer("trunk.conv1") is first
    assert classifier.layer("last") is last
    with pytest.raises(BadTarget, match="try conv2"):
        classifier.layer("conv3")
    with pytest.raises(BadTarget, match="conv1"):
        classifier.layer("")
    with pytest.raises(BadTarget, match="no layer with a grid"):
        _classifier().layer("last")


def test_one_sigmoid_output_is_two_classes():
    z = torch.tensor([[-3.0], [0.0], [2.0]])
    logits = TwoClass(nn.Identity())(z).numpy()
    np.testing.assert_allclose(softmax(logits)[:, 1], torch.sigmoid(z)[:, 0], rtol=1e-6)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=6))
def test_softmax_is_torchs(values):
    logits = np.array([values], np.float32)
    np.testing.assert_allclose(softmax(logits), torch.from_numpy(logits).softmax(1).numpy(), atol=1e-6)
