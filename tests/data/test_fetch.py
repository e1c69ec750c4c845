"""Fetching a data set: from a server that cuts, lies or is not there, and from what somebody has already."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from whyscan.data.datasets import DATASETS, Dataset, Part
from whyscan.data.fetch import digest_of, fetch
from whyscan.errors import BadData, BadInput


@dataclass
class Server:
    """What it sends, how many bytes of the first answer it gives, and what it was asked."""

    content: bytes
    cut: int | None = None
    ranges: bool = True
    chunked: bool = False
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def serve() -> Iterator:
    running = []

    def start(content: bytes, **how) -> Server:
        mine = Server(content, **how)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range") or ""
                mine.asked.append(wanted)
                match = re.fullmatch(r"bytes=(\d+)-", wanted) if mine.ranges else None
                body = mine.content[int(match.group(1)) :] if match else mine.content
                self.send_response(206 if match else 200)
                cut, mine.cut = mine.cut, None
                sent, self.close_connection = body if cut is None else body[:cut], True
                if mine.chunked:  # as GitHub sends an archive that it makes while it sends it
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(sent), 300):
                        piece = sent[start : start + 300]
                        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.write(b"" if cut else b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(sent)

            def log_message(self, *_args) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        mine.address = f"http://127.0.0.1:{server.server_port}/set.zip"
        return mine

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "published"
    for part in ("Training/a", "Testing/b"):
        (root / part).mkdir(parents=True)
        for number in range(3):
            (root / part / f"{number}.jpg").write_bytes(f"{part} {number}".encode() * 400)
    return root


@pytest.fixture
def known(folder: Path) -> Dataset:
    parts = {part: Part(3, digest_of(folder / part)) for part in ("Training/a", "Testing/b")}
    return Dataset("a test", ("http://127.0.0.1:9/none.zip",), parts, "a note")


def zipped(folder: Path, top: str = "repo-master/") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(f"{top}README.md", "not part of the set")
        for path in sorted(folder.rglob("*.jpg")):
            archive.writestr(top + path.relative_to(folder).as_posix(), path.read_bytes())
    return held.getvalue()


def same(one: Path, other: Path) -> bool:
    files = [sorted(each.relative_to(root) for each in root.rglob("*.*")) for root in (one, other)]
    return files[0] == files[1] and all((one / each).read_bytes() == (other / each).read_bytes() for each in files[0])


def leftovers(tmp_path: Path) -> list[Path]:
    return [each for each in tmp_path.iterdir() if ".part" in each.name]


def test_a_download_is_checked_and_laid_in_its_place(serve, folder: Path, known: Dataset, tmp_path: Path) -> None:
    server = serve(zipped(folder))
    found = fetch("x", tmp_path / "out", mirrors=[server.address], dataset=known)
    assert found["scans"] == 6 and found["from"] == server.address and found["note"] == "a note"
    assert same(folder, tmp_path / "out")
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on(
    ranges: bool, chunked: bool, serve, folder: Path, known: Dataset, tmp_path: Path
) -> None:
    server = serve(zipped(folder), cut=500, ranges=ranges, chunked=chunked)
    fetch("x", tmp_path / "out", mirrors=[server.address], dataset=known)
    assert server.asked == ["", "bytes=500-"]
    assert same(folder, tmp_path / "out")


def test_what_came_is_kept_for_the_next_call(serve, folder: Path, known: Dataset, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("whyscan.data.fetch.TRIES", 1)
    server = serve(zipped(folder), cut=700)
    with pytest.raises(BadData, match="cut off after 700"):
        fetch("x", tmp_path / "out", mirrors=[server.address], dataset=known)
    assert not (tmp_path / "out").exists()
    fetch("x", tmp_path / "out", mirrors=[server.address], dataset=known)
    assert server.asked[-1] == "bytes=700-"
    assert same(folder, tmp_path / "out")


def test_the_second_mirror_is_asked_when_the_first_is_not_there(
    serve, folder: Path, known: Dataset, tmp_path: Path
) -> None:
    server = serve(zipped(folder))
    found = fetch("x", tmp_path / "out", mirrors=[*known.mirrors, server.address], dataset=known)
    assert found["from"] == server.address


def test_the_second_mirror_is_asked_when_the_first_has_something_else(
    serve, folder: Path, known: Dataset, tmp_path: Path
) -> None:
    wrong, right = serve(b"<html>come back later</html>"), serve(zipped(folder))
    found = fetch("x", tmp_path / "out", mirrors=[wrong.address, right.address], dataset=known)
    assert found["from"] == right.address
    assert not leftovers(tmp_path)


def test_no_network_is_said_with_the_way_round_it(known: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="--from"):
        fetch("x", tmp_path / "out", dataset=known)


def test_other_files_than_the_published_are_refused_and_nothing_is_left(
    serve, folder: Path, known: Dataset, tmp_path: Path
) -> None:
    (folder / "Testing" / "b" / "1.jpg").write_bytes(b"another picture")
    server = serve(zipped(folder))
    with pytest.raises(BadData, match="Testing/b are not those"):
        fetch("x", tmp_path / "out", mirrors=[server.address], dataset=known)
    assert not (tmp_path / "out").exists() and not leftovers(tmp_path)


@pytest.mark.parametrize("top", ["", "repo-master/"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_somebody_has_already(form: str, top: str, folder: Path, known: Dataset, tmp_path: Path) -> None:
    given = folder
    if form == "zip":
        given = tmp_path / "have.zip"
        given.write_bytes(zipped(folder, top))
    elif top:
        folder.rename(tmp_path / "x")
        (tmp_path / "published").mkdir()
        (tmp_path / "x").rename(given / top)
    before = sorted(given.rglob("*")) if given.is_dir() else given.read_bytes()
    fetch("x", tmp_path / "out", given=given, dataset=known)
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 6
    assert before == (sorted(given.rglob("*")) if given.is_dir() else given.read_bytes())


def test_masks_come_along(folder: Path, known: Dataset, tmp_path: Path) -> None:
    (folder / "masks" / "Training" / "a").mkdir(parents=True)
    (folder / "masks" / "Training" / "a" / "0.png").write_bytes(b"mask")
    assert fetch("x", tmp_path / "out", given=folder, dataset=known)["masks"] == 1
    assert (tmp_path / "out" / "masks" / "Training" / "a" / "0.png").read_bytes() == b"mask"


@pytest.mark.parametrize(
    ("name", "said"), [("../evil.jpg", "leads out"), ("/evil.jpg", "leads out"), ("C:/evil.jpg", "leads out")]
)
def test_an_archive_that_leads_out_is_refused(name: str, said: str, known: Dataset, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BadData, match=said):
        fetch("x", tmp_path / "out", given=tmp_path / "bad.zip", dataset=known)
    assert not list(tmp_path.rglob("evil.jpg"))


def test_wrong_names_and_places_are_refused(folder: Path, known: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="brain-tumor-mri"):
        fetch("x", tmp_path / "out")
    with pytest.raises(BadInput, match="does not exist"):
        fetch("x", tmp_path / "out", given=tmp_path / "nowhere", dataset=known)
    with pytest.raises(BadData, match="holds something"):
        fetch("x", folder, given=folder, dataset=known)
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(BadData, match="damaged or no zip"):
        fetch("x", tmp_path / "out", given=tmp_path / "no.zip", dataset=known)


@pytest.mark.real
def test_the_published_set_is_recognised(shared: Path) -> None:
    known = DATASETS["brain-tumor-mri"]
    for name, part in known.parts.items():
        folder = shared / "data" / "brain-tumor-mri" / name
        assert (len(list(folder.iterdir())), digest_of(folder)) == (part.files, part.digest)
