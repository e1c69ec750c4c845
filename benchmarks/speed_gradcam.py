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
BATCH = 8


def jobs(setting: Setting) -> list[Job]:
    keras = KerasWorker(setting.keras, setting.classifier.input_size, len(setting.classes)) if setting.keras else None
    return [
        _layers(setting, "a", [setting.predicted], keras),
        _layers(setting, "b", list(setting.classes), keras),
        _last(setting),
        _folder(setting),
    ]


def _layers(setting: Setting, key: str, targets: Sequence[int], keras: KerasWorker | None) -> Job:
    classifier, pixels = setting.classifier, setting.tensor()
    names = [classifier.classes[target] for target in targets]
    modules, few = setting.modules(setting.network), 2
    bare = setting.modules(setting.bare)[0]
    bound = f"bound: 1 forward, {len(targets)} backward"

    def looped(way: object, layers: Sequence[nn.Module]) -> None:
        for target in targets:
            way(setting.network, layers, pixels, target)  # type: ignore[operator]

    def sized() -> None:
        for attribution in explain_layers(classifier, setting.scan, names).values():
            assert attribution.values.shape[1:] == setting.scan.shape

    contestants = [
        Contestant(OURS, lambda: _none(explain_layers(classifier, setting.scan, names)), "ours"),
        Contestant(bound, partial(bare_backward, setting.bare, bare, setting.laid_out(pixels), targets), "bound"),
        Contestant("whyscan, maps resized to the scan", sized, "also ours"),
        Contestant(ONCE, partial(peers.grad_cam_at_once, setting.network, modules, pixels, targets)),
        Contestant(
            FROZEN,
            partial(peers.grad_cam_at_once, setting.bare, setting.modules(setting.bare), _needing(pixels), targets),
        ),
        Contestant(LOOP, partial(looped, peers.grad_cam, modules), warm=partial(looped, peers.grad_cam, modules[:few])),
        Contestant(
            CAPTUM_LOOP,
            partial(looped, peers.captum_grad_cam, modules),
            warm=partial(looped, peers.captum_grad_cam, modules[:few]),
        ),
    ]
    notes = [f"{len(modules)} layers. A loop goes over layers and classes, as people write it."]
    notes.append(
        "With the weights frozen and an input that needs a gradient, pytorch-grad-cam does the bound's own work."
    )
    if keras is not None:
        contestants += [
            Contestant(KERAS_ONCE, partial(keras.ask, "at once", len(targets))),
            Contestant(KERAS_LOOP, partial(keras.ask, "looped", len(targets)), warm=partial(keras.ask, "one layer", 1)),
        ]
        notes.append("Keras: keras.applications.Xception with random weights, in a process of its own.")
    at_best = [ONCE, *([KERAS_ONCE] if keras else [])]
    claims = [Claim(OURS, bound, 1 / 1.1)]
    if len(targets) == 1:
        at_best = [ONCE, *([KERAS_ONCE] if keras else [])]
        claims += [
            Claim(OURS, LOOP, 60.0),
            Claim(OURS, CAPTUM_LOOP, 35.0),
            *(Claim(OURS, each, 1.5) for each in at_best),
        ]
    title = f"Grad-CAM, {len(modules)} layers, {len(targets)} class{'es' if len(targets) > 1 else ''}"
    return Job(key, title, contestants, claims, notes=notes)


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
    return Job("c", "Grad-CAM, last layer, 1 class", contestants, [Claim(OURS, CAPTUM, 1.0)], repeats=21)


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
