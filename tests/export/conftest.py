"""A DICOM series of phantoms with a patient whose name must not get out, and attributions of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whyscan.data.dicom import read_dicom
from whyscan.data.scan import Scan
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry

CANARY = "Canarybird^Tweety"
CLASSES = ("glioma", "meningioma", "no tumor")


def _write_slice(path: Path, number: int, *, seed: int = 0, **changed: object) -> Path:
    """One MR slice of 40 x 32 pixels, 2 mm above the one before; `changed` sets attributes, None deletes them."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data.SOPInstanceUID = f"1.2.826.0.1.3680043.10.999.1.{seed + 1}.{number + 1}"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.StudyInstanceUID = f"1.2.826.0.1.3680043.10.999.2.{seed + 1}"
    data.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.999.3.{seed + 1}"
    data.FrameOfReferenceUID = f"1.2.826.0.1.3680043.10.999.4.{seed + 1}"
    data.PatientName, data.PatientID = CANARY, "CANARYID77"
    data.PatientBirthDate, data.PatientSex = "19450607", "F"
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20200102", "101112", "7", "CANARYACC"
    data.ReferringPhysicianName, data.Modality, data.SeriesNumber = "", "MR", 3
    data.InstanceNumber = number + 1
    data.ImagePositionPatient = [-20.0, -30.0, 2.0 * number]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [1.5, 1.25], 2.0
    data.Rows, data.Columns, data.SamplesPerPixel = 40, 32, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng([seed, number]).integers(0, 4000, (40, 32)).astype("<u2")
    data.PixelData = pixels.tobytes()
    for name, value in changed.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def _attribution_of(scan: Scan, *, seed: int = 0, targets: tuple[str, ...] = CLASSES, **more: object) -> Attribution:
    """Random maps of a scan; `more` replaces fields."""
    rng = np.random.default_rng([seed, len(scan.content)])
    maps = np.maximum(rng.normal(size=(len(targets), 5, 5)), 0).astype(np.float32)
    fields: dict[str, object] = {
        "method": "gradcam", "heading": "Grad-CAM", "targets": targets, "classes": CLASSES,
        "geometry": Geometry.of(scan.shape, (64, 64)), "probabilities": np.array([0.7, 0.2, 0.1], np.float32),
        "maps": maps, "thumbnail": scan.thumbnail(), "layer": "blocks.4", "model": "small", "model_hash": "ab" * 32,
        "scan": scan.content, "source": scan.source, "place": scan.place,
    }  # fmt: skip
    return Attribution(**(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def write_slice() -> Callable[..., Path]:
    return _write_slice


@pytest.fixture
def attribution_of() -> Callable[..., Attribution]:
    return _attribution_of


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Three slices whose file names run against their order in the patient."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(3):
        _write_slice(folder / f"{9 - number}.dcm", number)
    return folder


@pytest.fixture
def attributions(series: Path) -> list[Attribution]:
    scans = [read_dicom(path) for path in sorted(series.glob("*.dcm"))]
    return [_attribution_of(scan, seed=number) for number, scan in enumerate(scans)]
