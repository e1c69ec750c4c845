"""Duplicates: which scans are the same picture, to the last pixel or but for size, brightness and compression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Bool, Float32, Int64, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

CORRELATION = 0.999
HAMMING = 10
_BLOCK = 2**23  # how many numbers of a table of all pairs are held at once


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Scans, by their row.

    Attributes:
        content: (n,) scans of equal pixels have the same number; -1 for scans that could not be read.
        near: (p, 2) pairs of content numbers that are near duplicates, the smaller first.
        group: (n,) the connected groups of both, numbered by first appearance; an unreadable scan is alone.
    """

    content: Int64[np.ndarray, " n"]
    near: Int64[np.ndarray, "p 2"]
    group: Int64[np.ndarray, " n"]

    def copies(self, of: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which scans have exactly the pixels of a chosen one (a chosen one has its own)."""
        return np.isin(self.content, self.content[of & (self.content >= 0)])

    def relatives(self, of: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which scans are in a group with a chosen one."""
        return np.isin(self.group, self.group[of])


def find_duplicates(contents: Sequence[str], thumbnails: UInt8[np.ndarray, "n s s"]) -> Duplicates:
    """Equal hashes are exact duplicates; perceptual hashes nominate near ones and pixel correlation confirms them.

    Args:
        contents: each scan's content hash, "" where it could not be read.
        thumbnails: each scan's grey thumbnail; anything where it could not be read.
    """
    numbers: dict[str, int] = {}
    content = np.array([numbers.setdefault(each, len(numbers)) if each else -1 for each in contents], np.int64)
    first = np.full(len(numbers), -1, np.int64)
    rows = np.nonzero(content >= 0)[0]
    first[content[rows][::-1]] = rows[::-1]
    near = near_pairs(thumbnails[first])
    return Duplicates(content, near, connect(content, near))


def connect(content: Int64[np.ndarray, " n"], pairs: Int64[np.ndarray, "p 2"]) -> Int64[np.ndarray, " n"]:
    """The connected groups of scans that share a number, where `pairs` joins numbers; -1 is shared with nobody."""
    size = int(content.max(initial=-1)) + 1
    _, of_content = connected_components(
        coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size)), directed=False
    )
    group = np.where(content >= 0, of_content[content] if size else 0, -1 - np.arange(len(content)))
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], np.int64)


def near_pairs(thumbnails: UInt8[np.ndarray, "n s s"]) -> Int64[np.ndarray, "p 2"]:
    """Pairs whose hashes differ in at most 10 of 63 bits and whose thumbnails correlate above 0.999."""
    signs = perceptual_hash(thumbnails) * np.float32(2) - 1
    found = [np.empty((0, 2), np.int64)]
    for start, stop in blocks(len(signs), len(signs)):
        differing = (signs.shape[1] - signs[start:stop] @ signs.T) / 2
        rows, columns = np.nonzero(differing <= HAMMING)
        rows += start
        later = columns > rows
        pairs = np.stack([rows[later], columns[later]], axis=1)
        found += [part[correlation(thumbnails, part) > CORRELATION] for part in _pieces(pairs)]
    return np.concatenate(found)


def perceptual_hash(thumbnails: UInt8[np.ndarray, "n s s"]) -> Bool[np.ndarray, "n 63"]:
    """The signs, against their median, of the 63 lowest frequencies of the cosine transform (Zauner 2010, pHash)."""
    hashes = np.empty((len(thumbnails), 63), bool)
    for start, stop in blocks(len(thumbnails), thumbnails[:1].size):
        waves = scipy.fft.dctn(thumbnails[start:stop].astype(np.float32), axes=(1, 2))[:, :8, :8]
        low = waves.reshape(stop - start, 64)[:, 1:]  # without the mean: brightness is not content
        hashes[start:stop] = low > np.median(low, axis=1, keepdims=True)
    return hashes


def correlation(thumbnails: UInt8[np.ndarray, "n s s"], pairs: Int64[np.ndarray, "p 2"]) -> Float32[np.ndarray, " p"]:
    """Pearson's, over the pixels; 0 where one of the two is constant."""
    left, right = standardised(thumbnails[pairs[:, 0]]), standardised(thumbnails[pairs[:, 1]])
    return np.asarray(np.einsum("pk,pk->p", left, right), np.float32)


def standardised(thumbnails: UInt8[np.ndarray, "n s s"]) -> Float32[np.ndarray, "n k"]:
    """Each as a vector of mean 0 and length 1, so that a product of two is their correlation; 0 if constant."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.where(length > 1e-3, length, np.inf), np.float32)


def blocks(n: int, width: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows of a table of n rows and `width` columns, so short that a block fits in memory."""
    step = max(1, _BLOCK // max(1, width))
    return ((start, min(n, start + step)) for start in range(0, n, step))


def _pieces(pairs: Int64[np.ndarray, "p 2"]) -> Iterator[Int64[np.ndarray, "q 2"]]:
    return (pairs[start:stop] for start, stop in blocks(len(pairs), 4096))
