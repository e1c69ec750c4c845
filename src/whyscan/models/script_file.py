"""Programs of torch as black boxes: TorchScript (torch.jit.save) and exported ones (torch.export.save, .pt2).

TorchScript is read by torch's own interpreter, which knows no Python; but its operators can write files, and a
`__setstate__` runs when it is opened. So the archive is copied entry by entry without the latter, and the operators
are compared with a list. `torch.export.load` is never called: it unpickles and evaluates text. Its graph is JSON and
its weights are plain numbers, which `exported` reads itself.
"""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from whyscan.errors import BadModel
from whyscan.models.adopt import guess, names, probe, readable, scaling, square
from whyscan.models.blackbox import black_box, looks_like_probabilities
from whyscan.models.classifier import Classifier, Pixels
from whyscan.models.exported import read_exported
from whyscan.models.preprocess import IMAGENET, Normalisation
from whyscan.models.script_ops import refused
from whyscan.records.geometry import Fit

PATIENCE_S = 3
"""Of a processor, for a first run of a program."""
CLOCK_S = 120.0
_TRACE = "trace the network again: torch.jit.save(torch.jit.trace(model.eval(), example), path)"
_GROWTH, _FREE = 16, 64 * 2**20


def open_script(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int],
    preprocess: str | Normalisation = "auto",
    fit: Fit = "stretch",
    name: str | None = None,
    scores: Literal["auto", "logit", "probability"] = "auto",
) -> Classifier:
    """A black box from a TorchScript or exported program.

    Args:
        path: the file; which of the two it is, its contents tell.
        classes: class names in the order of the output; "class 0" and so on by default.
        input_size: pixels a side, or (height, width).
        preprocess: "/255", "x/127.5-1", "imagenet", "caffe", "0..255", or "auto": "imagenet", which is a guess.
        fit: how scans are brought to that size.
        name: what it is called in tables; the file's name by default.
        scores: what it answers with; "auto" looks at its answers.

    Raises:
        BadModel: not such a file, operators that are not on the list, or no scores (n, k) for images (n, 3, h, w).
    """
    path = Path(path)
    content = readable(path, 2**31).read_bytes()
    entries = _entries(content, path)
    exported = any(key.endswith("models/model.json") for key in entries)
    size = square(input_size)
    module: Callable[[Tensor], Any] = read_exported(entries, path) if exported else _scripted(entries, path, size)
    scaled = scaling(preprocess, guess(IMAGENET, "most networks of PyTorch begin from weights trained with it"))
    ask = _asked(module, scaled.normal, path)
    answers = ask(probe(size).numpy())
    if answers.ndim != 2 or len(answers) != 2 or not np.isfinite(answers).all():
        raise BadModel(f"{path} answered two images with {answers.shape}", "finite scores (2, k)", _TRACE)
    kind = scores if scores != "auto" else "probability" if _certain(answers) else "logit"
    sha = hashlib.sha256(content).hexdigest()
    labels = names(classes, answers.shape[1], path.name)
    box = black_box(ask, labels, size, name=name or path.stem, scores=kind, hash=sha, fit=fit)
    about = {
        "framework": "torch.export" if exported else "torchscript", **scaled.facts(), "scores": kind,
        "origin": path.name, "file_sha256": sha,
        "white box": "no: a program has no layers to look into",
    }  # fmt: skip
    return Classifier(box.name, box.classes, size, box.network, (), fit=fit, hash=sha, about=about, white_box=False)


def _certain(answers: np.ndarray) -> bool:
    """One column within [0, 1] is taken for a sigmoid, rows that add up to 1 for a softmax."""
    if answers.shape[1] == 1:
        return bool(((answers >= 0) & (answers <= 1)).all())
    return looks_like_probabilities(answers)


def _entries(content: bytes, path: Path) -> dict[str, bytes]:
    """What is in the archive, each name once, and not much larger than the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if len({info.filename for info in infos}) == len(infos) and total <= _GROWTH * len(content) + _FREE:
                return {info.filename: archive.read(info) for info in infos}
    except Exception as error:  # zlib.error, lzma's and a dozen more come out of damaged archives
        reason = " ".join(str(error).split())[:160]
        raise BadModel(
            f"{path} is not an archive of torch ({reason})", "TorchScript or .pt2", "copy it again"
        ) from error
    raise BadModel(f"{path} holds {total} bytes in {len(infos)} entries", "an archive as torch writes it", _TRACE)


def _tried(program: bytes, size: tuple[int, int], path: Path) -> None:
    """Let another process run it first: a damaged program may crash torch, and take this process with it."""
    if not sys.executable:  # embedded in another program: there is no interpreter to start
        return
    script = Path(__file__).with_name("script_probe.py")
    command = [sys.executable, "-I", str(script), str(PATIENCE_S), str(size[0]), str(size[1])]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere) as process:
        try:
            process.communicate(program, timeout=CLOCK_S)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.returncode == -getattr(signal, "SIGXCPU", 0) or process.returncode == -getattr(signal, "SIGKILL", 0):
        raise BadModel(f"{path} gave no answer in {PATIENCE_S} s", "a network that answers", _TRACE)
    if process.returncode not in (0, 1):
        raise BadModel(f"{path} is damaged: it made torch crash", "a whole file", "copy it again from where it is from")


def _scripted(entries: dict[str, bytes], path: Path, size: tuple[int, int]) -> Callable[[Tensor], Any]:
    for key, value in entries.items():
        if key.endswith(".py") and b"__setstate__" in value:
            raise BadModel(f"{path} runs code when it is opened (__setstate__ in {key})", "a traced network", _TRACE)
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:  # what was looked at is what is opened, byte for byte
        for key, value in entries.items():
            if not key.endswith(".debug_pkl"):
                archive.writestr(key, value)
    copy.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript; the file is what it is
            module = torch.jit.load(copy, map_location="cpu")  # type: ignore[no-untyped-call]
            kinds = sorted(set(_kinds(module.inlined_graph)))
    except Exception as error:  # a stranger's bytes: RuntimeError mostly, but not only
        reason = " ".join(str(error).split())[:160]
        raise BadModel(f"{path} cannot be read as TorchScript ({reason})", "a traced network", _TRACE) from error
    if odd := [kind for kind in kinds if refused(kind)]:
        raise BadModel(
            f"{path} uses {', '.join(odd[:6])}", "operators that compute on tensors, without loops or files", _TRACE
        )
    _tried(copy.getvalue(), size, path)
    return module.eval()  # type: ignore[no-any-return]


def _kinds(block: Any) -> Iterator[str]:
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _kinds(inner)


def _asked(module: Callable[[Tensor], Any], normal: Normalisation, path: Path) -> Callable[[Pixels], np.ndarray]:
    def once(x: Tensor) -> Tensor:
        out = module(x)
        if not isinstance(out, Tensor):
            raise BadModel(f"{path} answered with {type(out).__name__}", "one tensor of scores (n, k)", _TRACE)
        return out

    def ask(pixels: Pixels) -> np.ndarray:
        x = normal.apply(torch.from_numpy(pixels))
        try:
            with torch.inference_mode():
                try:
                    out = once(x)
                except RuntimeError:  # traced for a batch of one
                    out = torch.cat([once(row[None]) for row in x])
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
            reason = " ".join(str(error).split())[-200:]
            raise BadModel(
                f"{path} failed on {tuple(x.shape)} ({reason})", "scores (n, k)", "check input_size (--input-size)"
            ) from error
        return np.asarray(out.float().numpy())

    return ask
