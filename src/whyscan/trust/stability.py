"""Robustness: does the explanation stay what it is where nothing that matters has changed?

Explanations are made again, so this is dear. What is made again is kept on the case and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy import ndimage
from scipy.stats import spearmanr

from whyscan.data.scan import Scan, content_hash
from whyscan.records.evidence import Evidence
from whyscan.trust import names
from whyscan.trust.case import Case, Metric

RADIUS = 0.02
"""Largest change of a pixel by noise, of full brightness: about the noise of a scanner."""
COPIES = 4
"""Noisy copies."""
TURN = 5.0
"""Degrees."""
TOP = 0.05
"""Share of the pixels that count as the strongest."""

Map = Float32[np.ndarray, "h w"]


def max_sensitivity(case: Case) -> Evidence:
    """Max sensitivity: how much the map changes at most under noise that nobody sees, relative to its own size.

    High means that the picture depends on noise (Yeh et al. 2019, equation 4, by sampling in place of the maximum).
    """
    size = float(np.linalg.norm(case.values))
    if size == 0:
        return Evidence.skipped("the map is blank")
    return _worst([float(np.linalg.norm(each - case.values)) / size for each, _ in _noisy(case)])


def local_lipschitz(case: Case) -> Evidence:
    """Local Lipschitz estimate: the largest change of the map per change of the scan.

    High means that a small change of the scan moves the map far (Alvarez-Melis and Jaakkola 2018, equation 2). In units
    of the map per unit of brightness, so only maps of one method can be compared.
    """
    if not np.any(case.values):
        return Evidence.skipped("the map is blank")
    return _worst([float(np.linalg.norm(each - case.values)) / far for each, far in _noisy(case)])


def seed_agreement(case: Case) -> Evidence:
    """Seed agreement: rank correlation of the map with that of another seed.

    Low means that the picture is a matter of luck. 1 for methods that draw nothing.
    """
    return _alike(case.values, _again(case, "another seed", case.scan, case.seed + 1))


def flip_consistency(case: Case) -> Evidence:
    """Flip consistency: rank correlation with the map of the mirrored scan, mirrored back.

    Low means that the map, or the model itself, takes left and right for different things.
    """
    mirrored = _changed(case.scan, case.scan.pixels[:, :, ::-1])
    return _alike(case.values, _again(case, "mirrored", mirrored)[:, ::-1])


def turn_consistency(case: Case) -> Evidence:
    """Turn consistency: rank correlation with the map of the scan turned by 5 degrees, turned back.

    Low means that the map hangs on the pixel grid. What was turned in from outside does not count.
    """
    turned = ndimage.rotate(case.scan.pixels, TURN, axes=(2, 1), reshape=False, order=1, mode="nearest")
    found = _again(case, "turned", _changed(case.scan, np.clip(turned, 0, 1)))
    back = ndimage.rotate(found, -TURN, axes=(1, 0), reshape=False, order=1, mode="nearest")
    ones = np.ones(case.scan.shape, np.float32)
    there = ndimage.rotate(ones, -TURN, axes=(1, 0), reshape=False, order=1) > 0.99
    return _alike(case.values, back, there & (ndimage.rotate(ones, TURN, axes=(1, 0), reshape=False, order=1) > 0.99))


def top_overlap(case: Case) -> Evidence:
    """Top overlap under noise: of the strongest 5 % of the pixels, the share that stays among them, at worst.

    Low means that what the picture shows as most important is chosen by noise (Ghorbani et al. 2019).
    """
    if np.ptp(case.values) == 0:
        return Evidence.skipped("the map is the same everywhere")
    maps = [each for each, _ in _noisy(case)]
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
    "turn consistency": turn_consistency,
}
"""By their names in the table of a trust run."""


def _again(case: Case, what: str, scan: Scan, seed: int | None = None) -> Map:
    """The map of the same target on the scan's own grid."""
    if what not in case.explained:
        case.explained[what] = case.again(case.classifier, scan, case.seed if seed is None else seed)
    found = case.explained[what]
    return np.asarray(found.values[found.index(case.target)], np.float32)


def _noisy(case: Case) -> list[tuple[Map, float]]:
    """The maps of noisy copies, each with how far its copy is from the scan."""
    found = []
    for number in range(COPIES):
        rng = np.random.default_rng([case.seed, number])
        noise = rng.uniform(-RADIUS, RADIUS, case.scan.pixels.shape).astype(np.float32)
        scan = _changed(case.scan, np.clip(case.scan.pixels + noise, 0, 1))
        far = float(np.linalg.norm(scan.pixels - case.scan.pixels))
        found.append((_again(case, f"noisy {number}", scan), max(far, 1e-12)))
    return found


def _changed(scan: Scan, pixels: Float32[np.ndarray, "c h w"]) -> Scan:
    fresh = np.ascontiguousarray(pixels, dtype=np.float32)
    return replace(scan, pixels=fresh, content=content_hash(np.moveaxis(fresh, 0, -1)))


def _worst(found: list[float]) -> Evidence:
    if not np.isfinite(found).all():
        return Evidence.failed("the map holds NaN or infinity")
    return Evidence(max(found), n=1)


def _alike(first: Map, second: Map, there: Bool[np.ndarray, "h w"] | None = None) -> Evidence:
    """Spearman's rank correlation over the pixels that count."""
    pairs = (first, second) if there is None else (first[there], second[there])
    a, b = (np.asarray(each, np.float64).ravel() for each in pairs)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Evidence.failed("the map holds NaN or infinity")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Evidence.skipped("one of the two maps is the same everywhere")
    return Evidence(rank_correlation(a, b), n=1)


def rank_correlation(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"]) -> float:
    """Spearman's, -1 to 1; both must vary."""
    return float(spearmanr(a, b).statistic)


def _strongest(values: Map) -> Bool[np.ndarray, "h w"]:
    count = max(1, round(TOP * values.size))
    order = np.argsort(values, axis=None, kind="stable")[-count:]
    mask = np.zeros(values.size, bool)
    mask[order] = True
    return mask.reshape(values.shape)
