"""PNG: the overlay for the eye, and the raw map as 16-bit grey with the scale that turns it back into values."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt16
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from whyscan.errors import BadRun
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.records.facts import note
from whyscan.render import colour

_STEPS = 65535


def save_png(attribution: Attribution, target: str, stem: Path) -> list[Path]:
    """Write `<stem>.overlay.png`, `<stem>.raw.png` and `<stem>.json`.

    The raw map lies on the scan's own grid: value = offset + slope * stored, both in the JSON and in the PNG's text.
    A value is off by half a step at most, the range divided by 131,070.

    Raises:
        BadRun: the folder cannot be written to.
    """
    row = attribution.index(target)
    values = attribution.values[row]
    stored, scale = quantise(values)
    said = {**describe(attribution, attribution.targets[row]), "raw": {**scale, "formula": "offset + slope * stored"}}
    text = PngInfo()
    for name, words in (("whyscan:scale", json.dumps(scale)), ("whyscan:attribution", json.dumps(said))):
        text.add_text(name, words)
    written = {
        ".overlay.png": _png(Image.fromarray(attribution.overlay(target))),
        ".raw.png": _png(Image.fromarray(stored), text),
        ".json": (json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
    }
    paths = [stem.with_name(stem.name + ending) for ending in written]
    for path, content in zip(paths, written.values(), strict=True):
        files.write_bytes(path, content)
    return paths


def load_raw(path: Path) -> Float32[np.ndarray, "h w"]:
    """The values of a raw map, from the PNG alone. Raises BadRun where it is not one of ours."""
    try:
        with Image.open(path) as picture:
            picture.load()
            scale = json.loads(picture.info["whyscan:scale"])
            stored = np.asarray(picture, np.float64)
        return np.asarray(scale["offset"] + scale["slope"] * stored, np.float32)
    except FileNotFoundError:
        raise BadRun(f"{path} is missing", "a raw map", "export it again") from None
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        kind = type(error).__name__
        raise BadRun(f"{path} is no raw map ({kind})", "a PNG that whyscan wrote", "export it again") from error


def quantise(values: Float32[np.ndarray, "h w"]) -> tuple[UInt16[np.ndarray, "h w"], dict[str, float]]:
    """Values as 16 bit, and the scale back; a value that is not finite is stored as the one nearest to 0."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    slope = (high - low) / _STEPS
    filled = np.where(np.isfinite(values), values, np.clip(0.0, low, high)).astype(np.float64)
    stored = np.zeros(values.shape, np.uint16) if slope == 0 else np.round((filled - low) / slope).astype(np.uint16)
    return stored, {"offset": low, "slope": slope}


def describe(attribution: Attribution, target: str) -> dict[str, Any]:
    """What has to be known of a target's map to read it."""
    return {
        "method": attribution.method,
        "layer": attribution.layer,
        "model": attribution.model,
        "model_hash": attribution.model_hash,
        "scan": attribution.scan,
        "target": target,
        "predicted": attribution.predicted,
        "label": attribution.label,
        "probabilities": dict(zip(attribution.classes, map(float, attribution.probabilities), strict=True)),
        "unit": attribution.unit,
        "signed": attribution.signed,
        "convention": colour.convention(attribution.signed, attribution.quantity),
        "note": note(attribution, target),
        "seed": attribution.seed,
        "purpose": "research only, not for diagnosis",
    }


def _png(picture: Image.Image, text: PngInfo | None = None) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3, pnginfo=text)  # of overlays smaller than 9, and three times as fast
    return out.getvalue()
