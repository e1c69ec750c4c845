"""Duplicates, against brute force over all pairs."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from whyscan.data import duplicates
from whyscan.data.duplicates import Duplicates, connect, correlation, find_duplicates, near_pairs


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures, unlike each other."""
    noise = np.random.default_rng(seed).normal(size=(n, 64, 64))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 4, 4))
    return np.uint8(np.clip(128 + 400 * smooth, 0, 255))


def test_brightness_contrast_and_noise_are_near_and_other_pictures_are_not() -> None:
    first = pictures(6)
    rng = np.random.default_rng(1)
    paler = np.uint8(np.clip(first[2] * 0.7 + 30, 0, 255))
    noisy = np.uint8(np.clip(first[4] + rng.normal(0, 1, first[4].shape), 0, 255))
    everything = np.concatenate([first, paler[None], noisy[None]])
    assert near_pairs(everything).tolist() == [[2, 6], [4, 7]]
    matrix = np.corrcoef(everything.reshape(len(everything), -1).astype(float))
    assert (np.argwhere(np.triu(matrix > 0.999, 1)) == [[2, 6], [4, 7]]).all()


def test_a_small_lesion_makes_another_picture() -> None:
    """A 6 x 6 bright spot leaves the hash alone and takes the correlation below the limit."""
    one = pictures(1)
    other = one.copy()
    other[:, 30:36, 30:36] = 255
    differing = duplicates.perceptual_hash(np.concatenate([one, other]))
    assert (differing[0] != differing[1]).sum() <= duplicates.HAMMING
    assert near_pairs(np.concatenate([one, other])).tolist() == []


def test_correlation_is_pearsons_and_0_for_a_constant_picture() -> None:
    some = pictures(3)
    some[2] = 9
    found = correlation(some, np.array([[0, 1], [0, 0], [0, 2], [2, 2]]))
    expected = np.corrcoef(some[0].ravel(), some[1].ravel())[0, 1]
    np.testing.assert_allclose(found, [expected, 1, 0, 0], atol=1e-5)


def test_blocks_do_not_change_the_answer(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    many = np.concatenate([pictures(7), pictures(7)])
    whole = near_pairs(many)
    assert whole.tolist() == [[i, i + 7] for i in range(7)]
    monkeypatch.setattr(duplicates, "_BLOCK", 30)
    np.testing.assert_array_equal(near_pairs(many), whole)


def test_groups_join_exact_and_near_copies() -> None:
    a, b, c = pictures(3)
    paler = np.uint8(a * 0.8 + 10)
    blank = np.zeros_like(a)
    found = find_duplicates(["b", "", "a", "c", "a", "a2", ""], np.stack([b, blank, a, c, a, paler, blank]))
    assert found.content.tolist() == [0, -1, 1, 2, 1, 3, -1]
    assert found.near.tolist() == [[1, 3]]
    assert found.group.tolist() == [0, 1, 2, 3, 2, 2, 4]
    chosen = np.arange(7) == 2
    assert np.nonzero(found.copies(chosen))[0].tolist() == [2, 4]
    assert np.nonzero(found.relatives(chosen))[0].tolist() == [2, 4, 5]
    nobody = np.arange(7) == 1
    assert not found.copies(nobody).any()


@given(
    content=st.lists(st.integers(-1, 8), min_size=1, max_size=20),
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=8),
)
def test_connect_is_the_transitive_closure(content: list[int], pairs: list[tuple[int, int]]) -> None:
    highest = max(content)
    pairs = [(a, b) for a, b in pairs if max(a, b) <= highest]
    group = connect(np.array(content), np.array(pairs, np.int64).reshape(-1, 2))
    linked = np.eye(10, dtype=bool)
    for a, b in pairs:
        linked[a, b] = linked[b, a] = True
    for _ in range(4):
        linked = linked @ linked
    for i, one in enumerate(content):
        for j, other in enumerate(content):
            assert (group[i] == group[j]) == (i == j or (min(one, other) >= 0 and bool(linked[one, other])))
    seen = list(dict.fromkeys(group.tolist()))
    assert seen == list(range(len(seen)))


def test_no_scan_at_all_could_be_read() -> None:
    found: Duplicates = find_duplicates(["", ""], np.zeros((2, 64, 64), np.uint8))
    assert found.group.tolist() == [0, 1] and found.near.shape == (0, 2)
