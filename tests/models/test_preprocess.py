from pathlib import Path

import pytest

from whyscan.errors import BadModel
from whyscan.models.preprocess import IMAGENET, SYMMETRIC, UNIT, Normalisation, stated

HERE = Path("a.safetensors")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"input": "224"}, None),
        ({"input": "224 RGB x/127.5-1"}, SYMMETRIC),
        ({"input": "x / 127.5 - 1"}, SYMMETRIC),
        ({"input": "299x299 RGB x/255"}, UNIT),
        ({"input": "imagenet"}, IMAGENET),
        ({"mean": "[0.1, 0.2, 0.3]", "std": "[1, 2, 3]"}, Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))),
    ],
)
def test_what_a_file_states(metadata, expected):
    assert stated(metadata, HERE) == expected


@pytest.mark.parametrize(
    "metadata",
    [
        {"input": "224 BGR x-103.939"},
        {"input": "x/127.5-1 x/255"},
        {"mean": "[0.5]", "std": "[1, 1, 1]"},
        {"mean": "[0.5, 0.5, 0.5]"},
        {"mean": "[0.5, 0.5, 0.5]", "std": "half"},
        {"mean": "[0, 0, 0]", "std": "[1, 0, 1]"},
        {"mean": "[0, 0, NaN]", "std": "[1, 1, 1]"},
        {"mean": "7", "std": "[1, 1, 1]"},
    ],
)
def test_what_it_states_but_nobody_knows(metadata):
    with pytest.raises(BadModel, match=r"a\.safetensors.*imagenet"):
        stated(metadata, HERE)


def test_symmetric_is_what_it_says():
    for x in (0, 51, 255):
        assert (x / 255 - SYMMETRIC.mean[0]) / SYMMETRIC.std[0] == pytest.approx(x / 127.5 - 1)
