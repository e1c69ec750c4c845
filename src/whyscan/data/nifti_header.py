"""What the header of a NIfTI file says, checked before anything is allocated by it. nibabel reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from whyscan.errors import BadScan

KIND = "a NIfTI volume (.nii, .nii.gz, or .hdr with its .img)"
LARGEST_VOLUME = 1 << 29
"""Bytes of one volume as it is stored."""

# What is refused by name; every other number that is not in `_TYPES` is refused as unknown.
_NOT_GREY = {
    1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floats", 1792: "complex numbers",
    2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Header:
    """What a NIfTI file says of its values.

    Attributes:
        path: the file with the values (of a pair, the .img).
        name: what an error calls it.
        shape: (a, b, c) of one volume, along the file's own axes.
        volumes: how many there are.
        type: of the values, with its byte order.
        start: where the first volume begins, in bytes.
        slope, inter: value = slope x stored + inter; (1, 0) where the file does not say.
        affine: (4, 4): the file's own indices -> millimetres, RAS+; sform before qform.
        window: (cal_min, cal_max) where the file has one.
        notes: what is odd about it.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    volumes: int
    type: np.dtype
    start: int
    slope: float
    inter: float
    affine: Float64[np.ndarray, "4 4"]
    window: tuple[float, float] | None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of one volume."""
        return math.prod(self.shape) * self.type.itemsize


def check_header(path: Path, head: bytes, version: int, order: str, *, single: bool) -> Header:
    """The header in the first bytes of a file; `path` is that of the values, unless it has to be found beside.

    Args:
        head: at least 348 bytes (version 1) or 540 (version 2).
        order: "<" or ">".
        single: whether the values are in the same file.

    Raises:
        BadScan: what it says is impossible, is no grey volume, lies nowhere in space, or is too large.
    """
    with parsing(path.name):
        return _checked(path, head, version, order, single)
    raise AssertionError("parsing raises, or the block returns")


def _checked(path: Path, head: bytes, version: int, order: str, single: bool) -> Header:
    import nibabel

    kind, length = (nibabel.Nifti1Header, 348) if version == 1 else (nibabel.Nifti2Header, 540)
    header = kind(head[:length], endianness=order, check=False)  # type: ignore[no-untyped-call]
    shape, volumes = _shape(header, path.name)
    kind_of = _type(header, path.name, order)
    if math.prod(shape) * kind_of.itemsize > LARGEST_VOLUME:
        raise BadScan(
            f"{path.name} says that a volume of it is {' x '.join(map(str, shape))} values",
            f"at most {LARGEST_VOLUME >> 20} MB a volume", "cut the region of interest out of it",
        )  # fmt: skip
    slope, inter = _scaling(header, path.name)
    start = float(header["vox_offset"])
    if not (math.isfinite(start) and 0 <= start <= LARGEST_VOLUME):
        raise damaged(path.name, "its values begin nowhere")
    affine, notes = _affine(header, path.name)
    low, high = float(header["cal_min"]), float(header["cal_max"])
    window = (low, high) if math.isfinite(low) and math.isfinite(high) and high > low else None
    begin = max(int(start), length + 4) if single else int(start)  # some writers leave 0 for a single file
    values = path if single else _image_of(path)
    return Header(values, path.name, shape, volumes, kind_of, begin, slope, inter, affine, window, notes)


def _image_of(home: Path) -> Path:
    for ending in (".img", ".IMG"):
        if home.with_suffix(ending).is_file():
            return home.with_suffix(ending)
    raise BadScan(f"{home.name} is half of a pair: its .img is missing", KIND, "put the .img beside it")


def _shape(header: Any, name: str) -> tuple[tuple[int, int, int], int]:
    """((a, b, c), volumes)."""
    count = int(header["dim"][0])
    sides = [int(side) for side in header["dim"][1 : count + 1]] if 1 <= count <= 7 else []
    if not sides or min(sides) < 1:
        raise damaged(name, "its dimensions are impossible")
    while len(sides) > 3 and sides[-1] == 1:
        sides.pop()
    if not 2 <= len(sides) <= 4:
        raise BadScan(
            f"{name} has {len(sides)} dimensions ({' x '.join(map(str, sides))})", "three, or four with time",
            "save one of its volumes as a file of its own",
        )  # fmt: skip
    sides += [1] * (4 - len(sides))
    return (sides[0], sides[1], sides[2]), sides[3]


def _type(header: Any, name: str, order: str) -> np.dtype:
    code = int(header["datatype"])
    if code not in _TYPES:
        what = _NOT_GREY.get(code, f"values of the unknown type {code}")
        raise BadScan(f"{name} holds {what}", "grey values: whole numbers or floats", "convert it to one grey channel")
    return np.dtype(order + _TYPES[code])


def _scaling(header: Any, name: str) -> tuple[float, float]:
    """(slope, intercept). A slope of 0 means none (NIfTI-1 standard), and so does NaN, which many programs write."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise BadScan(
            f"{name} has a rescaling that is no number", "a finite slope and intercept", "export the volume again"
        )
    return slope, inter


def _affine(header: Any, name: str) -> tuple[Float64[np.ndarray, "4 4"], tuple[str, ...]]:
    """(affine, what to say). Sform before qform, as nibabel has it."""
    sform, qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    with np.errstate(all="ignore"):
        found = np.array(header.get_best_affine(), np.float64)
        volume = abs(float(np.linalg.det(found[:3, :3]))) if np.isfinite(found).all() else 0.0
        sides = np.linalg.norm(found[:3, :3], axis=0)
        flat = not np.isfinite(sides).all() or not sides.all() or volume < 1e-6 * float(np.prod(sides))
    if flat or not np.abs(found).max() < 1e7:
        raise BadScan(
            f"{name} has {'an sform' if sform else 'a qform' if qform else 'voxel sizes'} that leads nowhere in space",
            "an affine of finite, independent directions", "export the volume again",
        )  # fmt: skip
    notes = []
    if not (sform or qform):
        notes.append(
            "WARNING: the header does not say how the volume lies; the first axis is taken to run from right to left, "
            "the second from back to front, the third upwards"
        )
    elif sform and qform and not _agree(header, found):
        notes.append("sform and qform of the header disagree: the sform is used")
    return found, tuple(notes)


def _agree(header: Any, sform: Float64[np.ndarray, "4 4"]) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.allclose(header.get_qform(), sform, atol=0.05))
    except Exception:  # a qform that is no rotation; nobody uses it here
        return True


@contextmanager
def parsing(name: str) -> Iterator[None]:
    """Whatever a parser raises becomes a BadScan."""
    try:
        yield
    except BadScan:
        raise
    except Exception as error:  # damaged headers make a parser raise nearly anything
        raise damaged(name, type(error).__name__) from error


def damaged(name: str, problem: str) -> BadScan:
    """The error for a file that no parser gets through."""
    return BadScan(
        f"{name} is a damaged or truncated NIfTI file ({problem})", KIND, "copy the file again from where it came from"
    )
