"""Decoding: one image file to its values, each kind of file by one stated rule (docs/reference/data.md)."""

from __future__ import annotations

import sys
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from whyscan.data.dicom_file import is_dicom
from whyscan.errors import BadScan

ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"})
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
SMALLEST = 8
LARGEST = 100_000_000
DEPTHS = (8, 10, 12, 14, 16)

_KINDS = "a JPEG, PNG, TIFF, BMP or WebP image, DICOM, NIfTI or MATLAB"
_ORIENTATION = 0x0112
# Changing warning filters is not safe between threads, so only one thread at a time parses a header.
_header_lock = threading.Lock()
# Pillow has no 16-bit RGB and keeps one byte of two; the raw mode of the other byte order keeps the other one.
_LOW_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
# The sum of the luminance table of the JPEG standard (ITU-T T.81, table K.1), which encoders scale by a quality.
_LUMINANCE_SUM = 3688


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a file holds, upright, without alpha or palette.

    Attributes:
        values: (h, w) grey or (h, w, 3) RGB, uint8 or uint16.
        peak: the value that means 1.
        reading: what was done on the way, one sentence each.
        format, mode: the file's format and its colour mode, as Pillow names them.
        quality: the JPEG quality (1-100) its tables amount to, or None for other formats.
        content: the hash of what the file stores, where `values` are no longer that (DICOM); else "".
    """

    values: Shaped[np.ndarray, "h w *c"]
    peak: int
    reading: tuple[str, ...]
    format: str
    mode: str
    quality: float | None
    content: str = ""

    def grey8(self) -> UInt8[np.ndarray, "h w"]:
        """Luma (ITU-R 601) as 8 bit."""
        values = self.values
        if values.dtype != np.uint8:
            values = np.round(values * (255.0 / self.peak)).astype(np.uint8)
        return np.asarray(Image.fromarray(values).convert("L")) if values.ndim == 3 else values


def decode(path: Path, *, frame: int | None = None) -> Decoded:
    """Read one image file.

    Args:
        path: the file.
        frame: which page of a file that has several.

    Raises:
        BadScan: missing, not readable for this user, empty, not an image, damaged, too small, too large, of several
            pages, or of a kind of value that has no stated scale.
    """
    if is_dicom(path):
        from whyscan.data.dicom import decode_dicom

        return decode_dicom(path, frame=frame)
    with _opened(path) as file:
        image = _header(path, file)
        _check_frames(path, image, frame)
        _check_size(path, image.size)
        mode, quality = image.mode, _jpeg_quality(image)
        turned = getattr(image, "tag_v2", {}).get(_ORIENTATION, 1)  # Pillow turns a TIFF by itself, and forgets it
        values, reading = _values(path, file, image, frame)
        if not hasattr(image, "tag_v2"):
            turned = _orientation(path, image)
            values = upright(values, turned)
    if turned in range(2, 9):
        reading.append("turned upright by its EXIF orientation")
    values, peak = _depth(values, reading)
    return Decoded(_one_channel(values), peak, tuple(reading), image.format or "", mode, quality)


def upright(values: Shaped[np.ndarray, "h w *c"], orientation: int) -> Shaped[np.ndarray, "nh nw *c"]:
    """Undo an EXIF orientation (1-8; CIPA DC-008, tag 274). Other values mean upright."""
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(values[rows, columns])


def _opened(path: Path) -> IO[bytes]:
    try:
        return _checked(path).open("rb")
    except OSError as error:
        raise BadScan(
            f"{path.name} cannot be read ({error.strerror or type(error).__name__})", "a file that this user may read",
            "change its permissions, or copy it again",
        ) from error  # fmt: skip


def _checked(path: Path) -> Path:
    if not path.exists():
        raise BadScan(f"{path.name} is missing", _KINDS, "check the path")  # not the path itself: records keep this
    if not path.is_file():
        raise BadScan(f"{path.name} is a folder", _KINDS, "name a file in it, or read the folder with read_scans")
    if path.stat().st_size == 0:
        raise BadScan(f"{path.name} is 0 bytes long", _KINDS, "copy the file again from where it came from")
    return path


def _header(path: Path, file: IO[bytes]) -> ImageFile:
    """Parse the header only; no pixel is decoded yet."""
    try:
        with _header_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file.seek(0)
            return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise BadScan(f"{path.name} is not an image", _KINDS, "convert it to PNG, or leave it out") from None
    except Image.DecompressionBombError:
        raise _giant(path, "more than") from None
    except Exception as error:  # damaged files make Pillow's plugins raise nearly anything
        raise _damaged(path, error) from error


def _check_frames(path: Path, image: Image.Image, frame: int | None) -> None:
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception as error:
        raise _damaged(path, error) from error
    if frame is None and frames > 1:
        raise BadScan(
            f"{path.name} has {frames} pages", "one page: it is chosen, never guessed",
            "pass frame=0 (or another), or save that page as a file of its own",
        )  # fmt: skip
    if frame is not None and not 0 <= frame < frames:
        raise BadScan(f"frame {frame} of {path.name}, which has {frames}", f"0 to {frames - 1}", "choose one of these")


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > LARGEST:
        raise _giant(path, f"{width} x {height} pixels, more than")
    if min(size) < SMALLEST:
        raise BadScan(
            f"{path.name} is {width} x {height} pixels", f"at least {SMALLEST} x {SMALLEST}",
            "leave the file out, or export the scan at its full size",
        )  # fmt: skip


def _values(path: Path, file: IO[bytes], image: ImageFile, frame: int | None) -> tuple[np.ndarray, list[str]]:
    """Decode by the rule of the image's mode: (h, w) or (h, w, 3), not yet scaled."""
    reading: list[str] = []
    try:
        if frame is not None:
            image.seek(frame)
            _check_size(path, image.size)
            reading.append(f"page {frame} of the file")
        raw = _raw_mode(image)
        if raw in _LOW_BYTE:
            return _drop_alpha(_both_bytes(path, file, image, frame), 65535, reading), reading
        if image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.uint16), reading
        if raw == "LA;16B" or image.mode in ("I", "F", "LAB", "HSV"):
            raise BadScan(
                f"{path.name} holds values of the kind {raw or image.mode}, for which there is no rule",
                "8 or 16 bit grey or RGB", "save it as 16-bit grey or RGB, in the window that you mean",
            )  # fmt: skip
        return _eight_bit(image, reading), reading
    except BadScan:
        raise
    except Exception as error:  # as above
        raise _damaged(path, error) from error


def _eight_bit(image: Image.Image, reading: list[str]) -> np.ndarray:
    if image.mode in ("P", "PA"):
        reading.append("palette looked up as RGB")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        return _drop_alpha(np.asarray(image.convert("RGBA")), 255, reading)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode in ("CMYK", "YCbCr"):
        reading.append(f"{image.mode} converted to RGB")
    return np.asarray(image.convert("RGB"))


def _drop_alpha(values: np.ndarray, peak: int, reading: list[str]) -> np.ndarray:
    """Composite on black; a fully opaque alpha changes nothing and is not mentioned."""
    if values.shape[-1] == 3:
        return values
    colour, alpha = values[..., :3], values[..., 3:]
    if bool((alpha == peak).all()):
        return np.ascontiguousarray(colour)
    reading.append("alpha composited on black")
    blended = (colour.astype(np.uint32) * alpha + peak // 2) // peak
    return np.asarray(blended, values.dtype)


def _raw_mode(image: ImageFile) -> str:
    """How the file's bytes are laid out, in Pillow's words: "RGB;16B"; "" where the codec decides."""
    if not image.tile:
        return ""
    arguments = image.tile[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments or "")


def _both_bytes(path: Path, file: IO[bytes], image: ImageFile, frame: int | None) -> np.ndarray:
    """16-bit RGB(A): decode once for the high bytes and once for the low ones."""
    high = np.asarray(image).astype(np.uint16)
    again = _header(path, file)
    if frame is not None:
        again.seek(frame)
    again.tile = [tile._replace(args=_other_byte(tile.args)) for tile in again.tile]
    return np.asarray(high << 8 | np.asarray(again), np.uint16)


def _other_byte(arguments: tuple[Any, ...] | str | None) -> tuple[Any, ...] | str:
    if isinstance(arguments, tuple):
        return (_LOW_BYTE[arguments[0]], *arguments[1:])
    return _LOW_BYTE[str(arguments)]


def _depth(values: np.ndarray, reading: list[str]) -> tuple[np.ndarray, int]:
    """The value that means 1: 2^b - 1, b the smallest usual depth that holds the file's maximum."""
    if values.dtype == np.uint8:
        return values, 255
    maximum = int(values.max())
    bits = next(b for b in DEPTHS if maximum < 2**b)
    reading.append(f"16-bit file read as {bits} bit: {2**bits - 1} is white")
    return (values.astype(np.uint8) if bits == 8 else values), 2**bits - 1


def _one_channel(values: np.ndarray) -> np.ndarray:
    """Three equal channels are one grey channel. No value changes, so nothing is said about it."""
    if values.ndim == 2:
        return values
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    return values


def _orientation(path: Path, image: ImageFile) -> int:
    try:
        with _header_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:  # as above
        raise _damaged(path, error) from error
    return found if isinstance(found, int) else 1


def _jpeg_quality(image: Image.Image) -> float | None:
    """The quality whose scaling of the standard luminance table (IJG, jcparam.c) is nearest to this file's."""
    tables = getattr(image, "quantization", None)
    if image.format != "JPEG" or not tables:
        return None
    scale = 100 * sum(tables[min(tables)]) / _LUMINANCE_SUM
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return float(min(100, max(1, round(quality))))


def _giant(path: Path, how: str) -> BadScan:
    return BadScan(
        f"{path.name} is {how} {LARGEST // 1_000_000} million", f"at most {LARGEST // 1_000_000} million pixels",
        "cut the region of interest out of it, or export it smaller",
    )  # fmt: skip


def _damaged(path: Path, error: Exception) -> BadScan:
    return BadScan(
        f"{path.name} is damaged or truncated ({error or type(error).__name__})", "a whole image file",
        "copy the file again from where it came from",
    )  # fmt: skip
