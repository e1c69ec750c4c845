"""A canary in every text of a DICOM file: nothing of it may come out again, whatever is done with the file."""

from __future__ import annotations

import json
import logging
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.datadict import DicomDictionary, keyword_dict
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.data.dicom import read_dicom
from whyscan.data.read import read_scans
from whyscan.errors import WhyscanError
from whyscan.models import checkpoint
from whyscan.models.backbones import build

CANARY = "CANARYBIRD"
TEXTS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
# Without these the file would be no image at all; and a UID may hold digits only.
KEPT = {"PhotometricInterpretation", "VOILUTFunction", "Modality"}
UID = "1.2.777.777.1"


def _marked(data: Any) -> Any:
    """Every text of groups 8 to 0x54 says the canary, every UID its digits, every date and age too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, tag in keyword_dict.items():
            kind = DicomDictionary[tag][0]
            if keyword in data or keyword in KEPT or not 0x0008 <= tag >> 16 <= 0x0054:
                continue
            if kind in TEXTS:
                setattr(data, keyword, CANARY)
            elif kind == "DA":
                setattr(data, keyword, "17770707")
            elif kind == "UI" and keyword != "SOPClassUID":
                setattr(data, keyword, UID)
    return data


def _secrets(text: str) -> list[str]:
    return [word for word in (CANARY, "17770707", UID, "1.2.840.777") if word.lower() in text.lower()]


@pytest.fixture
def series(dicom: Any, lies_at: Any, saved: Any, tmp_path: Path) -> Path:
    noise = np.random.default_rng(0)
    for number in range(2):
        values = noise.integers(0, 4096, (64, 64), dtype=np.uint16)
        tags = {"uid": f"1.2.840.777.{number}", "SeriesInstanceUID": "1.2.840.777.9", **lies_at(number)}
        tags |= {"WindowCenter": 2048, "WindowWidth": 4096, "WindowCenterWidthExplanation": CANARY}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved(_marked(dicom(values, **tags)), f"in/IM{number}.dcm")
    return tmp_path / "in"


def test_a_scan_keeps_nothing(series: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        scans = [*read_scans(series), read_dicom(series / "IM0.dcm")]
    assert len(scans) == 3
    assert not _secrets(repr(scans) + caplog.text)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("PhotometricInterpretation", CANARY), ("WindowCenter", CANARY), ("RescaleSlope", CANARY),
        ("NumberOfFrames", CANARY), ("ImagePositionPatient", CANARY), ("Modality", CANARY), ("PixelSpacing", CANARY),
        ("VOILUTFunction", CANARY), ("SOPClassUID", CANARY), ("BurnedInAnnotation", CANARY),
    ],
)  # fmt: skip
def test_errors_and_logs_keep_nothing(series: Path, tag: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    """The value is put over the bytes of the file, as a careless exporter would."""
    from pydicom import dcmread
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    file = series / "IM0.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dcmread(file)
        number = Tag(tag)
        data._dict[number] = RawDataElement(number, "LO", len(value), value.encode(), 0, False, True)
        data.save_as(file)
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            said = repr(read_dicom(file)) + repr(read_scans(series))
        except WhyscanError as error:
            said = f"{error} {error!r} {error.__cause__!r}" + "".join(traceback.format_exception(error))
    assert not _secrets(said + caplog.text + "".join(str(each.message) for each in heard))


def test_the_command_line_keeps_nothing(series: Path, tmp_path: Path) -> None:
    checkpoint.save(build("test_resnet", "none", ("a", "b"), input_size=64), tmp_path / "net")
    (series / "IM2.dcm").write_bytes((series / "IM1.dcm").read_bytes()[:-100].replace(b"777.1", b"777.2", 3))
    for where in (series, series / "IM0.dcm"):
        out = tmp_path / "out" / where.name
        command = ["explain", str(tmp_path / "net"), str(where), "--out", str(out), "--json", "--window", "0"]
        done = CliRunner().invoke(app, command)
        found = json.loads(done.stdout)
        assert found["scans"], done.output
        assert not _secrets(done.output)
        written = [file for file in out.rglob("*") if file.is_file()]
        assert written and all(file.name.startswith("mr-") for file in written)
        for file in written:
            assert not _secrets(file.name + _unpacked(file))


@pytest.mark.parametrize("json_", [True, False])
def test_a_warning_and_the_window_reach_the_user_and_the_patient_does_not(
    series: Path, tmp_path: Path, json_: bool
) -> None:
    """Of every face: the screen, the NPZ, `volume.json`, safetensors' JSON and NIfTI's, and the audit."""
    from pydicom import dcmread

    checkpoint.save(build("test_resnet", "none", ("a", "b"), input_size=64), tmp_path / "net")
    for file in series.iterdir():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = dcmread(file)
            data.BurnedInAnnotation = "YES"
            data.save_as(file)
    out = tmp_path / "out"
    command = ["explain", str(tmp_path / "net"), str(series), "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--export", "nifti", "--export", "safetensors", *["--json"] * json_])
    assert done.exit_code == 0, done.output
    assert not _secrets(done.output)
    warning, window = "WARNING: the file says that text is burned into the picture", "centre 2048, width 4096"
    assert done.stdout.count(warning) == (2 if json_ else 1)
    if json_:
        said = [" ".join(each["reading"]) for each in json.loads(done.stdout)["scans"]]
        assert len(said) == 2 and all(warning in each and window in each for each in said)
    else:
        assert f"{warning}; it may name the patient (2 scans, the first is mr-" in done.stdout
    (volume,) = out.glob("*.volume.json")
    beside = [*out.rglob("*.json"), *out.glob("*.npz")]
    assert volume in beside and len(beside) > 4
    for file in beside:
        text = _unpacked(file)
        assert warning in text and window in text, file.name
    for file in out.rglob("*"):
        assert not file.is_file() or not _secrets(file.name + _unpacked(file))


def test_the_audit_says_that_text_is_burned_in_and_names_nobody(dicom: Any, saved: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for number in range(24):
        values = noise.integers(0, 4096, (64, 64), dtype=np.uint16)
        burned = {"BurnedInAnnotation": "YES"} if number < 3 else {"BurnedInAnnotation": "NO"}
        burned = {"Modality": "OT"} if number == 20 else burned
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = dicom(values, uid=f"1.2.840.777.{number}", SeriesInstanceUID=f"1.2.840.777.9.{number}", **burned)
            data.PatientName, data.PatientID = CANARY, f"{CANARY}{number}"
            saved(data, f"set/{'ab'[number % 2]}/IM{number:02d}.dcm")
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "set"), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    flat = " ".join(done.stdout.split())
    assert "3 images say that text is burned into the picture (BurnedInAnnotation)" in flat
    assert "1 image does not say whether text is burned into the picture" in flat
    assert not _secrets(done.output)
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or not _secrets(file.name + _unpacked(file))


def _unpacked(file: Path) -> str:
    if file.suffix != ".npz":
        return file.read_bytes().decode("latin-1")
    with np.load(file, allow_pickle=False) as arrays:
        return file.read_bytes().decode("latin-1") + "".join(
            str(arrays[name].tolist()) if arrays[name].dtype.kind in "US" else arrays[name].tobytes().decode("latin-1")
            for name in arrays.files
        )
