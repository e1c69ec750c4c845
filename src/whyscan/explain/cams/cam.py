"""What every class activation map shares: batches of scans, one trace, and the way from maps to attributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from whyscan.checks import at_least, made_of, plain
from whyscan.data.scan import Scan
from whyscan.errors import BadModel
from whyscan.explain.blank import CLASS_TOKEN, NO_GRADIENT, diagnose
from whyscan.explain.cams.kernels import Signed, Weights, combine
from whyscan.explain.targets import Targets, facts, resolve, stacked
from whyscan.explain.trace import Tracer, tracing
from whyscan.explain.whitebox import need_gradients
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.modes import plain_float32
from whyscan.models.tokens import to_channels
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution, Score
from whyscan.records.geometry import Geometry

R = TypeVar("R")
Kernel = Callable[[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]], Signed | Weights]
Diagnose = Callable[[Tensor, Tensor, Tensor | None], str]
RowsFor = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(rows of logit weights (t, k), logits (k,)) -> (rows to differentiate (t, k), what they were divided by (t,))."""


@dataclass(frozen=True, eq=False)
class Maps:
    """One layer's maps of one scan: (t, h, w), a word per target, and figures per target."""

    maps: Float32[np.ndarray, "t h w"]
    words: Sequence[str]
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def first(self, targets: int) -> Maps:
        """Those of the first targets: a scan with fewer than others of its batch has rows of 0 after its own."""
        return Maps(self.maps[:targets], self.words[:targets])


def as_logits(rows: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG001 - a RowsFor
    """The logits themselves are differentiated."""
    return rows, np.ones(len(rows))


def relu(found: Maps, factors: np.ndarray) -> Maps:  # noqa: ARG001 - one of the ways to finish
    """Keep what speaks for the target. Nothing is scaled."""
    return Maps(np.maximum(found.maps, 0), found.words, found.measured)


@dataclass(frozen=True, eq=False)
class Cam:
    """A member of the family as data.

    Attributes:
        method, title: its name in the table of methods, and the one that people read.
        kernel: activation and gradient -> signed map (n, h, w), or weights (n, c) to sum the channels with.
        settings: what the attribution says of it.
        score: what is differentiated, for the attribution.
        diagnose: a signed map, its activation and gradient -> a word.
        rows: what is differentiated, from the targets' rows and the logits.
        finish: (signed maps, the factors that `rows` divided by) -> what is kept.
    """

    method: str
    title: str
    kernel: Kernel
    settings: Mapping[str, Any] = field(default_factory=lambda: {"score": "logit", "relu": True})
    score: Score = "logit"
    diagnose: Diagnose = diagnose
    rows: RowsFor = as_logits
    finish: Callable[[Maps, np.ndarray], Maps] = relu


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan on the model's grid, (1, 3, h, w)."""

    scan: Scan
    pixels: Float32[np.ndarray, "1 c h w"]
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class Case:
    """A scan: what the model said about it, what is asked as rows of logit weights, and what its attributions share."""

    logits: Float32[np.ndarray, " k"]
    rows: Float32[np.ndarray, "t k"]
    about: Mapping[str, Any]


class Layered(Protocol):
    """A method that has a layer of its own and looks at any."""

    @property
    def layer(self) -> str: ...

    def at(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets,
        layers: Sequence[Layer],
        *,
        progress: Progress = quiet,
    ) -> list[list[Attribution]]: ...


class Batched(Layered, Protocol):
    @property
    def batch(self) -> int: ...


def check_settings(self: Batched) -> None:
    """What every member of the family refuses when it is made: the `__post_init__` of most.

    Raises:
        BadInput: a layer that is no name, or a batch of no scans.
    """
    plain(self)
    made_of(str, layer=self.layer)
    at_least(1, batch=self.batch)


def at_own_layer(
    self: Layered,
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets = "all",
    *,
    seed: int = 0,  # noqa: ARG001 - the same call for every method
    progress: Progress = quiet,
) -> list[Attribution]:
    """One attribution per scan. Nothing is drawn, so the seed changes nothing; it is there for all alike.

    Raises:
        BadModel: the classifier is a black box.
        BadTarget: the layer does not exist.
    """
    need_gradients(classifier, type(self).__name__)
    found = self.at(classifier, scans, targets, (classifier.layer(self.layer),), progress=progress)
    return [attribution for (attribution,) in found]


def explain_at(
    cam: Cam,
    classifier: Classifier,
    scans: Sequence[Scan],
    targets: Targets,
    layers: Sequence[Layer],
    *,
    batch: int = 8,
    progress: Progress = quiet,
) -> list[list[Attribution]]:
    """For each scan one attribution per layer, from one forward pass and one backward pass per target.

    Raises:
        BadTarget: a target does not exist, or a layer's output is not a grid of channels.
    """
    with tracing(classifier.network, [layer.path for layer in layers]) as run:
        work = partial(_traced, run, cam, classifier, targets, layers)
        return over_batches(cam.title, work, classifier, scans, batch, progress)


def over_batches(
    title: str,
    work: Callable[[Sequence[Prepared]], list[R]],
    classifier: Classifier,
    scans: Sequence[Scan],
    batch: int,
    progress: Progress,
) -> list[R]:
    """What `work` makes of each scan, batch by batch; of half a batch, where memory is short."""
    found: list[R] = []
    for part in batches(classifier, scans, batch):
        for some in halving(partial(_piece, work, part), len(part), len(part)):
            found += some
            progress(title, len(found), len(scans))
    return found


def _piece(work: Callable[[Sequence[Prepared]], R], part: Sequence[Prepared], piece: slice) -> R:
    return work(part[piece])


def batches(classifier: Classifier, scans: Sequence[Scan], batch: int) -> Iterator[list[Prepared]]:
    """Scans on the model's grid; while the model works on a batch, the next one is prepared."""
    parts = [scans[start : start + batch] for start in range(0, len(scans), batch)]
    if len(parts) < 2:
        yield from (_prepare(classifier, part) for part in parts)
        return
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(_prepare, classifier, parts[0])
        for following in [*parts[1:], []]:
            ready = ahead.result()
            ahead = worker.submit(_prepare, classifier, following)
            yield ready


def _prepare(classifier: Classifier, scans: Sequence[Scan]) -> list[Prepared]:
    return [Prepared(scan, *classifier.prepare(scan)) for scan in scans]


def stack(classifier: Classifier, prepared: Sequence[Prepared]) -> Float[Tensor, "n c h w"]:
    return torch.from_numpy(np.concatenate([each.pixels for each in prepared])).to(classifier.device)


def cases(classifier: Classifier, prepared: Sequence[Prepared], targets: Targets, logits: Tensor) -> list[Case]:
    """What is asked of each scan of a batch, once the model's answers are known."""
    found = []
    for each, answer in zip(prepared, logits.cpu().numpy(), strict=True):
        names, rows = resolve(classifier, targets, answer, each.scan.label)
        found.append(Case(answer, rows, facts(classifier, each.scan, each.geometry, answer, names)))
    return found


def attribution(case: Case, layer: Layer, found: Maps, *, method: str, **more: Any) -> Attribution:
    return Attribution(
        method=method,
        layer=layer.name,
        maps=np.ascontiguousarray(found.maps, np.float32),
        diagnosis=tuple(found.words),
        measured=found.measured,
        **case.about,
        **more,
    )


@dataclass(frozen=True, eq=False)
class _Kept:
    """Of one target at one layer: its signed maps (n, h, w) or its channels' weights (n, c).

    Attributes:
        words: a diagnosis for each scan; None where the map that the weights make is to be looked at first.
    """

    values: Signed | Weights
    words: Sequence[str | None]


def _traced(
    run: Tracer,
    cam: Cam,
    classifier: Classifier,
    targets: Targets,
    layers: Sequence[Layer],
    prepared: Sequence[Prepared],
) -> list[list[Attribution]]:
    asked: list[Case] = []
    factors: list[np.ndarray] = []

    def rows(logits: Tensor) -> Tensor:
        asked.extend(cases(classifier, prepared, targets, logits))
        weights = []
        for case in asked:
            row, factor = cam.rows(case.rows, case.logits)
            weights.append(row)
            factors.append(factor)
        return torch.from_numpy(stacked(weights))

    kernels = {layer.path: partial(_keep, cam, layer) for layer in layers}
    outputs: dict[str, Tensor] = {}
    traced = run(stack(classifier, prepared), rows, kernels, outputs)
    with plain_float32(classifier.device):
        made = [_maps(cam, layer, traced.results[layer.path], outputs[layer.path]) for layer in layers]
    return [
        [_finished(cam, case, layer, maps[i], factors[i]) for layer, maps in zip(layers, made, strict=True)]
        for i, case in enumerate(asked)
    ]


def _keep(cam: Cam, layer: Layer, output: Tensor, slope: Tensor) -> _Kept:
    """What is kept of a gradient while it is there: it is too large to wait for the other targets'."""
    activation, gradient = to_channels(output, layer), to_channels(slope, layer)
    values = cam.kernel(activation, gradient)
    if values.ndim == 2:
        # without any weight the map is blank, and only the gradient tells why
        signed = [None if moved else activation.new_zeros(activation.shape[2:]) for moved in values.any(1).tolist()]
    else:
        signed = list(values)
    words = [None if each is None else cam.diagnose(each, activation[i], gradient[i]) for i, each in enumerate(signed)]
    if layer.prefix and NO_GRADIENT in words:
        read = slope[:, : layer.prefix].flatten(1).any(1).tolist()
        words = [CLASS_TOKEN if word == NO_GRADIENT and own else word for word, own in zip(words, read, strict=True)]
    return _Kept(values, words)


def _finished(cam: Cam, case: Case, layer: Layer, found: Maps, factors: np.ndarray) -> Attribution:
    kept = cam.finish(found.first(len(case.rows)), factors)
    return attribution(case, layer, kept, method=cam.method, score=cam.score, settings=dict(cam.settings))


def _maps(cam: Cam, layer: Layer, kept: Sequence[_Kept], output: Tensor) -> list[Maps]:
    """Each scan's maps of all targets, once the last gradient has come by."""
    activation = to_channels(output, layer)
    signed = torch.stack([each.values for each in kept])
    if signed.ndim == 3:
        signed = combine(signed, activation)
    if not all(math.isfinite(end) for end in signed.aminmax()):
        came = f"the {cam.title} of layer {layer.name!r} is NaN or infinite, though the logits are finite"
        raise BadModel(came, "finite activations and gradients", "check the weights and the normalisation")
    words = [
        [cam.diagnose(signed[t, i], activation[i], None) if word is None else word for i, word in enumerate(each.words)]
        for t, each in enumerate(kept)
    ]
    arrays = signed.cpu().numpy()
    return [Maps(arrays[:, i], [word[i] for word in words]) for i in range(len(activation))]
