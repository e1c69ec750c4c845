"""Every architecture of keras.applications, in both formats, flat and nested, against Keras itself.

With `pytest -s` a row a file: largest difference of a probability, of a logit, of a logit in float64; of Keras in
float32 from Keras in float64; of Keras from itself where the pixels change by a millionth; and between two images.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from whyscan.models.keras.activations import Activation
from whyscan.models.keras.convert import network_of
from whyscan.models.keras.network import KerasNetwork
from whyscan.models.keras.plain import Rescaling
from whyscan.models.keras.read import read

PYTHON = os.environ.get("WHYSCAN_KERAS_PYTHON", "")
ARCHITECTURES = (
    "VGG16", "VGG19", "Xception", "InceptionV3", "InceptionResNetV2", "ResNet50", "ResNet101", "ResNet152",
    "ResNet50V2", "ResNet101V2", "ResNet152V2", "DenseNet121", "DenseNet169", "DenseNet201", "MobileNet",
    "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "NASNetMobile", "NASNetLarge", "EfficientNetB0",
    "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6",
    "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L", "ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase",
    "ConvNeXtLarge", "ConvNeXtXLarge",
)  # fmt: skip
SCRIPT = Path(__file__).with_name("keras_models.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="WHYSCAN_KERAS_PYTHON names no Python with Keras and TensorFlow"),
]


def doubled(network: KerasNetwork) -> KerasNetwork:
    """In float64, but for what Keras on TensorFlow takes through float32 there too.

    That is the numbers of `Rescaling`, and GELU's root of 1/2.
    """
    root = float(np.float32(0.5**0.5))
    for module in network.modules():
        if isinstance(module, Rescaling):
            module.scale, module.offset = (
                tuple(float(np.float32(each)) for each in values) for values in (module.scale, module.offset)
            )
        if isinstance(module, Activation) and module.kind == "gelu":
            module.function = lambda x: x / 2 * (1 + torch.erf(x * root))
    return network.double()


@pytest.mark.parametrize("form", ["flat", "nested"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keras_agrees(architecture: str, form: str, tmp_path: Path) -> None:
    name = f"{architecture}-{form}"
    quiet = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    made = subprocess.run([PYTHON, str(SCRIPT), str(tmp_path), name], env=quiet, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    expected = np.load(tmp_path / f"{name}.npz")
    images, logits, truth = (
        torch.from_numpy(expected["images"]).permute(0, 3, 1, 2),
        expected["logits"],
        expected["truth"],
    )
    alive = np.abs(truth[0] - truth[1]).max()
    theirs, shaken = np.abs(logits - truth).max(), np.abs(expected["shaken"] - logits).max()
    rounding = np.abs(torch.from_numpy(truth).softmax(1).numpy() - expected["answers"]).max()
    assert alive >= 0.1, "a network that forgets its input agrees with any other"
    for suffix in (".h5", ".keras"):
        path = tmp_path / f"{name}{suffix}"
        file = read(path)
        path.unlink()  # the largest have 1.4 GB, and pytest keeps folders
        network = network_of(file.config, file.weights, version=file.version)
        with torch.inference_mode():
            found = network(images)
            precise = doubled(network)(images.double()).numpy()
        apart = np.abs(found.softmax(1).numpy() - expected["answers"]).max()
        far, beside = np.abs(precise - truth).max(), np.abs(found.numpy() - logits).max()
        figures = " | ".join(f"{each:.0e}" for each in (apart, beside, far, theirs, shaken, alive))
        sys.stdout.write(f"| {architecture} | {form} | {suffix} | {figures} |\n")
        assert network.answer == "softmax"
        assert apart <= max(1e-5, 4 * rounding), f"Keras's own rounding moves a probability by {rounding:.1e}"
        assert far <= 1e-9  # where rounding is out of the way, the two are one network
