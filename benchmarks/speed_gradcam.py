"""Jobs a to d: Grad-CAM of every layer, of the last one, and over a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import speed_peers as peers
import torch
from keras_worker import KerasWorker
from speed_record import Claim, Contestant, Job
from speed_setting import Setting
from torch import Tensor, nn

from whyscan.data.scan import Scan
from whyscan.explain.cams.gradcam import GradCAM
from whyscan.explain.explain import explain_layers

OURS, LOOP = "whyscan", "pytorch-grad-cam, looped"
ONCE, FROZEN = "pytorch-grad-cam, all layers at once", "pytorch-grad-cam, all layers at once, weights frozen"
CAPTUM, CAPTUM_LOOP = "captum", "captum, looped"
KERAS_LOOP, KERAS_ONCE = "Keras, a model per layer", "Keras, one model of all outputs"
BATCH, TEN = 8, 10
_KERAS = "Keras: keras.applications.Xception with random weights, in a process of its own."


def jobs(setting: Setting) -> list[Job]:
    keras = KerasWorker(setting.keras, setting.classifier.input_size, len(setting.classes)) if setting.keras else None
    one, every = [setting.predicted], list(setting.classes)
    return [
        _layers(setting, "a1", one, keras),
        _loops(setting, "a2", one, keras),
        _layers(setting, "b1", every, keras),
        _loops(setting, "b2", every, keras),
        _last(setting),
        _folder(setting),
    ]


def _layers(setting: Setting, key: str, targets: Sequence[int], keras: KerasWorker | None) -> Job:
    """All layers, beside the bound and the peers at their best: milliseconds, so that many repeats are to be had."""
    classifier, pixels = setting.classifier, setting.tensor()
    names = [classifier.classes[target] for target in targets]
    modules, bare = setting.modules(setting.network), setting.modules(setting.bare)
    bound = f"bound: 1 forward, {len(targets)} backward"

    def sized() -> None:
        for attribution in explain_layers(classifier, setting.scan, names).values():
            assert attribution.values.shape[1:] == setting.scan.shape

    contestants = [
        Contestant(OURS, lambda: _none(explain_layers(classifier, setting.scan, names)), "ours"),
        Contestant(bound, partial(bare_backward, setting.bare, bare[0], setting.laid_out(pixels), targets), "bound"),
        Contestant("whyscan, maps resized to the scan", sized, "also ours"),
        Contestant(ONCE, partial(peers.grad_cam_at_once, setting.network, modules, pixels, targets)),
        Contestant(FROZEN, partial(peers.grad_cam_at_once, setting.bare, bare, _needing(pixels), targets)),
    ]
    notes = ["With the weights frozen and an input that needs a gradient, pytorch-grad-cam does the bound's own work."]
    at_best = [ONCE]
    if keras is not None:
        contestants.append(Contestant(KERAS_ONCE, partial(keras.ask, "at once", len(targets))))
        at_best.append(KERAS_ONCE)
        notes.append(_KERAS)
    claims = [Claim(OURS, bound, 1 / 1.1), *(Claim(OURS, each, 1.5) for each in at_best)]
    return Job(key, _title(modules, targets), contestants, claims, often=6, notes=notes)


def _loops(setting: Setting, key: str, targets: Sequence[int], keras: KerasWorker | None) -> Job:
    """All layers, beside loops over layers and classes, as people write them."""
    classifier, pixels = setting.classifier, setting.tensor()
    names = [classifier.classes[target] for target in targets]
    modules = setting.modules(setting.network)

    def looped(way: object, layers: Sequence[nn.Module]) -> None:
        for target in targets:
            way(setting.network, layers, pixels, target)  # type: ignore[operator]

    def ours() -> None:
        for _ in range(TEN):
            explain_layers(classifier, setting.scan, names)

    contestants = [Contestant(OURS, ours, "ours", times=1 / TEN)]
    for name, way in ((LOOP, peers.grad_cam), (CAPTUM_LOOP, peers.captum_grad_cam)):
        warm = partial(looped, way, modules[:2])
        contestants.append(Contestant(name, partial(looped, way, modules), warm=warm))
    notes = []
    if keras is not None:
        warm = partial(keras.ask, "one layer", 1)
        contestants.append(Contestant(KERAS_LOOP, partial(keras.ask, "looped", len(targets)), warm=warm))
        notes.append(_KERAS)
    claims = [Claim(OURS, LOOP, 60.0), Claim(OURS, CAPTUM_LOOP, 35.0)] if len(targets) == 1 else []
    title = f"{_title(modules, targets)}, beside loops over layers and classes"
    return Job(key, title, contestants, claims, notes=notes)


def _title(layers: Sequence[nn.Module], targets: Sequence[int]) -> str:
    return f"Grad-CAM, {len(layers)} layers, {len(targets)} class{'es' if len(targets) > 1 else ''}"


def _last(setting: Setting) -> Job:
    classifier, pixels, target = setting.classifier, setting.tensor(), setting.predicted
    layer = setting.modules(setting.network)[-1:]
    bare = setting.modules(setting.bare)[-1]
    least = partial(bare_backward, setting.bare, bare, setting.laid_out(pixels), [target])
    contestants = [
        Contestant(OURS, lambda: _none(GradCAM()(classifier, [setting.scan], classifier.classes[target])), "ours"),
        Contestant("bound: 1 forward, 1 backward", least, "bound"),
        Contestant(CAPTUM, partial(peers.captum_grad_cam, setting.network, layer, pixels, target)),
        Contestant("pytorch-grad-cam", partial(peers.grad_cam, setting.network, layer, pixels, target)),
    ]
    return Job("c", "Grad-CAM, last layer, 1 class", contestants, [Claim(OURS, CAPTUM, 1.0)], often=4)


def _folder(setting: Setting) -> Job:
    classifier, scans = setting.classifier, setting.scans
    pixels, bare = setting.laid_out(setting.tensor(len(scans))), setting.modules(setting.bare)[-1]
    target = setting.predicted

    def plain() -> dict[str, int]:
        for part in pixels.split(BATCH):
            bare_backward(setting.bare, bare, part, [target])
        return {"images": len(pixels)}

    def ours(scans: Sequence[Scan]) -> dict[str, int]:
        GradCAM(batch=BATCH)(classifier, scans, classifier.classes[target])
        return {"images": len(scans)}

    bound = f"bound: forward and backward, batches of {BATCH}"
    contestants = [
        Contestant(OURS, partial(ours, scans), "ours"),
        Contestant(bound, plain, "bound"),
        Contestant("whyscan, from scans of their own sizes", partial(ours, setting.own_sizes), "also ours"),
    ]
    return Job("d", f"Grad-CAM, last layer, {len(scans)} scans", contestants, [Claim(OURS, bound, 0.95)])


def bare_backward(network: nn.Module, at: nn.Module, pixels: Tensor, targets: Sequence[int]) -> None:
    """The least that any Grad-CAM does: one forward, and for each class the backward to one layer's output.

    No weight needs a gradient, and nothing below the layer is differentiated. A layer whose output is changed in
    place by its successor cannot serve.
    """
    held: list[Tensor] = []

    def leaf(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        held.append(output.detach().requires_grad_(True))
        return held[-1]

    handle = at.register_forward_hook(leaf)
    try:
        logits = network(pixels)
    finally:
        handle.remove()
    for place, target in enumerate(targets):
        torch.autograd.grad(logits[:, target].sum(), held[-1:], retain_graph=place + 1 < len(targets))


def _needing(pixels: Tensor) -> Tensor:
    return pixels.clone().requires_grad_(True)


def _none(_found: object) -> None:
    """What was found is thrown away: the time counts."""
