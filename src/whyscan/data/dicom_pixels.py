"""The stored values of one frame of a DICOM file, decompressed where a decoder is installed; its tables and padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from whyscan.data.decode import LARGEST, SMALLEST
from whyscan.data.dicom_facts import check_image, frames
from whyscan.data.dicom_window import Table
from whyscan.errors import BadScan

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420", "YBR_PARTIAL_422")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def check_frame(data: Any, path: Path, frame: int | None) -> None:
    """Raises BadScan where a frame has to be chosen and is not, or the one that is chosen does not exist."""
    count = frames(data)
    if frame is None and count > 1:
        raise BadScan(
            f"{path.name} has {count} frames", "one frame: it is chosen, never guessed",
            "pass frame=0 (or another; --frame 0), or read its folder as a series",
        )  # fmt: skip
    if frame is not None and not 0 <= frame < count:
        raise BadScan(f"frame {frame} of {path.name}, which has {count}", f"0 to {count - 1}", "choose one of these")


def photometric(data: Any) -> str:
    """How the samples are meant, where the standard knows it, else ""."""
    found = str(data.get("PhotometricInterpretation", "")).strip().upper()
    return found if found in (*GREY, *COLOUR, "PALETTE COLOR") else ""


def stored(data: Any, path: Path, frame: int | None) -> Shaped[np.ndarray, "h w *c"]:
    """The values of one frame as the file stores them, (h, w) or RGB (h, w, 3); call it inside `reading`.

    Raises:
        BadScan: no image, no pixels, an unknown kind of samples, a size that is refused, or no decoder for it.
    """
    from pydicom.pixels.utils import pixel_array

    check_image(data, path.name)
    check_frame(data, path, frame)
    _check_size(data, path)
    if not any(name in data and data[name].value for name in _PIXELS):
        raise BadScan(f"{path.name} has no pixel data", "a DICOM image", "export it with its pixels")
    kind = photometric(data)
    if not kind or int(data.get("SamplesPerPixel", 1)) != (3 if kind in COLOUR else 1):
        raise BadScan(
            f"{path.name} has samples of a kind for which there is no rule",
            "MONOCHROME1, MONOCHROME2, RGB, YBR or PALETTE COLOR", "export it as one of these",
        )  # fmt: skip
    _check_decoder(data, path)
    values = np.asarray(pixel_array(data, index=frame or 0, decoding_plugin=_plugin(data)))
    if values.shape[:2] != (int(data.Rows), int(data.Columns)) or values.ndim not in (2, 3):
        raise BadScan(f"{path.name} decodes to another size than its header says", "a whole image", "export it again")
    return values if values.dtype.kind == "f" else _own_bits(values, data)


def _check_size(data: Any, path: Path) -> None:
    height, width = int(data.Rows), int(data.Columns)
    if not (min(height, width) >= SMALLEST and height * width <= LARGEST):
        raise BadScan(
            f"{path.name} is {width} x {height} pixels",
            f"at least {SMALLEST} x {SMALLEST}, at most {LARGEST // 1_000_000} million pixels",
            "leave the file out, or export the scan at another size",
        )  # fmt: skip


def _check_decoder(data: Any, path: Path) -> None:
    from pydicom._uid_dict import UID_dictionary
    from pydicom.pixels.decoders.base import get_decoder

    syntax = data.file_meta.TransferSyntaxUID
    kind = UID_dictionary.get(str(syntax), ("an unknown compression",))[0]
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise BadScan(
            f"{path.name} is compressed in a way that cannot be read ({kind})",
            "uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000", "export it uncompressed",
        ) from None  # fmt: skip
    if not available:
        raise BadScan(
            f"{path.name} is compressed ({kind}) and no decoder for it is installed", "a decoder",
            "run pip install 'whyscan[dicom]'",
        )  # fmt: skip


def _plugin(data: Any) -> str:
    """The decoder to ask. Damaged JPEG-LS can keep libjpeg busy for ever: CharLS alone is asked where it is there."""
    from pydicom.pixels.decoders.base import get_decoder

    there = get_decoder(data.file_meta.TransferSyntaxUID).available_plugins
    return "pyjpegls" if "pyjpegls" in there else ""


def _own_bits(values: np.ndarray, data: Any) -> np.ndarray:
    """Only the bits that are stored count: others may hold an overlay."""
    allocated, bits = int(data.BitsAllocated), int(data.get("BitsStored", data.BitsAllocated))
    high = int(data.get("HighBit", bits - 1))
    if not 1 <= bits < allocated or not bits - 1 <= high < allocated:
        return values
    low = (values.astype(np.int64) >> (high - bits + 1)) & ((1 << bits) - 1)
    if int(data.get("PixelRepresentation", 0)):
        low = np.where(low >> (bits - 1), low - (1 << bits), low)
    return low.astype(values.dtype)


def padding(values: Shaped[np.ndarray, "h w"], data: Any) -> Bool[np.ndarray, "h w"]:
    """Where the file says that there is no picture: its padding value, or the range up to its limit (C.7.5.1.1.2)."""
    first, last = _signed(data, "PixelPaddingValue"), _signed(data, "PixelPaddingRangeLimit")
    if first is None:
        return np.zeros(values.shape, bool)
    low, high = sorted((first, first if last is None else last))
    return np.asarray((values >= low) & (values <= high))


def _signed(data: Any, keyword: str) -> int | None:
    """A value that may have been written as unsigned while the pixels are signed."""
    if data.get(keyword) is None:
        return None
    found = data[keyword].value
    if isinstance(found, bytes):
        found = int.from_bytes(found[:2], "little")
    found, allocated = int(found), int(data.BitsAllocated)
    wraps = int(data.get("PixelRepresentation", 0)) == 1 and found >= 1 << (allocated - 1)
    return found - (1 << allocated) if wraps else found


def table(item: Any, signed: bool) -> Table:
    """A modality or VOI lookup table (PS3.3 C.11.1.1, C.11.2.1.1)."""
    entries, first, bits = (int(v) for v in item.LUTDescriptor)
    entries = entries or 1 << 16
    first = first - (1 << 16) if signed and first >= 1 << 15 else first
    data = item.LUTData
    if isinstance(data, bytes):
        values = (
            np.frombuffer(data[: len(data) // 2 * 2], "<u2") if len(data) >= 2 * entries else np.frombuffer(data, "u1")
        )
    else:
        values = np.asarray(data)
    values = values[:entries].astype(np.float64)
    if not len(values) or not 1 <= bits <= 16:
        raise ValueError("a lookup table without values")
    return Table(values, first, bits)


def colours(values: Shaped[np.ndarray, "h w *c"], data: Any) -> tuple[Shaped[np.ndarray, "h w 3"], int]:
    """RGB and the value that means 1; palettes are looked up."""
    from pydicom.pixels.processing import apply_color_lut

    if photometric(data) == "PALETTE COLOR":
        values = apply_color_lut(values, data)
        return values, 65535 if values.dtype.itemsize == 2 else 255
    return values, (1 << int(data.get("BitsStored", data.BitsAllocated))) - 1
