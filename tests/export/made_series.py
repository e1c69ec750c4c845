"""A DICOM series whose patient's name must not get out, written slice by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CANARY = "Canarybird^Tweety"


def write_slice(path: Path, number: int, *, seed: int = 0, **changed: object) -> Path:
    """One MR slice of 40 x 32 pixels, 2 mm above the one before. `changed` sets attributes, None deletes them."""
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
