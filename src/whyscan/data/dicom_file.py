"""A DICOM file opened: told by its content, parsed without a word, and never quoted.

Warnings, log lines and exceptions of a parser quote what they stumble over, and that may be a patient's name. So
everything that touches a data set runs inside `quiet`, and errors say what kind of thing was wrong, not its value.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whyscan.errors import BadInput, BadScan

ENDINGS = frozenset({".dcm", ".dicom", ".ima"})
MODALITIES = frozenset({
    "BI", "CR", "CT", "DX", "ES", "GM", "IO", "IVUS", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "PX", "RF", "RG", "SC",
    "SM", "TG", "US", "XA", "XC",
})  # fmt: skip
LARGEST_INFLATED = 1 << 28

_DEFLATED = "1.2.840.10008.1.2.1.99"
_lock = threading.RLock()  # warning filters belong to the whole process


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is said about a data set gets out: no warning, no log line. One thread at a time."""
    logger = logging.getLogger("pydicom")
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logger.disabled
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = before


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a parser raises about `path` becomes a BadScan that quotes nothing, and nothing else is said."""
    with quiet():
        try:
            yield
        except BadInput:
            raise
        except (Exception, RecursionError) as error:  # damaged files make parsers raise nearly anything
            problem = type(error).__name__
        else:
            return
    raise damaged(path, problem) from None  # the parser's own error may quote the patient: no traceback shows it


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: "DICM" after 128 bytes, or the first group of a data set without that."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:132] == b"DICM" or _bare(head)


def _bare(head: bytes) -> bool:
    """No preamble: the file begins with an element of group 2 or 8, explicit or implicit, little endian."""
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6] in (b"UL", b"UI", b"CS", b"SH", b"DA", b"TM", b"LO", b"OB", b"ST", b"DT")
    return explicit or (head[2] <= 0x18 and struct.unpack("<I", head[4:8])[0] <= 1024)


def looks_dicom(path: Path) -> bool:
    """Whether a file of a folder is taken for DICOM: by its ending, or without a (wordy) ending, by its content."""
    suffix = path.suffix.lower()
    if suffix in ENDINGS:
        return path.is_file()
    return (not suffix or suffix[1:].isdecimal()) and is_dicom(path)


def parsed(path: Path, *, pixels: bool = True) -> Any:
    """The file's data set; call it inside `reading`. `pixels=False` stops before them.

    Raises:
        BadScan: it is not DICOM, or inflates beyond 256 MB.
    """
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not path.is_file():
        raise BadScan(f"{path.name} is missing, or is no file", "a DICOM file", "check the path")
    if not is_dicom(path):
        raise BadScan(f"{path.name} is not DICOM", "a DICOM file", "check the file, or leave it out")
    stop = not pixels
    with path.open("rb") as file:
        _check_inflation(path, file.read())
    data = pydicom.dcmread(path, force=True, stop_before_pixels=stop, defer_size=None)
    if not hasattr(data, "file_meta"):
        data.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in data.file_meta:
        implicit = data.original_encoding[0]
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return data


def _check_inflation(path: Path, content: bytes) -> None:
    """A deflated file may inflate a thousandfold; it is inflated here in small pieces first."""
    if _DEFLATED.encode() not in content[:2048]:
        return
    start = _after_meta(content)
    inflater, left, total = zlib.decompressobj(-zlib.MAX_WBITS), content[start:], 0
    while left and not inflater.eof:
        total += len(inflater.decompress(left, 1 << 20))
        left = inflater.unconsumed_tail
        if total > LARGEST_INFLATED:
            raise BadScan(
                f"{path.name} inflates to more than {LARGEST_INFLATED >> 20} MB", "a file of a usual size",
                "save it without deflation, or leave it out",
            )  # fmt: skip


def _after_meta(content: bytes) -> int:
    """Where group 2 ends, by its own group length (its first element, 12 bytes long)."""
    start = 132 if content[128:132] == b"DICM" else 0
    return start + 12 + int(struct.unpack("<I", content[start + 8 : start + 12])[0])


def damaged(path: Path, problem: str) -> BadScan:
    """The error for a file that a parser gave up on; `problem` is a kind of error, never a value."""
    return BadScan(
        f"{path.name} is a damaged or truncated DICOM file ({problem})", "a whole DICOM image",
        "copy the file again from where it came from",
    )  # fmt: skip


def short_hash(identity: Any, length: int = 12) -> str:
    """The first hex digits of the SHA-256 of a UID or an id: the same for the same one."""
    return hashlib.sha256(str(identity).strip().encode("utf-8", "backslashreplace")).hexdigest()[:length]


def modality(data: Any) -> str:
    """The file's modality where it is one of the standard's, in small letters; "image" for anything else."""
    found = str(data.get("Modality", "")).strip().upper()
    return found.lower() if found in MODALITIES else "image"


def pseudonym(data: Any) -> str | None:
    """The same short hash for all files of one patient id; None where the file has none."""
    found = str(data.get("PatientID", "") or "").strip()
    return f"patient-{short_hash(found)}" if found else None
