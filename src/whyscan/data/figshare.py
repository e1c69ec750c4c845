"""Import the brain-tumour set of Cheng et al. (figshare 1512427): MATLAB files to scans with masks and patients."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from whyscan.data.archives import check_members
from whyscan.data.dicom_window import Asked
from whyscan.data.mat import is_mat, read_mat
from whyscan.errors import BadData, BadInput, BadScan, printable
from whyscan.progress import Progress, quiet
from whyscan.records import files

RECORD, TABLE = "import.jsonl", "scans.csv"
_COLUMNS = ("path", "label", "patient", "mask")
_MOST_BYTES = 16 * 2**30
_LARGEST = 64 * 2**20
"""Bytes of one MATLAB file; those of the set have some 600 kB."""


def import_figshare(folder: Path, out: Path, *, window: Asked = None, progress: Progress = quiet) -> dict[str, Any]:
    """Make a data set of the files of a folder, and of the zip archives in it.

    `out` gets <class>/<name>.png with 8 bit through the stated window, masks/<class>/<name>.png, scans.csv with the
    patients (which `whyscan audit` keeps together), and import.jsonl: for each scan its source's name and SHA-256 and
    how it was windowed. What an earlier call finished is not done again.

    Args:
        folder: of .mat files, or the zip archives that they are published in.
        window: see `read_mat`.

    Returns:
        {"scans": how many, "new": of these made by this call, "failed": [{"file", "error"}], "table": the CSV's path}.

    Raises:
        BadInput: the folder does not exist.
        BadData: nothing in it could be read, an archive is not one, or `out` holds something else.
        BadRun: `out` cannot be written to.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder", "the folder of the .mat files, or of their zips", "check the path")
    if out.exists() and not (out / RECORD).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BadData(f"{out} holds something else", "a new folder, or one that an import began", "choose another")
    known = _known(out)
    failed: list[dict[str, str]] = []
    new = 0
    taken = {entry["path"] for entry in known.values()}
    sources = list(_sources(folder))
    for done, (name, read) in enumerate(sources):
        progress("importing", done, len(sources))
        content = read()
        digest = hashlib.sha256(content).hexdigest()
        if digest in known:
            continue
        try:
            entry = _write(content, name, digest, out, taken, window)
        except BadScan as error:
            failed.append({"file": name, "error": str(error)})
            continue
        known[digest] = entry
        taken.add(entry["path"])
        _append(out / RECORD, entry)
        new += 1
    progress("importing", len(sources), len(sources))
    if not known:
        raise BadData(f"{folder.name} holds no file of the set that can be read", ".mat files, or zips of them",
                      "download the set's zip archives and name their folder")  # fmt: skip
    rows = sorted(known.values(), key=lambda entry: str(entry["path"]))
    files.write_rows(out / TABLE, ({name: row[name] for name in _COLUMNS} for row in rows), _COLUMNS)
    return {"scans": len(known), "new": new, "failed": failed, "table": str(out / TABLE)}


def _known(out: Path) -> dict[str, dict[str, Any]]:
    """By digest, what an earlier call finished; a line cut short by a crash is made again."""
    record = out / RECORD
    found: dict[str, dict[str, Any]] = {}
    for line in record.read_text(encoding="utf-8").splitlines() if record.is_file() else ():
        try:
            entry = json.loads(line)
            whole = all((out / entry[name]).is_file() for name in ("path", "mask"))
            if whole and all(isinstance(entry[name], str) for name in (*_COLUMNS, "sha256")):
                found[entry["sha256"]] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _sources(folder: Path) -> Iterator[tuple[str, Any]]:
    """(name, what reads its bytes) of every MATLAB file, also of those in archives."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith(".")):
        if is_mat(path):
            yield path.relative_to(folder).as_posix(), path.read_bytes
        elif path.suffix.lower() == ".zip":
            for member in _members(path):
                yield f"{path.name}/{member}", lambda path=path, member=member: _unpacked(path, member)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_members(path, members, lambda how: _bad(path, how), most=_MOST_BYTES)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise _bad(path, f"is damaged or no zip archive ({error or type(error).__name__})") from error
    return [each.filename for each in members if each.filename.lower().endswith(".mat") and each.file_size <= _LARGEST]


def _unpacked(path: Path, member: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except Exception as error:  # zipfile and zlib raise a dozen kinds on damaged archives
        raise _bad(path, f"is damaged ({error or type(error).__name__})") from error


def _bad(path: Path, how: str) -> BadData:
    return BadData(f"{path.name} {how}", "a zip archive of the set", "download it again")


def _write(content: bytes, name: str, digest: str, out: Path, taken: set[str], window: Asked) -> dict[str, Any]:
    """Write one scan and its mask, each whole or not at all."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "slice.mat"
        path.write_bytes(content)
        try:
            scan = read_mat(path, window=window)
        except BadScan as error:
            raise BadScan(error.came.replace("slice.mat", name), error.expected, error.mend) from error
    stem = printable(Path(name).stem)
    place, count = f"{scan.label}/{stem}.png", 1
    while place in taken:
        count += 1
        place = f"{scan.label}/{stem}~{count}.png"
    assert scan.region is not None and scan.patient is not None
    mask = f"masks/{place}"
    files.write_bytes(out / mask, _png(Image.fromarray(scan.region)))
    files.write_bytes(out / place, _png(Image.fromarray(scan.thumbnail())))
    return {
        "path": place, "label": scan.label, "patient": pseudonym(scan.patient), "mask": mask, "source": name,
        "sha256": digest, "reading": list(scan.reading),
    }  # fmt: skip


def pseudonym(patient: str) -> str:
    """The same for the same patient, and not the set's own number."""
    return "p" + hashlib.sha256(patient.encode()).hexdigest()[:10]


def _png(image: Image.Image) -> bytes:
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def _append(path: Path, entry: dict[str, Any]) -> None:
    try:
        torn = path.is_file() and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(entry) + "\n")
    except OSError as error:
        raise files.unwritable(path, error) from error
