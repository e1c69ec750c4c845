"""One DICOM image: every kind of value by hand and beside pydicom; frames, compression, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)  # fmt: skip

from whyscan.data.decode import decode
from whyscan.data.dicom import read_dicom
from whyscan.data.read import read_scan
from whyscan.errors import BadInput, BadScan

RAMP = np.arange(80, dtype=np.uint16).reshape(8, 10)
WIDE = {"WindowCenter": 128, "WindowWidth": 256}


def test_a_window_by_hand(dicom: Any, saved: Any) -> None:
    scan = read_dicom(saved(dicom(RAMP, **WIDE)))
    assert np.allclose(scan.pixels[0], RAMP / 255)
    assert scan.reading == ("window: the file's first of 1 (centre 128, width 256, LINEAR)",)
    assert scan.place is not None and scan.place.affine is None


def test_monochrome1_is_inverted(dicom: Any, saved: Any) -> None:
    scan = read_dicom(saved(dicom(RAMP, PhotometricInterpretation="MONOCHROME1", **WIDE)))
    assert np.allclose(scan.pixels[0], 1 - RAMP / 255)
    assert any("inverted" in said for said in scan.reading)


def test_hounsfield_units(dicom: Any, saved: Any) -> None:
    stored = np.full((8, 8), 1064, np.int16)
    stored[0, 0], stored[0, 1] = 1024, 1104
    file = saved(dicom(stored, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024))
    scan = read_dicom(file, window=(40.5, 81))  # black at 0, white at 80
    assert np.allclose(scan.pixels[0, 0, :3], [0, 1, 0.5])
    assert scan.source.startswith("ct-")
    assert "rescaled: 1 x value -1024" in scan.reading


def test_stored_bits_alone_count(dicom: Any, saved: Any) -> None:
    overlay = RAMP | 0xF000
    data = dicom(overlay, BitsStored=12, **WIDE)
    assert np.allclose(read_dicom(saved(data)).pixels[0], RAMP / 255)
    signed = dicom((RAMP.astype(np.int16) - 40) & 0x0FFF, BitsStored=12, WindowCenter=0.5, WindowWidth=81)
    found = read_dicom(saved(signed)).pixels[0]
    assert np.allclose(found, np.clip((RAMP.astype(float) - 40) / 80 + 0.5, 0, 1))


def test_a_modality_table(dicom: Any, dicom_sequence: Any, saved: Any) -> None:
    table = dicom_sequence(LUTDescriptor=[4, 10, 16], LUTData=_words(0, 100, 200, 255), ModalityLUTType="US")
    scan = read_dicom(saved(dicom(RAMP, ModalityLUTSequence=table, **WIDE)))
    assert np.allclose(scan.pixels[0, 0], 0)
    assert np.allclose(scan.pixels[0, 1, :5], np.array([0, 100, 200, 255, 255]) / 255)


def test_a_voi_table_comes_before_windows(dicom: Any, dicom_sequence: Any, saved: Any) -> None:
    table = dicom_sequence(LUTDescriptor=[3, 5, 8], LUTData=_words(0, 51, 255, 0))
    file = saved(dicom(RAMP, VOILUTSequence=table, **WIDE))
    assert np.allclose(read_dicom(file).pixels[0, 0, 4:8], [0, 0, 0.2, 1])
    assert np.allclose(read_dicom(file, window=0).pixels[0], RAMP / 255)
    with pytest.raises(BadInput, match="'lut'"):
        read_dicom(saved(dicom(RAMP, **WIDE), "b.dcm"), window="lut")


def test_several_windows(dicom: Any, saved: Any) -> None:
    tags = {
        "WindowCenter": [128, 40], "WindowWidth": [256, 80], "VOILUTFunction": "LINEAR_EXACT",
        "WindowCenterWidthExplanation": ["WIDE", "BRAIN"],
    }  # fmt: skip
    file = saved(dicom(RAMP, **tags))
    assert np.allclose(read_dicom(file).pixels[0], RAMP / 256)
    for asked in (1, "brain", (40.5, 81)):
        assert np.allclose(read_dicom(file, window=asked).pixels[0], np.clip(RAMP / 80, 0, 1))
    assert np.allclose(read_dicom(file, window="full").pixels[0], RAMP / 79)
    for asked in (2, -1, "bone"):
        with pytest.raises(BadInput, match="does not have") as caught:
            read_dicom(file, window=asked)
        assert "BRAIN" not in str(caught.value)


def test_without_a_window_the_percentiles(dicom: Any, saved: Any) -> None:
    scan = read_dicom(saved(dicom(RAMP)))
    low, high = np.percentile(RAMP, [0.5, 99.5])
    assert np.allclose(scan.pixels[0], np.clip((RAMP - low) / (high - low), 0, 1), atol=1e-6)
    assert "the file has no window" in scan.reading[0]


@pytest.mark.parametrize("value", [63536, -2000])
def test_padding_is_black_and_not_counted(dicom: Any, saved: Any, value: int) -> None:
    stored = RAMP.astype(np.int16)
    stored[:, 0] = -2000
    data = dicom(stored, PhotometricInterpretation="MONOCHROME1")
    data.add_new("PixelPaddingValue", "US" if value > 0 else "SS", value)
    scan = read_dicom(saved(data))
    assert (scan.pixels[0, :, 0] == 0).all()
    assert scan.pixels[0, 0, 1] == 1 and scan.pixels[0, 4, 5] == pytest.approx(0.44, abs=0.01)
    assert "8 pixels of padding shown as black" in scan.reading


def test_colour(dicom: Any, saved: Any) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    scan = read_dicom(saved(dicom(rgb, Modality="SC", BurnedInAnnotation="NO")))
    assert np.allclose(scan.pixels, np.moveaxis(rgb, -1, 0) / 255)
    grey = np.repeat(rgb[..., :1], 3, axis=-1)
    assert read_dicom(saved(dicom(grey))).pixels.shape == (1, 8, 9)
    with pytest.raises(BadInput, match="colour"):
        read_dicom(saved(dicom(rgb)), window="full")


def test_a_palette(dicom: Any, saved: Any) -> None:
    tags = {f"{c}PaletteColorLookupTableDescriptor": [4, 0, 16] for c in ("Red", "Green", "Blue")}
    tags |= {
        f"{c}PaletteColorLookupTableData": np.array(v, "<u2").tobytes()
        for c, v in (("Red", [0, 65535, 0, 0]), ("Green", [0, 0, 65535, 0]), ("Blue", [0, 0, 0, 65535]))
    }
    stored = np.tile(np.arange(4, dtype=np.uint8), (8, 2))
    scan = read_dicom(saved(dicom(stored, PhotometricInterpretation="PALETTE COLOR", **tags)))
    assert scan.pixels[:, 0, :4].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("annotation", ["YES", None])
def test_text_in_the_picture_is_flagged(dicom: Any, saved: Any, annotation: str | None) -> None:
    scan = read_dicom(saved(dicom(RAMP, Modality="US", BurnedInAnnotation=annotation, **WIDE)))
    assert any("WARNING" in said and "burned into the picture" in said for said in scan.reading)
    quiet = read_dicom(saved(dicom(RAMP, Modality="US", BurnedInAnnotation="NO", **WIDE)))
    assert not any("WARNING" in said for said in quiet.reading)


def test_a_frame_is_chosen_never_guessed(dicom: Any, saved: Any) -> None:
    file = saved(dicom(np.stack([RAMP, RAMP + 100]), **WIDE))
    with pytest.raises(BadScan, match=r"2 frames.*pass frame=0"):
        read_scan(file)
    scan = read_scan(file, frame=1)
    assert np.allclose(scan.pixels[0], (RAMP + 100) / 255)
    assert scan.place is not None and (scan.place.index, scan.place.count, scan.place.frame) == (1, 2, 1)
    with pytest.raises(BadScan, match="frame 2"):
        read_scan(file, frame=2)


def test_enhanced_values_come_from_the_frames_groups(
    dicom: Any, dicom_item: Any, dicom_sequence: Any, saved: Any
) -> None:
    def groups(slope: float, height: float) -> Any:
        return dicom_item(
            PixelValueTransformationSequence=dicom_sequence(RescaleSlope=slope, RescaleIntercept=0),
            FrameVOILUTSequence=dicom_sequence(WindowCenter=128, WindowWidth=256),
            PlanePositionSequence=dicom_sequence(ImagePositionPatient=[1.0, 2.0, height]),
        )

    shared = dicom_item(
        PlaneOrientationSequence=dicom_sequence(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=dicom_sequence(PixelSpacing=[2.0, 3.0], SliceThickness=5),
    )
    data = dicom(np.stack([RAMP, RAMP]))
    data.PerFrameFunctionalGroupsSequence = [groups(1, 10), groups(3, 20)]
    data.SharedFunctionalGroupsSequence = [shared]
    scan = read_dicom(saved(data), frame=1)
    assert np.allclose(scan.pixels[0], np.minimum(RAMP * 3 / 255, 1))
    assert scan.place is not None and scan.place.affine is not None
    expected = [[-3, 0, 0, -1], [0, -2, 0, -2], [0, 0, 5, 20], [0, 0, 0, 1]]
    assert np.allclose(scan.place.affine, expected) and scan.place.plane == "axial"
    assert any("stretched" in said for said in scan.reading)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_plain_encodings(dicom: Any, tmp_path: Path, syntax: Any) -> None:
    data = dicom(RAMP, **WIDE)
    data.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        data.set_original_encoding(False, False)
        data.PixelData = RAMP.astype(">u2").tobytes()
        data["PixelData"].VR = "OW"
    data.save_as(tmp_path / "a", implicit_vr=None, enforce_file_format=True)
    assert np.allclose(read_scan(tmp_path / "a").pixels[0], RAMP / 255)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed(dicom: Any, saved: Any, syntax: Any) -> None:
    if syntax == JPEG2000Lossless:
        pytest.importorskip("openjpeg", reason="pylibjpeg-openjpeg is not installed")
    if syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls", reason="pyjpegls, which writes JPEG-LS, is not installed")
    values = np.random.default_rng(1).integers(0, 4096, (2, 64, 80), dtype=np.uint16)
    data = dicom(values, BitsStored=12, WindowCenter=2048, WindowWidth=4096)
    data.compress(syntax, generate_instance_uid=False)
    assert np.allclose(read_dicom(saved(data), frame=1).pixels[0], values[1] / 4095, atol=1e-6)


def test_a_missing_decoder_is_named(dicom: Any, saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import Decoder

    data = dicom(RAMP, **WIDE)
    data.compress(RLELossless, generate_instance_uid=False)
    file = saved(data)
    monkeypatch.setattr(Decoder, "is_available", False)
    with pytest.raises(BadScan, match=r"RLE Lossless.*pip install 'whyscan\[dicom\]'"):
        read_dicom(file)


def test_without_preamble_and_ending(dicom: Any, tmp_path: Path) -> None:
    data = dicom(RAMP, **WIDE)
    del data.file_meta, data.preamble
    for name, implicit in (("explicit", False), ("implicit.png", True)):
        data.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True)
        assert np.allclose(read_scan(tmp_path / name).pixels[0], RAMP / 255)


def test_what_is_no_image(dicom: Any, saved: Any, tmp_path: Path) -> None:
    report = dicom(RAMP, Rows=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    with pytest.raises(BadScan, match=r"no image \(Comprehensive SR Storage\)"):
        read_dicom(saved(report))
    with pytest.raises(BadScan, match="a segmentation"):
        read_dicom(saved(dicom(RAMP, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")))
    empty = dicom(RAMP)
    del empty.PixelData
    with pytest.raises(BadScan, match="no pixel data"):
        read_dicom(saved(empty))
    short = dicom(RAMP)
    short.PixelData = short.PixelData[:40]
    with pytest.raises(BadScan, match="damaged or truncated"):
        read_dicom(saved(short))
    with pytest.raises(BadScan, match="slope of 0"):
        read_dicom(saved(dicom(RAMP, RescaleSlope=0, RescaleIntercept=0)))
    with pytest.raises(BadScan, match="no rule"):
        read_dicom(saved(dicom(RAMP, PhotometricInterpretation="DOE JANE")))
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BadScan, match="not DICOM"):
        read_dicom(tmp_path / "text")
    with pytest.raises(BadScan, match="missing"):
        read_dicom(tmp_path / "none")


def test_a_deflated_bomb(dicom: Any, saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(np.zeros((2000, 1000), np.uint16))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    monkeypatch.setattr("whyscan.data.dicom_file.LARGEST_INFLATED", 1 << 20)
    with pytest.raises(BadScan, match="inflates to more than 1 MB"):
        read_dicom(saved(data))


def test_in_a_data_set(dicom: Any, saved: Any) -> None:
    file = saved(dicom(RAMP, PatientID="7", **WIDE))
    decoded, scan = decode(file), read_scan(file)
    assert np.allclose(decoded.values / decoded.peak, scan.pixels[0], atol=1e-5)
    assert (decoded.content, decoded.format) == (scan.content, "DICOM")
    assert read_scan(file, window="full").content == scan.content
    assert scan.patient == read_scan(file, source="b").patient != "7"
    assert read_scan(file, patient="p1", label="x").patient == "p1"
    with pytest.raises(BadInput, match="a window for"):
        read_scan(_png(file.with_name("c.png")), window="full")


def _words(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


def _png(path: Path) -> Path:
    from PIL import Image

    Image.fromarray(RAMP.astype(np.uint8)).save(path)
    return path


@given(
    data=st.data(), signed=st.booleans(), slope=st.sampled_from([1, 0.5, 2.25]), offset=st.integers(-1024, 100),
    centre=st.integers(-50, 300), width=st.integers(2, 600),
    function=st.sampled_from([None, "LINEAR_EXACT", "SIGMOID"]),
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_beside_pydicom(
    dicom: Any, saved: Any, data: Any, signed: bool, slope: float, offset: int, centre: int, width: int, function: Any
) -> None:
    low, high = (-512, 512) if signed else (0, 1023)
    drawn = data.draw(st.lists(st.integers(low, high), min_size=64, max_size=64))
    values = np.array(drawn, np.int16 if signed else np.uint16).reshape(8, 8)
    tags = {"RescaleSlope": slope, "RescaleIntercept": offset, "WindowCenter": centre, "WindowWidth": width}
    made = dicom(values, VOILUTFunction=function, **tags)
    with np.errstate(over="ignore"):
        theirs = apply_voi_lut(apply_modality_lut(values, made), made)
    # pydicom's range of outputs is what the stored bits become after the rescaling
    bottom, top = (-(2**15), 2**15 - 1) if signed else (0, 2**16 - 1)
    bottom, top = bottom * slope + offset, top * slope + offset
    assert np.allclose(read_dicom(saved(made)).pixels[0], (theirs - bottom) / (top - bottom), atol=1e-5)


@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_bytes_are_a_scan_or_badscan(dicom: Any, saved: Any, cuts: list[tuple[float, bytes]]) -> None:
    file = saved(dicom(RAMP, PatientID="7", PatientName="Doe", RescaleSlope=2, RescaleIntercept=1, **WIDE))
    content = bytearray(file.read_bytes())
    for place, junk in cuts:
        start = int(place * (len(content) - 1))
        content[start : start + len(junk)] = junk
    file.write_bytes(content)
    try:
        scan = read_dicom(file)
    except BadScan:
        return
    assert np.isfinite(scan.pixels).all() and scan.pixels.min() >= 0 and scan.pixels.max() <= 1


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated(dicom: Any, saved: Any, keep: float) -> None:
    file = saved(dicom(RAMP, **WIDE))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadScan):
        read_dicom(file)


@pytest.mark.real
def test_a_real_slice(shared: Path, tmp_path: Path) -> None:
    copy = shutil.copy(shared / "data" / "dicom-mr-t1" / "N2D_0210.dcm", tmp_path / "Jane Doe.png")
    scan = read_scan(copy)
    assert scan.shape == (384, 274) and scan.place is not None and scan.place.plane == "axial"
    text = repr(scan)
    assert not any(word in text for word in ("Jane", "Doe", "1966", "Hanke", "1.2.826"))
