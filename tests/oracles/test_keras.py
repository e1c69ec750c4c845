"""Every architecture of keras.applications, in both formats, flat and nested, against Keras itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from whyscan.models.keras.convert import network_of
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


@pytest.mark.parametrize("form", ["flat", "nested"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keras_agrees(architecture: str, form: str, tmp_path: Path) -> None:
    name = f"{architecture}-{form}"
    quiet = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    made = subprocess.run([PYTHON, str(SCRIPT), str(tmp_path), name], env=quiet, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    expected = np.load(tmp_path / f"{name}.npz")
    images = torch.from_numpy(expected["images"]).permute(0, 3, 1, 2)
    for suffix in (".h5", ".keras"):
        path = tmp_path / f"{name}{suffix}"
        file = read(path)
        path.unlink()  # the largest have 1.4 GB, and pytest keeps folders
        network = network_of(file.config, file.weights, version=file.version)
        with torch.inference_mode():
            answers = network(images).softmax(1).numpy()
            precise = network.double()(images.double()).softmax(1).numpy()
        truth = expected["truth"]
        apart, far = np.abs(answers - expected["answers"]).max(), np.abs(precise - truth).max()
        theirs = np.abs(expected["answers"] - truth).max()
        sys.stdout.write(f"| {architecture} | {form} | {suffix} | {apart:.1e} | {far:.1e} | {theirs:.1e} |\n")
        assert network.answer == "softmax"
        assert far <= 1e-8
        # deep networks of random weights magnify rounding: two float32 programs then differ, both off the truth
        assert apart <= max(1e-5, 4 * theirs)
    for path in tmp_path.iterdir():
        path.unlink()
