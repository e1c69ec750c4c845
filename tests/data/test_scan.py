"""Scan: identity and thumbnail."""

from __future__ import annotations

import hashlib

import numpy as np

from whyscan.data.scan import Scan, content_hash


def test_hash_is_of_shape_type_and_values() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert content_hash(values) == hashlib.sha256(b"(3, 4)|u1" + bytes(range(12))).hexdigest()
    assert content_hash(values) == content_hash(np.asfortranarray(values))
    others = [values.reshape(4, 3), values.astype(np.uint16), values + np.uint8(1)]
    assert len({content_hash(each) for each in [values, *others]}) == 4


def test_thumbnail_is_on_the_scans_own_grid() -> None:
    grey = Scan(np.array([[[0, 0.5, 1]]], np.float32), "")
    assert grey.thumbnail().tolist() == [[0, 128, 255]]
    assert grey.shape == (1, 3)
    colour = Scan(np.array([[[1.0]], [[0.0]], [[0.2]]], np.float32), "")
    assert colour.thumbnail().tolist() == [[[255, 0, 51]]]
