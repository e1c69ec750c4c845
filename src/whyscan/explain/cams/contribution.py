"""What a layer contributes, measured beside its map: dark is not unused.

A layer's output is replaced by its mean over reference scans (mean ablation: Wang et al., "Interpretability in the
Wild", ICLR 2023, section 2.1), so that it says the same whatever the scan. How far a target's logit moves is what the
layer told about *this* scan. Grad-CAM of the same layer may be empty all the same.

Two limits. Where another branch runs beside the layer (a residual or dense connection), that branch goes on carrying
what it carried: the figure is for this layer alone, and two such layers can stand in for each other. Where nothing
runs beside it, everything that the network knows of the scan passes through it: all scans then get the same logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.errors import BadInput
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.door import admit
from whyscan.explain.targets import Targets, check, choose_layers
from whyscan.explain.trace import tracing
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier, Layer
from whyscan.models.modes import evaluating
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

Mean = Literal["position", "channel"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """One layer, target and scan.

    Attributes:
        layer, target: by name.
        scan, source: the scan's content hash and the name it goes by.
        predicted: whether the target is the class that the model predicts for this scan.
        change: the target's logit as it is, less what it is with the layer's output replaced; negative where the
            layer spoke against the target.
        energy: the sum of the layer's Grad-CAM map (after ReLU), in logits. A sum and not a mean, because it does not
            depend on how fine the layer's grid is.
        share: that energy's share of the energies of all layers asked for; 0 where all of them are 0.
        diagnosis: whether the map is there and, if not, what emptied it.
    """

    layer: str
    target: str
    scan: str
    source: str
    predicted: bool
    change: float
    energy: float
    share: float
    diagnosis: str


def layer_contributions(
    classifier: Classifier,
    scans: Sequence[Scan],
    references: Sequence[Scan],
    layers: str | Sequence[str] = "all",
    targets: Targets = "all",
    *,
    mean: Mean = "position",
    batch: int = 8,
    progress: Progress = quiet,
) -> list[Contribution]:
    """What each layer contributes to each target's logit, beside the energy of its Grad-CAM map.

    Costs one pass over the references, one Grad-CAM of all layers, and for every layer one forward pass of the scans.

    Args:
        references: what the mean is taken over: some dozens of scans of all classes, not those explained.
        layers: "all", one name, or several.
        mean: "position" keeps each place's own mean, and with it what all scans share (where the head lies);
            "channel" takes one mean for the whole grid of a channel.

    Returns:
        rows, by scan, then layer (shallow to deep), then target.

    Raises:
        BadInput: no references, or something that is no classifier or no scan.
        BadTarget: a layer or a target does not exist, or a layer does not run.
    """
    for scan in (*scans, *references):
        admit(classifier, scan)
    chosen = choose_layers(classifier, layers)
    for scan in scans:
        check(classifier, targets, scan.label)
    if not scans:
        return []
    means = reference_means(classifier, references, chosen, mean=mean, batch=batch, progress=progress)
    maps = GradCAM(batch=batch).at(classifier, scans, targets, chosen, progress=progress)
    changes = _changes(classifier, scans, chosen, means, batch, progress)
    return [row for n, found in enumerate(maps) for row in _rows(classifier, found, changes[:, n])]


@dataclass(frozen=True, eq=False)
class Reference:
    """A layer's mean output, (1, ...) in the layer's own shape, and how often the layer runs in one forward pass."""

    value: Tensor
    runs: int


def reference_means(
    classifier: Classifier,
    references: Sequence[Scan],
    layers: Sequence[Layer],
    *,
    mean: Mean = "position",
    batch: int = 8,
    progress: Progress = quiet,
) -> dict[str, Reference]:
    """Every layer's mean output by its path, from one pass over the references; sums run in float64.

    Raises:
        BadInput: no references.
    """
    if not references:
        raise BadInput("no reference scans", "some dozens, of all classes", "give other scans of the data set")
    sums: dict[str, Tensor] = {}
    runs: Mapping[str, int] = {}
    with tracing(classifier.network, [layer.path for layer in layers]) as run:
        looks = halving(lambda piece: run.look(_pixels(classifier, references[piece])), len(references), batch)
        done = 0
        for seen in looks:
            runs = seen.runs
            for layer in layers:
                # summed in float32 over one batch only; a device without float64 keeps the long sums on the CPU
                part = seen.activations[layer.path].float().sum(0, keepdim=True).cpu().double()
                sums[layer.path] = sums[layer.path] + part if layer.path in sums else part
            done += len(seen.logits)
            progress("reference means", done, len(references))
    found = {}
    for layer in layers:
        value = (sums[layer.path] / len(references)).float().to(classifier.device)
        found[layer.path] = Reference(_flat(value, layer) if mean == "channel" else value, runs[layer.path])
    return found


@contextmanager
def replaced(network: nn.Module, path: str, reference: Reference) -> Iterator[None]:
    """Inside, a module answers with the reference, whatever goes in; of several runs of a module, in the last one."""
    count = 0

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        nonlocal count
        count += 1
        if count % reference.runs:
            return None
        # memory of its own for every scan: what follows may work in place
        return torch.empty_like(output).copy_(reference.value.expand_as(output))

    handle = network.get_submodule(path).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _flat(value: Tensor, layer: Layer) -> Tensor:
    """One mean per channel at every place of the grid; tokens that stand before the grid keep their own."""
    if layer.form == "tokens":
        head, grid = value[:, : layer.prefix], value[:, layer.prefix :]
        return torch.cat([head, grid.mean(1, keepdim=True).expand_as(grid)], 1)
    return value.mean((2, 3) if layer.form == "nchw" else (1, 2), keepdim=True).expand_as(value)


def _changes(
    classifier: Classifier,
    scans: Sequence[Scan],
    layers: Sequence[Layer],
    means: Mapping[str, Reference],
    batch: int,
    progress: Progress,
) -> Float32[np.ndarray, "layers n k"]:
    """Logits as they are less logits with one layer replaced."""
    changes = np.empty((len(layers), len(scans), len(classifier.classes)), np.float32)
    with evaluating(classifier.network):
        for start in range(0, len(scans), batch):
            pixels = np.concatenate([classifier.prepare(scan)[0] for scan in scans[start : start + batch]])
            plain = classifier.logits(pixels, batch=batch)
            for number, layer in enumerate(layers):
                with replaced(classifier.network, layer.path, means[layer.path]):
                    changes[number, start : start + batch] = plain - classifier.logits(pixels, batch=batch)
            progress("layers replaced by their mean", min(start + batch, len(scans)), len(scans))
    return changes


def _rows(
    classifier: Classifier, maps: Sequence[Attribution], changes: Float32[np.ndarray, "layers k"]
) -> Iterator[Contribution]:
    """Of one scan."""
    energies = np.stack([each.grid.sum((1, 2), dtype=float) for each in maps])
    totals = energies.sum(0)
    for one, energy, change in zip(maps, energies, changes, strict=True):
        for t, target in enumerate(one.targets):
            yield Contribution(
                layer=one.layer or "",
                target=target,
                scan=one.scan,
                source=one.source,
                predicted=target == one.predicted,
                change=float(change @ classifier.target(target)),
                energy=float(energy[t]),
                share=float(energy[t] / totals[t]) if totals[t] > 0 else 0.0,
                diagnosis=one.diagnosis[t],
            )


def _pixels(classifier: Classifier, scans: Sequence[Scan]) -> Tensor:
    prepared = np.concatenate([classifier.prepare(scan)[0] for scan in scans])
    return torch.from_numpy(prepared).to(classifier.device)
