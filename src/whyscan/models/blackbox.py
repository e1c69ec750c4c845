"""A black box: any function from pixels to scores, as a classifier that every perturbation method can ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from whyscan.errors import BadInput, BadModel
from whyscan.models.classifier import Classifier, Pixels
from whyscan.records.geometry import Fit

Answers = Literal["probability", "logit"]

_FLOOR = float(np.finfo(np.float32).eps)
_SLACK = 0.01
_TELLING = 1e-4


def black_box(
    predict: Callable[[Pixels], Any],
    classes: Sequence[str],
    input_size: int | tuple[int, int],
    *,
    name: str = "black box",
    scores: Answers = "probability",
    hash: str = "",
    fit: Fit = "stretch",
) -> Classifier:
    """A classifier of which nothing is known but its answers: a Keras model, an ONNX session, a service, a rule.

    It serves LIME, SHAP, Owen values, occlusion, RISE and anchors; methods that look inside a network refuse it.

    Args:
        predict: pixels, float32 (n, 3, h, w) in [0, 1] and not normalised -> scores (n, k), as an array or a tensor;
            or (n,) or (n, 1) where there are two classes, for the second of them (one sigmoid output).
            It is given a copy, and at most 16 scans at a time. Whatever it raises comes through.
        classes: the k class names, in the order of the scores.
        input_size: pixels a side, or (height, width).
        name: what it is called in tables.
        scores: whether `predict` answers with probabilities or with logits (before softmax or sigmoid).
        hash: something that changes when the model does; it goes into every record.
        fit: how scans are brought to that size: "stretch" or "pad".

    Returns:
        A classifier. Its logits are the logarithms of the probabilities, so that their softmax gives them back;
        a probability below 1.2e-7 counts as 1.2e-7, since its complement cannot be told from 1 in float32.

    Raises:
        BadInput: fewer than two classes, or scores that are neither of the two.
        BadModel: at a call: what came is not scores of that kind; the message says what came and how to mend it.
    """
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise BadInput(
            f"classes {', '.join(classes) or '()'}",
            "two or more different names",
            'name them: classes=["a", "b"] (--classes a,b)',
        )
    if scores not in ("probability", "logit"):
        raise BadInput(f"scores {scores!r}", '"probability" or "logit"', "say which of them predict answers with")
    size = (input_size, input_size) if isinstance(input_size, int) else input_size
    network = _BlackBox(predict, len(classes), name, scores).eval()
    return Classifier(name, tuple(classes), size, network, (), fit=fit, hash=hash, white_box=False)


class _BlackBox(nn.Module):
    """pixels (n, 3, h, w) -> logits (n, k), by asking a function."""

    def __init__(self, predict: Callable[[Pixels], Any], classes: int, name: str, scores: Answers) -> None:
        super().__init__()
        self._predict, self._classes, self._name, self._scores = predict, classes, name, scores
        self._asked = False

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        if pixels.requires_grad:
            raise BadModel(
                f"a gradient was asked of {self._name}", "a network", "use a method that only asks, such as lime"
            )
        # a copy, for a function that works in place would change the caller's scans
        answers = matrix(self._predict(pixels.float().cpu().numpy().copy()), len(pixels), self._classes, self._name)
        if self._scores == "probability":
            logits = log_odds(answers, self._classes, self._name)
        else:
            logits = answers if answers.shape[1] == self._classes else np.concatenate([-answers, answers], 1) / 2
            if not self._asked and looks_like_probabilities(logits):
                raise BadModel(
                    f"{self._name} answered with rows that add up to 1",
                    "logits",
                    'say scores="probability" (--scores probability)',
                )
        self._asked = True
        return torch.from_numpy(logits).to(pixels.device)


def matrix(answer: Any, rows: int, classes: int, name: str) -> Float32[np.ndarray, "n k"]:
    """Whatever a model answered, as scores (n, k), or (n, 1) for the second of two classes.

    Raises:
        BadModel: a mapping, a tuple, no numbers, another shape, NaN or infinity.
    """
    wanted = f"scores ({rows}, {classes})" + (f", ({rows},) or ({rows}, 1)" if classes == 2 else "")
    if isinstance(answer, Mapping):
        keys = ", ".join(map(repr, answer))
        raise BadModel(f"{name} answered with a dict of {keys}", wanted, "return the one of them that holds the scores")
    if isinstance(answer, tuple):
        raise BadModel(f"{name} answered with a tuple of {len(answer)}", wanted, "return the one that holds the scores")
    try:
        array = np.asarray(answer.detach().cpu() if isinstance(answer, Tensor) else answer, np.float32)
    except (TypeError, ValueError) as error:
        raise BadModel(f"{name} answered with {type(answer).__name__}", wanted, "return an array") from error
    if array.ndim == 1 and classes == 2 and len(array) == rows:
        array = array[:, None]
    if array.shape not in {(rows, classes), (rows, 1 if classes == 2 else classes)}:
        raise BadModel(f"{name} answered {rows} scans with shape {array.shape}", wanted, "return one row for each scan")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array).all(1)).sum())
        raise BadModel(
            f"{name} answered {bad} of {rows} scans with NaN or infinity", wanted, "check it on a grey image"
        )
    return array


def log_odds(answers: Float32[np.ndarray, "n k"], classes: int, name: str) -> Float32[np.ndarray, "n k"]:
    """Logarithms of probabilities; a single column is the second of two classes.

    Raises:
        BadModel: a row is outside [0, 1] or does not add up to 1.
    """
    check_probabilities(answers, name)
    both = answers if answers.shape[1] == classes else np.concatenate([1 - answers, answers], 1)
    return np.asarray(np.log(np.clip(both, _FLOOR, 1)), np.float32)


def check_probabilities(answers: Float32[np.ndarray, "n k"], name: str) -> None:
    """Refuse what cannot be probabilities (n, k), or (n, 1) for the second of two classes.

    Raises:
        BadModel: a number is outside [0, 1], or a row of several does not add up to 1.
    """
    low, high = float(answers.min(initial=0)), float(answers.max(initial=0))
    if low < -_SLACK or high > 1 + _SLACK:
        raise BadModel(
            f"{name} answered with {low:.3g} to {high:.3g}, which look like logits",
            "probabilities",
            'say scores="logit" (--scores logit), or let it answer with the softmax or sigmoid of them',
        )
    total = answers.sum(1)
    if answers.shape[1] > 1 and (np.abs(total - 1) > _SLACK).any():
        worst = float(total[np.argmax(np.abs(total - 1))])
        raise BadModel(
            f"{name} answered with rows that add up to {worst:.3g}, not 1",
            f"probabilities of {answers.shape[1]} classes that exclude each other",
            'say scores="logit" (--scores logit) if these are logits; divide independent probabilities by their sum',
        )


def looks_like_probabilities(answers: Float32[np.ndarray, "n k"]) -> bool:
    """Whether every row is within [0, 1] and adds up to 1, which logits do by accident only."""
    if answers.shape[0] == 0 or answers.shape[1] < 2:
        return False
    return bool((answers >= 0).all() and (np.abs(answers.sum(1) - 1) < _TELLING).all())
