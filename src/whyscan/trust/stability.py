"""Robustness: does the explanation stay what it is where nothing that matters has changed?

Explanations are made again, so this is dear. What is made again is kept on the case and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from whyscan.data.scan import Scan, content_hash
from whyscan.records.evidence import Evidence
from whyscan.stats.ranks import rank_correlation
from whyscan.trust import names
from whyscan.trust.case import Case, Metric
from whyscan.trust.flat import flat

RADIUS = 0.02
"""Largest change of a pixel by noise, of full brightness: about the noise of a scanner."""
COPIES = 4
"""Noisy copies."""
TURN = 5.0
"""Degrees."""
TOP = 0.05
"""Share of the pixels that count as the strongest."""
_EPS = 1e-12

Map = Float32[np.ndarray, "h w"]


def max_sensitivity(case: Case) -> Evidence:
    """Max sensitivity: how much the map changes at most under noise that nobody sees, relative to its own size.

    High means that the picture depends on noise (Yeh et al. 2019, equation 4, by sampling in place of the maximum).
    """
    size = float(np.linalg.norm(case.values))
    if size == 0:
        return Evidence.skipped("the map is blank")
    return _worst([float(np.linalg.norm(each - case.values)) / size for each in noisy_maps(case)])


def local_lipschitz(case: Case) -> Evidence:
    """Local Lipschitz estimate: the largest change of the map per change of the scan.

    High means that a small change of the scan moves the map far (Alvarez-Melis and Jaakkola 2018, equation 2). In units
    of the map per unit of brightness, so only maps of one method can be compared.
    """
    if not np.any(case.values):
        return Evidence.skipped("the map is blank")
    far = [float(np.linalg.norm(each.pixels - case.scan.pixels)) for each in noisy_copies(case).values()]
    maps = noisy_maps(case)
    return _worst([float(np.linalg.norm(a - case.values)) / max(d, _EPS) for a, d in zip(maps, far, strict=True)])


def seed_agreement(case: Case) -> Evidence:
    """Seed agreement: rank correlation of the map with that of another seed.

    Low means that the picture is a matter of luck. 1 for methods that draw nothing.
    """
    (made,) = case.remake(case.classifier, {"another seed": case.scan}, case.seed + 1)
    return alike(case.values, made)


def flip_consistency(case: Case) -> Evidence:
    """Flip consistency: rank correlation with the map of the mirrored scan, mirrored back.

    Low means that the map, or the model itself, takes left and right for different things.
    """
    return alike(case.values, _moved(case, "mirrored")[:, ::-1])


def turn_consistency(case: Case) -> Evidence:
    """Turn consistency: rank correlation with the map of the scan turned by 5 degrees, turned back.

    Low means that the map hangs on the pixel grid. What was turned in from outside does not count.
    """
    back = ndimage.rotate(_moved(case, "turned"), -TURN, axes=(1, 0), reshape=False, order=1, mode="nearest")
    ones = np.ones(case.scan.shape, np.float32)
    there = ndimage.rotate(ones, -TURN, axes=(1, 0), reshape=False, order=1) > 0.99
    return alike(case.values, back, there & (ndimage.rotate(ones, TURN, axes=(1, 0), reshape=False, order=1) > 0.99))


def top_overlap(case: Case) -> Evidence:
    """Top overlap under noise: of the strongest 5 % of the pixels, the share that stays among them, at worst.

    Low means that what the picture shows as most important is chosen by noise (Ghorbani et al. 2019).
    """
    if flat(case.values):
        return Evidence.skipped("the map is the same everywhere")
    maps = noisy_maps(case)
    if not all(np.isfinite(each).all() for each in (case.values, *maps)):
        return Evidence.failed("the map holds NaN or infinity")
    first = _strongest(case.values)
    return Evidence(min(float((first & _strongest(each)).sum() / first.sum()) for each in maps), n=1)


METRICS: Mapping[str, Metric] = {
    names.SENSITIVITY: max_sensitivity,
    "local lipschitz": local_lipschitz,
    "top overlap": top_overlap,
    names.SEEDS: seed_agreement,
    names.FLIPS: flip_consistency,
    names.TURNS: turn_consistency,
}
"""By their names in the table of a trust run."""


def noisy_copies(case: Case) -> dict[str, Scan]:
    """The scan with noise that nobody sees, by name; the same copies for every method."""
    return {f"noisy {number}": _noisy(case.scan, case.seed, number) for number in range(COPIES)}


def noisy_maps(case: Case) -> list[Map]:
    """The maps of the noisy copies."""
    return case.remake(case.classifier, noisy_copies(case), case.seed)


@lru_cache(maxsize=2 * COPIES)
def _noisy(scan: Scan, seed: int, number: int) -> Scan:
    noise = np.random.default_rng([seed, number]).uniform(-RADIUS, RADIUS, scan.pixels.shape).astype(np.float32)
    return _changed(scan, np.clip(scan.pixels + noise, 0, 1))


def _moved(case: Case, how: str) -> Map:
    """The map of the mirrored or the turned scan; both are made at once."""
    scans = {what: _move(case.scan, what) for what in ("mirrored", "turned")}
    case.prefetch(case.classifier, scans, case.seed)
    (made,) = case.remake(case.classifier, {how: scans[how]}, case.seed)
    return made


@lru_cache(maxsize=4)
def _move(scan: Scan, how: str) -> Scan:
    """Kept, as the noisy copies are, for the scan's next method and model."""
    if how == "mirrored":
        return _changed(scan, scan.pixels[:, :, ::-1])
    turned = ndimage.rotate(scan.pixels, TURN, axes=(2, 1), reshape=False, order=1, mode="nearest")
    return _changed(scan, np.clip(turned, 0, 1))


def _changed(scan: Scan, pixels: Float32[np.ndarray, "c h w"]) -> Scan:
    """Other pixels, of which no region is known any more: what is asked of them needs none."""
    fresh = np.ascontiguousarray(pixels, dtype=np.float32)
    return replace(scan, pixels=fresh, region=None, content=content_hash(np.moveaxis(fresh, 0, -1)))


def _worst(found: list[float]) -> Evidence:
    if not np.isfinite(found).all():
        return Evidence.failed("the map holds NaN or infinity")
    return Evidence(max(found), n=1)


def alike(first: Map, second: Map, there: Bool[np.ndarray, "h w"] | None = None) -> Evidence:
    """Spearman's rank correlation over the pixels that count."""
    pairs = (first, second) if there is None else (first[there], second[there])
    a, b = (np.asarray(each, np.float64).ravel() for each in pairs)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Evidence.failed("the map holds NaN or infinity")
    if flat(a) or flat(b):
        return Evidence.skipped("one of the two maps is the same everywhere")
    return Evidence(rank_correlation(a, b), n=1)


def _strongest(values: Map) -> Bool[np.ndarray, "h w"]:
    count = max(1, round(TOP * values.size))
    order = np.argsort(values, axis=None, kind="stable")[-count:]
    mask = np.zeros(values.size, bool)
    mask[order] = True
    return mask.reshape(values.shape)
