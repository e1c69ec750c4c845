"""DICOM files made by hand, for the tests that read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

Made = Callable[..., FileDataset]


def make(values: np.ndarray, *, uid: str = "1.2.3", **tags: Any) -> FileDataset:
    """An image with these stored values, (h, w), (h, w, 3) or (frames, h, w); a tag of None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    colour = values.ndim == 3 and values.shape[-1] == 3
    height, width = values.shape[:2] if colour or values.ndim == 2 else values.shape[1:]
    bits = values.dtype.itemsize * 8
    common: dict[str, Any] = {
        "SOPClassUID": MRImageStorage, "SOPInstanceUID": uid, "SeriesInstanceUID": "1.2.840.1", "Modality": "MR",
        "Rows": height, "Columns": width, "SamplesPerPixel": 3 if colour else 1, "BitsAllocated": bits,
        "BitsStored": bits, "HighBit": tags.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
    }  # fmt: skip
    if colour:
        common["PlanarConfiguration"] = 0
    if values.ndim == 3 and not colour:
        common["NumberOfFrames"] = len(values)
    for name, value in (common | tags).items():
        if value is not None:
            setattr(data, name, value)
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OW" if bits == 16 else "OB"
    return data


def item(**tags: Any) -> Dataset:
    found = Dataset()
    for name, value in tags.items():
        setattr(found, name, value)
    return found


def sequence(**tags: Any) -> Sequence:
    return Sequence([item(**tags)])


def geometry(height: float, *, axes: tuple[float, ...] = (1, 0, 0, 0, 1, 0)) -> dict[str, Any]:
    """Tags of a slice that lies `height` millimetres up its own normal."""
    normal = np.cross(axes[:3], axes[3:])
    return {
        "ImagePositionPatient": [float(v) for v in normal * height], "ImageOrientationPatient": list(axes),
        "PixelSpacing": [1.0, 1.0],
    }  # fmt: skip


@pytest.fixture(scope="session")
def dicom() -> Made:
    return make


@pytest.fixture(scope="session")
def dicom_item() -> Callable[..., Dataset]:
    return item


@pytest.fixture(scope="session")
def dicom_sequence() -> Callable[..., Sequence]:
    return sequence


@pytest.fixture(scope="session")
def lies_at() -> Callable[..., dict[str, Any]]:
    return geometry


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(data: FileDataset, name: str = "a.dcm") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
        return path

    return save
