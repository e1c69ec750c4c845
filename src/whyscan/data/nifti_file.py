"""A NIfTI file opened: its header checked before anything is allocated, and one of its volumes read.

nibabel reads the header. The values are read here, from the file or its gzip stream and never by a memory map: a
truncated map kills the process, and an unchecked header decides how much memory is asked for.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from jaxtyping import Shaped

from whyscan.data.nifti_header import KIND, Header, check_header, damaged
from whyscan.errors import BadScan

ENDINGS = (".nii", ".nii.gz", ".hdr")
LARGEST_SKIP = 1 << 33
"""Bytes that may lie before it in a compressed file, all of which have to be inflated."""

_GZIP = b"\x1f\x8b"
_HEAD = 544
_PIECE = 1 << 22


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI: by its ending (.nii, .nii.gz), or by its content; of a pair either file will do."""
    if not path.is_file():
        return False
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return True
    return _magic(_start(_header_file(path))) is not None


def nifti_files(folder: Path) -> list[Path]:
    """The NIfTI files below a folder, sorted; no hidden ones, and of a pair the .hdr only."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.lower().endswith(ENDINGS)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and is_nifti(file)
    )


def stem(path: Path) -> str:
    """The file's name without its endings."""
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def read_header(path: Path) -> Header:
    """The checked header of a file.

    Raises:
        BadScan: missing, empty, not NIfTI, damaged, of more than four dimensions, of a kind of value that is no grey,
            without a usable place in space, or too large (`check_header`).
    """
    _check_there(path)
    home = _header_file(path)
    head = _start(home)
    magic = _magic(head)
    if magic is None:
        old = int.from_bytes(head[:4], "little") == 348 or int.from_bytes(head[:4], "big") == 348
        what = "an Analyze file, which does not say left from right" if old else "not NIfTI, or damaged"
        raise BadScan(f"{path.name} is {what}", KIND, "export the volume again as .nii.gz")
    version, order, single = magic
    return check_header(home, head, version, order, single=single)


def read_values(header: Header, volume: int) -> Shaped[np.ndarray, "a b c"]:
    """The stored values of one volume, not scaled, in this machine's byte order.

    Raises:
        BadScan: the file ends before the values do, or its compression is damaged.
    """
    first = header.start + volume * header.size
    with _parsing_values(header), _unpacked(header.path) as (file, compressed):
        if compressed and first > LARGEST_SKIP:
            raise BadScan(
                f"volume {volume} of {header.name} lies behind {first >> 30} GB of others", "an uncompressed file",
                "gunzip it first, or save that volume as a file of its own",
            )  # fmt: skip
        if not compressed and header.path.stat().st_size < first + header.size:
            raise EOFError
        file.seek(first)
        held = np.empty(header.size, np.uint8)  # touched only as far as the file goes
        _fill(file, held)
        if compressed and volume == header.volumes - 1:
            file.read(1)  # the end of the stream, where its checksum is
    values = held.view(header.type).reshape(header.shape, order="F")
    return values if header.type.isnative else values.astype(header.type.newbyteorder("="))


def _fill(file: IO[bytes], held: np.ndarray) -> None:
    done = 0
    while done < len(held):
        piece = file.read(min(_PIECE, len(held) - done))
        if not piece:
            raise EOFError
        held[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise BadScan(f"{path.name} is missing, or is no file", KIND, "check the path")
    if path.stat().st_size == 0:
        raise BadScan(f"{path.name} is 0 bytes long", KIND, "copy the file again from where it came from")


def _header_file(path: Path) -> Path:
    """Of a pair, the file with the header."""
    beside = path.with_suffix(".HDR" if path.suffix == ".IMG" else ".hdr")
    return beside if path.suffix.lower() == ".img" and beside.is_file() else path


def _start(path: Path) -> bytes:
    """The first bytes, inflated; fewer or none where the file cannot be read so far."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 12)
    except OSError:
        return b""
    if head[:2] != _GZIP:
        return head[:_HEAD]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _magic(head: bytes) -> tuple[int, str, bool] | None:
    """(1 or 2, byte order, whether the values are in the same file), or None for what is no NIfTI header."""
    for order, name in (("<", "little"), (">", "big")):
        size = int.from_bytes(head[:4], name)  # type: ignore[arg-type]
        if size == 348 and head[344:348] in (b"n+1\0", b"ni1\0"):
            return 1, order, head[344:348] == b"n+1\0"
        if size == 540 and len(head) >= 540 and head[4:7] in (b"n+2", b"ni2"):
            return 2, order, head[4:7] == b"n+2"
    return None


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """(the file's bytes, inflated where they are compressed; whether they are)."""
    with path.open("rb") as raw:
        compressed = raw.read(2) == _GZIP
        raw.seek(0)
        if not compressed:
            yield raw, False
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield cast(IO[bytes], file), True


@contextmanager
def _parsing_values(header: Header) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise BadScan(
            f"{header.name} ends before its values do", f"{header.volumes} volumes of {header.size:,} bytes",
            "copy the file again from where it came from",
        ) from None  # fmt: skip
    except (OSError, zlib.error) as error:
        raise damaged(header.name, type(error).__name__) from error
