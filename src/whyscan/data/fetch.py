"""Fetch a published data set: resumable, from mirrors, and proved to be whole before it is laid in place."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from whyscan.data.archives import check_members
from whyscan.data.datasets import DATASETS, Dataset
from whyscan.errors import BadData, BadInput
from whyscan.progress import Progress, quiet
from whyscan.records import files

PATIENCE_S = 20.0
TRIES = 3
"""How often a download that was cut goes on before the next mirror is asked."""
_CHUNK = 1 << 20
_MOST_BYTES = 8 * 2**30


def fetch(
    name: str,
    out: Path,
    *,
    given: Path | None = None,
    mirrors: Sequence[str] | None = None,
    dataset: Dataset | None = None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Bring a data set into `out`.

    It is downloaded to a file beside `out`, where a cut download goes on, unpacked there, checked folder by folder, and
    only then takes its place. Files that are not part of the set are left out; masks of a given folder come along.

    Args:
        name: of `DATASETS`.
        out: a folder that does not exist yet, or is empty.
        given: a folder or a zip archive that was downloaded already, instead of the network.
        mirrors: addresses instead of the set's own.
        dataset: one that is not in the table.

    Returns:
        {"data", "scans", "masks", "from", "note"}.

    Raises:
        BadInput: an unknown name, or nothing at `given`.
        BadData: `out` holds something, no mirror answered, or what came is not the data set.
        BadRun: the disk is full or may not be written to.
    """
    known = dataset or _known(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadData(f"{out} holds something already", "a new or empty folder", "choose another --out")
    if given is not None and not given.exists():
        raise BadInput(f"{given} does not exist", "a folder or a zip archive of the data set", "check the path")
    if given is None:
        counts, where = _from_mirrors(mirrors or known.mirrors, known, out, progress)
    else:
        counts, where = _place(given, known, out, progress), "what was given"
    return {"data": str(out), **counts, "from": where, "note": known.note}


def _known(name: str) -> Dataset:
    if name not in DATASETS:
        raise BadInput(f"the data set {name!r}", f"one of {', '.join(DATASETS)}", "name one of these")
    return DATASETS[name]


def _from_mirrors(mirrors: Sequence[str], known: Dataset, out: Path, progress: Progress) -> tuple[dict[str, int], str]:
    """Laid in its place from the first mirror that sends the whole data set, and which that was."""
    said = []
    for address in mirrors:
        # a file for each mirror: half of one server's archive and half of another's need not fit
        part = out.with_name(f".{out.name}.{hashlib.sha256(address.encode()).hexdigest()[:8]}.zip.part")
        if why := _download(address, part, progress):
            said.append(f"{address}: {why}")
            continue
        try:
            return _place(part, known, out, progress), address
        except BadData as error:
            said.append(f"{address}: {error.came}")
        finally:
            part.unlink(missing_ok=True)  # a wrong one would be taken for half of a right one the next time
    raise BadData(
        f"no mirror sent the data set ({'; '.join(said)})", "a network, and the data set as it was published",
        "try again (half of a download is kept), or download it elsewhere and give it with --from",
    )  # fmt: skip


def _download(address: str, part: Path, progress: Progress) -> str:
    """The whole archive into `part`; or why it did not come, what came being kept."""
    why = ""
    for _ in range(TRIES):
        try:
            _get(address, part, progress)
        except _Cut as cut:
            why = str(cut)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ValueError) as error:
            return str(getattr(error, "reason", error) or type(error).__name__)
        except OSError as error:
            raise files.unwritable(part, error) from error
        else:
            return ""
    return why


class _Cut(Exception):
    """The server stopped before the end; what came is kept."""


def _get(address: str, part: Path, progress: Progress) -> None:
    """Download, going on where an earlier try stopped; a server that cannot do so starts again."""
    part.parent.mkdir(parents=True, exist_ok=True)
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and there:  # nothing is left to send
            return
        raise
    with answer:
        goes_on = answer.status == 206
        total = int(answer.headers.get("Content-Length") or 0) + (there if goes_on else 0)
        done = there if goes_on else 0
        more: bool | None = True
        with part.open("ab" if goes_on else "wb") as file:
            while more:
                chunk, more = _next(answer)
                file.write(chunk)
                done += len(chunk)
                progress("downloading (bytes)", min(done, max(total - 1, 0)), total or done + 1)
    if more is None or done < total:
        raise _Cut(f"cut off after {done} of {total or 'unknown'} bytes")
    progress("downloading (bytes)", done, done)


def _next(answer: Any) -> tuple[bytes, bool | None]:
    """Some bytes, and whether more may follow; None where the connection ended before the answer did.

    An answer in chunks, which does not say how long it is, tells it by its last chunk; one with a length says nothing.
    """
    try:
        chunk = bytes(answer.read(_CHUNK))
    except http.client.IncompleteRead as error:
        return error.partial, None
    except ConnectionError:
        return b"", None
    return chunk, bool(chunk)


def _place(given: Path, known: Dataset, out: Path, progress: Progress) -> dict[str, int]:
    """Copy what belongs to the set beside `out`, check it, and lay it in its place."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part"))
        try:
            masks = _copy(given, known, part, progress) if given.is_dir() else _unpack(given, known, part, progress)
            for folder, wanted in known.parts.items():
                _check(part / folder, folder, wanted.files, wanted.digest)
            part.chmod((part / next(iter(known.parts))).stat().st_mode & 0o777)  # mkdtemp makes a private folder
            part.replace(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise files.unwritable(out, error) from error
    return {"scans": sum(each.files for each in known.parts.values()), "masks": masks}


def _copy(given: Path, known: Dataset, part: Path, progress: Progress) -> int:
    root = next((each for each in (given, *sorted(given.iterdir())) if (each / next(iter(known.parts))).is_dir()), None)
    if root is None:
        raise _wrong(f"{given.name} has no folder {next(iter(known.parts))}")
    for done, folder in enumerate(known.parts):
        progress("copying", done, len(known.parts))
        if not (root / folder).is_dir():
            raise _wrong(f"{given.name} has no folder {folder}")
        shutil.copytree(root / folder, part / folder)
    progress("copying", len(known.parts), len(known.parts))
    if not (root / "masks").is_dir():
        return 0
    shutil.copytree(root / "masks", part / "masks")
    return sum(1 for each in (part / "masks").rglob("*.png"))


def _unpack(archive: Path, known: Dataset, part: Path, progress: Progress) -> int:
    """Only the files of the set's folders, wherever in the archive its root is."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [each for each in opened.infolist() if not each.is_dir()]
            check_members(archive, members, lambda how: _wrong(f"{archive.name} {how}"), most=_MOST_BYTES)
            for done, member in enumerate(members):
                progress("unpacking", done, len(members))
                place = _inside(member.filename, known)
                if place is not None:
                    target = part / place
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, target.open("wb") as file:
                        shutil.copyfileobj(source, file, _CHUNK)
            progress("unpacking", len(members), len(members))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise _wrong(f"{archive.name} is damaged or no zip archive ({error or type(error).__name__})") from error
    return 0


def _inside(name: str, known: Dataset) -> str | None:
    """Where a member belongs, or None of one that is not the set's."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for start in range(min(2, len(parts))):
        folder = "/".join(parts[start:-1])
        if folder in known.parts:
            return "/".join(parts[start:])
    return None


def _check(folder: Path, name: str, count: int, digest: str) -> None:
    if not folder.is_dir():
        raise _wrong(f"the folder {name} is missing")
    found = sorted(folder.iterdir())
    if len(found) != count:
        raise _wrong(f"the folder {name} holds {len(found)} files and should hold {count}")
    if digest_of(folder) != digest:
        raise _wrong(f"the files of {name} are not those that were published")


def digest_of(folder: Path) -> str:
    """SHA-256 of the lines "<SHA-256 of the file>  <file's name>" in the order of the names."""
    lines = (f"{files.sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _wrong(how: str) -> BadData:
    return BadData(how, "the data set as it was published", "download it again, from another mirror if need be")
