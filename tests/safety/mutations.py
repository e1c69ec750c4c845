"""Random mutations of a file's bytes, reproducible by seed: what a fuzzer does to a valid file."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], None]

_EDGE = 4096
_BOUNDARIES = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
_TOKENS = (
    (b"true", b"null"), (b"null", b"1e99"), (b"[", b"{"), (b"]", b"}"), (b'"', b"'"), (b":", b","), (b"0", b"9"),
    (b"1", b"-"), (b"3", b"."), (b"F32", b"F64"), (b"F32", b"BF16"), (b"name", b"nama"), (b"/", b".."),
    (b"kernel", b"kernal"),
    (b"float32", b"float99"), (b"Dense", b"Lambd"), (b"relu", b"exec"), (b"same", b"full"), (b"config", b"konfig"),
)  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four mutations of the bytes; in half the cases of an archive, of one member inside it."""
    if rng.random() < 0.5:
        if data[:2] == b"PK":
            return _inside_zip(data, rng)
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(_several(gzip.decompress(data), rng), compresslevel=1, mtime=0)
    return _several(data, rng)


def _several(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(changed) > 8:
            _MUTATIONS[int(rng.integers(len(_MUTATIONS)))](changed, rng)
    return bytes(changed)


def _inside_zip(data: bytes, rng: np.random.Generator) -> bytes:
    """The member is changed and stored with a right checksum, so that the reader behind the archive meets it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    chosen = int(rng.integers(len(members)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for place, (info, content) in enumerate(members):
            archive.writestr(zipfile.ZipInfo(info.filename), _several(content, rng) if place == chosen else content)
    return out.getvalue()


def _place(data: bytearray, rng: np.random.Generator, length: int = 1) -> int:
    """Anywhere, but most often near either end, where formats keep their headers and directories."""
    room = max(1, len(data) - length)
    where = rng.random()
    if where < 0.4:
        return int(rng.integers(min(_EDGE, room)))
    if where < 0.6:
        return room - 1 - int(rng.integers(min(_EDGE, room)))
    return int(rng.integers(room))


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 9))):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _integer(data: bytearray, rng: np.random.Generator) -> None:
    width = int(rng.choice([1, 2, 4, 8]))
    value = _BOUNDARIES[int(rng.integers(len(_BOUNDARIES)))] % 2 ** (8 * width)
    place = _place(data, rng, width)
    order = "little" if rng.random() < 0.7 else "big"
    data[place : place + width] = value.to_bytes(width, order)


def _truncate(data: bytearray, rng: np.random.Generator) -> None:
    del data[_place(data, rng) + 4 :]


def _delete(data: bytearray, rng: np.random.Generator) -> None:
    place = _place(data, rng)
    del data[place : place + int(rng.integers(1, 65))]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    place, length = _place(data, rng), int(rng.integers(1, 257))
    data[place:place] = data[place : place + length] * int(rng.integers(1, 4))


def _copy(data: bytearray, rng: np.random.Generator) -> None:
    length = int(rng.integers(1, 65))
    source, target = _place(data, rng, length), _place(data, rng, length)
    data[target : target + length] = data[source : source + length]


def _noise(data: bytearray, rng: np.random.Generator) -> None:
    place, length = _place(data, rng), int(rng.integers(1, 33))
    data[place : place + length] = rng.bytes(length)


def _token(data: bytearray, rng: np.random.Generator) -> None:
    old, new = _TOKENS[int(rng.integers(len(_TOKENS)))]
    if places := data.count(old):
        place = -1
        for _ in range(int(rng.integers(1, min(places, 40) + 1))):
            place = data.find(old, place + 1)
        data[place : place + len(old)] = new


_MUTATIONS: tuple[Mutation, ...] = (
    _flip, _flip, _integer, _integer, _truncate, _delete, _repeat, _copy, _noise, _token, _token,
)  # fmt: skip
