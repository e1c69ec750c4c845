"""RISE: how much higher the score is, on average, when random masks show a place. Petsiuk et al., BMVC 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.special import stdtrit

from whyscan.checks import at_least, between, made_of, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.explain.games.fills import ANOTHER, UNCHANGED, Fill, hidden
from whyscan.explain.games.question import MOVES
from whyscan.explain.games.surrogate import Perturbation
from whyscan.explain.targets import Targets, check, facts, resolve, scored
from whyscan.models.classifier import Classifier, Pixels, Predict, Scores
from whyscan.models.compiled import Engine, appoint
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score

_BY_CHANCE = 0.01


@dataclass(frozen=True)
class RISE:
    """Random low-resolution masks, blown up; a pixel's value is what showing it does to the mean score.

    The paper's map (equation 6) is E[score | shown]. Most of it is the same everywhere: the mean score, about which
    the map wavers as the masks happen to show a place more or less often. `centred` takes the mean score off first,
    E[score | shown] - E[score]: the same map but for that constant, far less noisy with few masks, and signed.

    Attributes:
        samples: how many masked scans are judged; rounded up to pairs of opposite masks. The paper takes 4,000 to
            8,000; what fewer cost is said by the standard error in `measured`.
        cells: cells of a mask along each axis.
        probability: that a cell is shown.
        centred: False gives the paper's equation 6, all positive if the score is.
        fill: what is seen where a mask hides; the paper's black is 0. A mask has no surroundings, so not "inpaint".
        score: "probability", as in the paper, or "logit".
        engine: "fast" (where it agrees with float32 on this very scan) or "float32".
        batch: how many masked scans are judged at once.
    """

    samples: int = 500
    cells: int = 7
    probability: float = 0.5
    centred: bool = True
    fill: Fill = 0.0
    score: Score = "probability"
    engine: Engine = "fast"
    batch: int = 8

    def __post_init__(self) -> None:
        plain(self)
        Perturbation(fill=self.fill, score=self.score, engine=self.engine, batch=self.batch)  # refuses the unknown
        at_least(4, samples=self.samples)
        at_least(1, cells=self.cells)
        between(0, 1, probability=self.probability)
        made_of(bool, centred=self.centred)
        if self.fill == "inpaint":
            raise BadInput(
                'fill "inpaint" for RISE, whose masks have no edges', '"mean", "blur", "noise" or a number',
                "choose one of them; other methods can have it in a call of their own",
            )  # fmt: skip

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, for all targets from the same masks.

        Raises:
            BadScan: hiding changes nothing.
            BadTarget: a target does not exist.
        """
        return [self._one(classifier, scan, targets, seed, progress) for scan in scans]

    def _one(self, classifier: Classifier, scan: Scan, targets: Targets, seed: int, progress: Progress) -> Attribution:
        check(classifier, targets, scan.label)
        pixels, geometry = classifier.prepare(scan)
        under = hidden(pixels[0], np.zeros(classifier.input_size, np.int32), self.fill, seed)
        if np.abs(pixels[0] - under).max() <= UNCHANGED:
            raise BadScan(
                "hiding any of the scan leaves it as it is",
                "something to hide",
                ANOTHER,
            )
        grids = draw(self.samples, self.cells, self.probability, np.random.default_rng(seed))
        answer = classifier.logits(pixels)[0]
        names, rows = resolve(classifier, targets, answer, scan.label)
        judge = appoint(classifier, self.engine, blend(pixels[0], under, grids.part(0, 6)), batch=self.batch)
        logits = play(judge.predict, pixels[0], under, grids, self.batch, progress)
        scores = scored(logits, rows, self.score)
        maps, errors = average(scores, grids, classifier.input_size, self.probability, self.centred)
        peaks = np.max(np.abs(maps) / np.maximum(errors, 1e-12), axis=(1, 2))
        limit = chance_limit(len(scores) // 2, self.cells)
        return Attribution(
            method="rise",
            **facts(classifier, scan, geometry, answer, names),
            maps=maps.astype(np.float32),
            signed=self.centred or self.score == "logit" or bool((rows < 0).any()),
            score=self.score,
            evaluations=len(scores),
            diagnosis=tuple(_diagnose(*each, limit) for each in zip(np.ptp(scores, axis=0), peaks, strict=True)),
            measured={
                "standard error": [float(each) for each in np.median(errors, axis=(1, 2))],
                "peak in standard errors": [float(each) for each in peaks],
            },
            engine=judge.engine,
            deviation=judge.deviation,
            seed=seed,
            settings=asdict(self),
        )


@dataclass(frozen=True, eq=False)
class Grids:
    """Masks before they are blown up; 2i and 2i + 1 are opposites of each other.

    Attributes:
        shown: (m, g, g) which nodes of the lattice are shown; g = cells + 2, so that every shift has nodes all round.
        shifts: (m, 2) by which share of a cell the lattice is shifted down and to the right.
    """

    shown: Bool[np.ndarray, "m g g"]
    shifts: Float64[np.ndarray, "m 2"]

    def part(self, start: int, stop: int) -> Grids:
        return Grids(self.shown[start:stop], self.shifts[start:stop])

    def masks(self, shape: tuple[int, int]) -> Float32[np.ndarray, "m h w"]:
        """Bilinear between nodes: from 0, hidden, to 1, shown. At every pixel the mean is the nodes' probability."""
        nodes = np.arange(self.shown.shape[1])
        down, across = (
            np.maximum(0, 1 - np.abs((np.arange(side) + 0.5)[:, None] * (len(nodes) - 2) / side + shift - nodes))
            for side, shift in zip(shape, self.shifts.T[:, :, None, None], strict=True)
        )
        return np.asarray(down @ self.shown.astype(np.float64) @ across.transpose(0, 2, 1), np.float32)


def draw(samples: int, cells: int, probability: float, random: np.random.Generator) -> Grids:
    """Pairs of antithetic grids: a node shown for the lowest numbers in one is shown for the highest in the other."""
    pairs, nodes = (samples + 1) // 2, cells + 2
    numbers = random.random((pairs, nodes, nodes))
    shown = np.stack([numbers < probability, numbers > 1 - probability], 1)
    return Grids(shown.reshape(-1, nodes, nodes), np.repeat(random.random((pairs, 2)), 2, axis=0))


def blend(pixels: Float32[np.ndarray, "c h w"], under: Float32[np.ndarray, "c h w"], grids: Grids) -> Pixels:
    """The scan where the masks show it, what is under it elsewhere, (m, c, h, w)."""
    masks = grids.masks((pixels.shape[1], pixels.shape[2]))[:, None]
    return np.asarray(under + masks * (pixels - under), np.float32)


def play(
    predict: Predict, pixels: np.ndarray, under: np.ndarray, grids: Grids, batch: int, progress: Progress = quiet
) -> Scores:
    """The answers (m, k) to all masks."""
    found, total = [], len(grids.shown)
    for start in range(0, total, batch):
        found.append(predict(blend(pixels, under, grids.part(start, start + batch))))
        progress("masked scans", min(start + batch, total), total)
    return np.concatenate(found)


def average(
    scores: Float64[np.ndarray, "m t"], grids: Grids, shape: tuple[int, int], probability: float, centred: bool
) -> tuple[Float64[np.ndarray, "t h w"], Float64[np.ndarray, "t h w"]]:
    """The map and the standard error of each pixel; the masks are made again, a few at a time, and never all kept.

    With f a score and M a mask, the mean over masks of (f - mean f)(M - p) / p where centred, else of f M / p. Errors
    are those of a mean over pairs, since the two of a pair depend on each other.
    """
    offset = probability if centred else 0.0
    weights = (scores - scores.mean(0) if centred else scores) / probability
    pairs = len(scores) // 2
    total = np.zeros((scores.shape[1], shape[0] * shape[1]))
    squares = np.zeros_like(total)
    for start in range(0, 2 * pairs, 32):
        masks = grids.part(start, start + 32).masks(shape).reshape(-1, total.shape[1]).astype(np.float64) - offset
        one, two = masks[::2], masks[1::2]
        a, b = weights[start : start + 32 : 2].T / 2, weights[start + 1 : start + 32 : 2].T / 2
        total += a @ one + b @ two
        squares += a**2 @ one**2 + 2 * (a * b) @ (one * two) + b**2 @ two**2
    mean = total / pairs
    errors = np.sqrt(np.maximum(squares / pairs - mean**2, 0) / max(pairs - 1, 1))
    return mean.reshape(-1, *shape), errors.reshape(-1, *shape)


def chance_limit(pairs: int, cells: int) -> float:
    """How many standard errors the peak of a map of nothing exceeds in at most 1 % of maps.

    Student's t for each of about 4 places a cell whose values can be called independent (Bonferroni).
    """
    return -float(stdtrit(pairs - 1, _BY_CHANCE / 2 / (4 * (cells + 1) ** 2)))


def _diagnose(moved: float, peak: float, limit: float) -> str:
    if moved <= MOVES:
        return "score hardly moves"
    return "there" if peak > limit else "within the sampling error"
