"""Attention rollout: how much of each patch reaches a transformer's answer, by attention alone.

Abnar & Zuidema, "Quantifying attention flow in transformers", ACL 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from whyscan.checks import given, one_of
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadModel
from whyscan.explain.gradients.backward import Question, attribution, check_settings
from whyscan.explain.targets import Targets, resolve
from whyscan.explain.whitebox import need_gradients
from whyscan.models.batches import halving
from whyscan.models.classifier import Classifier
from whyscan.models.modes import evaluating, plain_float32
from whyscan.progress import Progress, quiet
from whyscan.records.attribution import Attribution

Heads = Literal["mean", "max", "min"]

# the arguments of nn.MultiheadAttention in order
_PLACES = (
    "query", "key", "value", "key_padding_mask", "need_weights", "attn_mask", "average_attn_weights", "is_causal",
)  # fmt: skip

SAME = "there, the same for every target"


def rollout(attentions: Sequence[Float[Tensor, "n h s s"]], heads: Heads = "mean") -> list[Float[Tensor, "n s s"]]:
    """Section 3, equation 1, after each block: row i says what share of each input token is in token i.

    A block's heads are made one; the residual connection counts as much as the attention: (A + I) with rows that add up
    to 1; blocks are multiplied, later ones from the left.
    """
    found: list[Tensor] = []
    for attention in attentions:
        one = attention.mean(1) if heads == "mean" else attention.amax(1) if heads == "max" else attention.amin(1)
        mixed = one + torch.eye(one.shape[-1], device=one.device)
        mixed = mixed / mixed.sum(-1, keepdim=True)
        found.append(mixed @ found[-1] if found else mixed)
    return found


@dataclass(frozen=True)
class AttentionRollout:
    """Which patches are attended to, over all blocks: the class token's row, or the mean row where tokens are pooled.

    It follows attention only, neither values nor what the blocks compute with them, and it knows no classes: every
    target gets the same map, which says where the network looked and not for what.

    Attributes:
        heads: how the heads of a block are made one: "mean" (the paper), "max" or "min".
        blocks: how many blocks are rolled out, from the first; None for all.
        batch: how many scans are run together.
    """

    heads: Heads = "mean"
    blocks: int | None = None
    batch: int = 8

    def __post_init__(self) -> None:
        check_settings(self, batch=self.batch, **given(blocks=self.blocks))
        one_of(get_args(Heads), heads=self.heads)

    def __call__(
        self,
        classifier: Classifier,
        scans: Sequence[Scan],
        targets: Targets = "all",
        *,
        seed: int = 0,  # noqa: ARG002 - the same call for every method
        progress: Progress = quiet,
    ) -> list[Attribution]:
        """One attribution per scan, on the grid of patches.

        Raises:
            BadModel: no transformer; or its attention does not reach over the whole scan (Swin), or over no grid.
            BadInput: more blocks than there are.
        """
        need_gradients(classifier, "attention rollout")
        found: list[Attribution] = []
        work = partial(self._batch, classifier, scans, targets)
        for some in halving(work, len(scans), self.batch):
            found += some
            progress("attention rollout", len(found), len(scans))
        return found

    def _batch(
        self, classifier: Classifier, every: Sequence[Scan], targets: Targets, piece: slice
    ) -> list[Attribution]:
        scans = every[piece]
        prepared = [classifier.prepare(scan) for scan in scans]
        pixels = torch.from_numpy(np.concatenate([pixels for pixels, _ in prepared])).to(classifier.device)
        logits, attentions = attend(classifier, pixels)
        if self.blocks is not None and self.blocks > len(attentions):
            came = f"{self.blocks} blocks, of a network with {len(attentions)}"
            raise BadInput(came, f"at most {len(attentions)}", "leave blocks out for all")
        maps = on_grid(classifier, rollout(attentions[: self.blocks], self.heads)[-1])
        found = []
        for i, scan in enumerate(scans):
            row = logits[i].cpu().numpy()
            names, weights = resolve(classifier, targets, row, scan.label)
            question = Question(scan, prepared[i][1], pixels[i], row, names, torch.from_numpy(weights))
            each = maps[i].expand(len(names), *maps.shape[1:])
            settings = {"heads": self.heads, "blocks": self.blocks or len(attentions)}
            found.append(
                attribution(
                    classifier, question, each, [SAME] * len(names),
                    method="attention_rollout", quantity="share of attention", evaluations=1, settings=settings,
                )
            )  # fmt: skip
        return found


def attend(
    classifier: Classifier, pixels: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n k"], list[Float[Tensor, "n h s s"]]]:
    """Logits, and every block's attention probabilities in order of execution.

    Raises:
        BadModel: see `AttentionRollout`.
    """
    seen: list[Tensor] = []
    network, name = classifier.network, classifier.name
    with evaluating(network), _watched(network, seen.append), torch.inference_mode(), plain_float32(pixels.device):
        logits = network(pixels)
    if not seen:
        raise BadModel(
            f"{name} has no attention that can be watched", "a vision transformer", "use gradcam or another method"
        )
    if any(each.ndim != 4 or len(each) != len(pixels) or each.shape != seen[0].shape for each in seen):
        came = f"{name} attends within windows or on several grids, so its blocks cannot be multiplied"
        raise BadModel(came, "attention over all tokens in every block (ViT, DeiT)", "use gradcam or another method")
    if not bool(torch.isfinite(logits).all()) or not all(bool(torch.isfinite(each).all()) for each in seen):
        raise BadModel(f"{name} answered with NaN or infinity", "finite logits and attention", "check the weights")
    return logits, seen


@contextmanager
def _watched(network: nn.Module, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand every attention matrix to `keep`; the network is as before afterwards, whatever is raised inside.

    timm's blocks compute the matrix only when they are not fused, and then pass it through their `attn_drop`;
    torch's own (as in torchvision's ViT) return it when asked to.
    """
    handles, fused = [], []
    try:
        for module in network.modules():
            drop = getattr(module, "attn_drop", None)
            if isinstance(drop, nn.Module):
                handles.append(drop.register_forward_pre_hook(lambda _, inputs: keep(inputs[0])))
                if hasattr(module, "fused_attn"):
                    fused.append((module, module.fused_attn))
                    module.fused_attn = False  # type: ignore[assignment]
            elif isinstance(module, nn.MultiheadAttention):
                handles.append(module.register_forward_pre_hook(_with_weights, with_kwargs=True))
                handles.append(module.register_forward_hook(lambda _, __, output: keep(output[1])))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, was in fused:
            module.fused_attn = was


def _with_weights(_module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    named = dict(zip(_PLACES, args, strict=False))
    return (), {**named, **kwargs, "need_weights": True, "average_attn_weights": False}


def on_grid(classifier: Classifier, rolled: Float[Tensor, "n s s"]) -> Float[Tensor, "n gh gw"]:
    """The answer's row without the tokens that are no patches, as the grid of patches.

    Raises:
        BadModel: the tokens are no grid of the input's proportions.
    """
    tokens = rolled.shape[-1]
    modules: list[Any] = list(classifier.network.modules())
    height, width = classifier.input_size
    known = [int(m.num_prefix_tokens) for m in modules if isinstance(getattr(m, "num_prefix_tokens", None), int)]
    pools = [
        m.global_pool for m in modules if isinstance(getattr(m, "global_pool", None), str) and hasattr(m, "blocks")
    ]
    for extra in known[:1] or (1, 0, 2):
        rows = round(((tokens - extra) * height / width) ** 0.5)
        if rows > 0 and (tokens - extra) % rows == 0 and rows * width == (tokens - extra) // rows * height:
            # where patches are pooled for the answer, a class token, if there is one, is not read
            pooled = extra == 0 or bool(pools and pools[0] not in ("token", ""))
            row = rolled[:, extra:].mean(1) if pooled else rolled[:, 0]
            return row[:, extra:].reshape(len(rolled), rows, -1)
    came = f"{classifier.name} attends over {tokens} tokens that are no grid of {height} x {width} pixels"
    raise BadModel(came, "one token per patch, and a few more", "use gradcam or another method")
