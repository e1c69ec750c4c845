"""A binary tree over superpixels: neighbours that look alike are joined first, so every branch is a region."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Integer

Merges = Int64[np.ndarray, "s-1 2"]
"""Row k joins two nodes into node s + k, as the first two columns of scipy's linkage; nodes 0..s-1 are superpixels."""

_PLACE = 2.0


def hierarchy(pixels: Float32[np.ndarray, "c h w"], segments: Integer[np.ndarray, "h w"]) -> Merges:
    """Join the two neighbouring regions whose union costs least, until one is left. Nothing is drawn.

    The cost is Ward's (JASA 1963): area a b / (a + b) times the squared distance of the regions' means, here of
    (colour in units of its spread, place in units of the scan's side times 2). Place keeps regions
    compact and branches of like size, which a nested game needs: its cost doubles with every level. Regions that do
    not touch are joined last, when nothing that touches is left.

    Args:
        segments: labels 0..s-1 on the pixels' grid; negative ones are in no region.
    """
    count = int(segments.max()) + 1
    area, means = _means(pixels, segments, count)
    touching = neighbours(segments)
    alive = set(range(count))
    merges: list[tuple[int, int]] = []
    around: list[set[int]] = [set(np.flatnonzero(row).tolist()) for row in touching]
    while len(alive) > 1:
        pairs = [(a, b) for a in sorted(alive) for b in sorted(around[a]) if a < b]
        if not pairs:
            pairs = list(combinations(sorted(alive), 2))
        first, second = np.array(pairs).T
        shares = area[first] * area[second] / (area[first] + area[second])
        costs = shares * ((means[first] - means[second]) ** 2).sum(1)
        # ties go to the smaller union, then to the first: a flat scan still gets branches of like size
        best = np.lexsort((np.arange(len(costs)), area[first] + area[second], costs.round(12)))[0]
        a, b = pairs[int(best)]
        node = count + len(merges)
        merges.append((a, b))
        means = np.vstack([means, np.average(means[[a, b]], axis=0, weights=area[[a, b]])])
        area = np.append(area, area[a] + area[b])
        around.append((around[a] | around[b]) - {a, b})
        for other in around[node]:
            around[other] = (around[other] - {a, b}) | {node}
        alive = (alive - {a, b}) | {node}
    return np.array(merges, np.int64).reshape(-1, 2)


def neighbours(segments: Integer[np.ndarray, "h w"]) -> Bool[np.ndarray, "s s"]:
    """Which superpixels share an edge of a pixel."""
    count = int(segments.max()) + 1
    touching = np.zeros((count, count), bool)
    for one, two in ((segments[1:], segments[:-1]), (segments[:, 1:], segments[:, :-1])):
        border = (one != two) & (one >= 0) & (two >= 0)
        touching[one[border], two[border]] = touching[two[border], one[border]] = True
    return touching


def members(merges: Merges) -> Bool[np.ndarray, "2s-1 s"]:
    """Which superpixels belong to each node: the superpixels themselves, then the merges; the last is everybody."""
    count = len(merges) + 1
    found = np.zeros((2 * count - 1, count), bool)
    found[:count] = np.eye(count, dtype=bool)
    for k, (a, b) in enumerate(merges):
        found[count + k] = found[a] | found[b]
    return found


def depths(merges: Merges) -> Int64[np.ndarray, " 2s-1"]:
    """How many merges lie above each node; 0 for the root."""
    count = len(merges) + 1
    found = np.zeros(2 * count - 1, np.int64)
    for k in reversed(range(len(merges))):
        found[merges[k]] = found[count + k] + 1
    return found


def _means(
    pixels: np.ndarray, segments: np.ndarray, count: int
) -> tuple[Float64[np.ndarray, " s"], Float64[np.ndarray, "s f"]]:
    """Each superpixel's area as a share of all, and its mean colour and place."""
    inside = segments >= 0
    labels = segments[inside]
    area = np.bincount(labels, minlength=count).astype(float)
    colours = pixels[:, inside].astype(float)
    spread = max(float(colours.std(axis=1).max()), 1e-6)
    places = _PLACE * np.argwhere(inside).T / max(segments.shape)
    columns = [*(colours / spread / np.sqrt(len(colours))), *places]
    means = np.stack([np.bincount(labels, column, count) for column in columns], 1) / area[:, None]
    return area / area.sum(), means
