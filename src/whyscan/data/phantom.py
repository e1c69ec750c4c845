"""Phantoms: drawn slices of heads whose lesion is known to the pixel, with or without a planted shortcut.

A phantom is made of three draws that do not know of each other, all from its seed: the head with its coil shading and
noise, the lesion, and the shortcut. So phantoms of two kinds with one seed differ in the lesion only, and a phantom
with a shortcut differs from the one without in the shortcut only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from whyscan.data.phantom_head import draw_head
from whyscan.data.phantom_lesion import LESIONS
from whyscan.data.phantom_shapes import Plane, field, paint
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadRun

KINDS = ("glioma", "meningioma", "no_tumor", "pituitary")
"""The classes, sorted as a catalogue sorts them."""

Cue = Literal["corner mark", "border", "intensity", "side"]

SMALLEST, LARGEST = 32, 2048
"""Sides in pixels between which a phantom can be drawn."""

_HEAD, _LESION, _CUE, _NOISE = range(4)
_LETTER = ("11110", "10001", "10001", "11110", "10100", "10010", "10001")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Something that tells the class and has nothing to do with the disease.

    Attributes:
        kind: "corner mark" (a bright R in a corner, as of a film), "border" (a thin frame), "intensity" (a brighter
            scan), or "side" (a head that lies further to the left).
        kinds: the classes whose scans carry it.
        rate: the share of those scans that do.
    """

    kind: Cue
    kinds: tuple[str, ...]
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Cue):
            raise BadInput(f"shortcut {self.kind!r}", f"one of {', '.join(get_args(Cue))}", "use one of these")
        for kind in self.kinds:
            _check_kind(kind)
        if not self.kinds:
            raise BadInput("a shortcut for no class", "at least one class", "name the classes in `kinds`")
        if not 0 <= self.rate <= 1:
            raise BadInput(f"rate = {self.rate!r}", "a share from 0 to 1", "change it")

    def describe(self) -> dict[str, Any]:
        """For a run's record of what was planted."""
        return asdict(self)


def phantom(kind: str, *, size: int = 128, seed: int, shortcut: Shortcut | None = None) -> Scan:
    """Draw one phantom.

    Args:
        kind: a class of `KINDS`.
        size: side in pixels.
        seed: the same seed gives the same pixels; see the top of this file for what it shares between kinds.
        shortcut: planted if `kind` is among its classes and the seed falls within its rate.

    Returns:
        A grey scan in [0, 1] on the 256 levels of an 8-bit PNG. `region` is the whole lesion with its oedema: no
        pixel outside it knows of the lesion. It is empty, not None, for "no_tumor".

    Raises:
        BadInput: an unknown kind, a size that cannot be drawn, or a negative seed.
    """
    _check_kind(kind)
    _whole("size", size, SMALLEST, LARGEST)
    _whole("seed", seed, 0)
    cue = shortcut.kind if shortcut and _carries(shortcut, kind, seed) else None
    head = draw_head(_rng(seed, _HEAD), size, shift=0.12 if cue == "side" else 0.0)
    signal, region = head.signal, np.zeros((size, size), bool)
    if kind in LESIONS:
        lesion = LESIONS[kind](_rng(seed, _LESION), head)
        signal, region = paint(signal, lesion.cover, lesion.signal), lesion.cover > 0
    image = _scanned(_rng(seed, _NOISE), signal)
    if cue == "intensity":
        image = image * np.float32(1.3)
    if cue in ("corner mark", "border"):
        image = np.where(_mark(cue, size), np.float32(0.9), image)
    values = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Scan(
        values[None].astype(np.float32) / np.float32(255),
        content_hash(values),
        source=f"phantom {kind} {seed}",
        label=kind,
        region=region,
        reading=(f"drawn: {head.view} phantom of seed {seed}" + (f" with a planted {cue}" if cue else ""),),
    )


def shortcut_area(shortcut: Shortcut, kind: str, *, size: int = 128, seed: int) -> Bool[np.ndarray, "h w"]:
    """Where the shortcut is in the phantom of this kind, size and seed.

    Empty if this phantom does not carry it; the whole scan where it is in no one place ("intensity", "side").
    """
    _check_kind(kind)
    _whole("size", size, SMALLEST, LARGEST)
    _whole("seed", seed, 0)
    if not _carries(shortcut, kind, seed):
        return np.zeros((size, size), bool)
    if shortcut.kind in ("corner mark", "border"):
        return _mark(shortcut.kind, size)
    return np.ones((size, size), bool)


@dataclass(frozen=True, slots=True)
class Item:
    """One phantom of a set: its file's path below the set's root, and what it is drawn from."""

    path: str
    kind: str
    seed: int


def phantom_set(*, per_class: int, test_per_class: int, seed: int) -> Iterator[Item]:
    """The phantoms that `write_phantoms` writes, each with a seed of its own, which a larger set keeps."""
    for at, (part, count) in enumerate((("Training", per_class), ("Testing", test_per_class))):
        for number, kind in enumerate(KINDS):
            for index in range(count):
                entropy = np.random.SeedSequence([seed, at, number, index])
                own = int(entropy.generate_state(1, np.uint64)[0])
                yield Item(f"{part}/{kind}/{kind}-{index:04d}.png", kind, own)


def write_phantoms(
    folder: Path,
    *,
    per_class: int,
    test_per_class: int,
    size: int = 128,
    seed: int,
    shortcut: Shortcut | None = None,
    test_shortcut: Shortcut | None = None,
) -> None:
    """Write a data set: Training/<class>/*.png, Testing/<class>/*.png, and masks/<the same path>.

    Args:
        folder: made by this call, and only once all of it is written; it must not exist, or be empty.
        per_class, test_per_class: phantoms of each class; with 0 for the test there is no Testing folder.
        size: side in pixels.
        seed: of the whole set.
        shortcut: planted in the training part.
        test_shortcut: planted in the test part. None by default: the next hospital does not have it.

    Raises:
        BadInput: numbers that cannot serve, or a folder that holds something.
        BadRun: the folder cannot be written to.
    """
    _whole("per_class", per_class, 1)
    _whole("test_per_class", test_per_class, 0)
    _whole("size", size, SMALLEST, LARGEST)
    _whole("seed", seed, 0)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something already", "a new or empty folder", "choose another, or empty it")
    part: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        for item in phantom_set(per_class=per_class, test_per_class=test_per_class, seed=seed):
            planted = shortcut if item.path.startswith("Training/") else test_shortcut
            _write(part, item, phantom(item.kind, size=size, seed=item.seed, shortcut=planted))
        # mkdtemp makes a private folder; the one above is as open as the user's umask says.
        part.chmod((part / "masks").stat().st_mode & 0o777)
        part.replace(folder)
    except OSError as error:
        raise BadRun(
            f"{folder} could not be written ({error.strerror or error})",
            "a folder with room that this user may write to",
            "free some space, change the folder's permissions, or choose another",
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _write(root: Path, item: Item, scan: Scan) -> None:
    assert scan.region is not None
    for path, image in (
        (root / item.path, Image.fromarray(_grey(scan))),
        (root / "masks" / item.path, Image.fromarray(scan.region)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, compress_level=3)


def _grey(scan: Scan) -> UInt8[np.ndarray, "h w"]:
    return scan.thumbnail()


def _scanned(rng: np.random.Generator, signal: Plane) -> Plane:
    """What the scanner makes of the signal: gain, slow shading of the coil, and Rician noise.

    The noise is that of a magnitude image (Gudbjartsson and Patz 1995): sqrt((s + n1)^2 + n2^2), n1 and n2 normal.
    """
    size = signal.shape[0]
    gain, level = np.float32(rng.uniform(0.80, 1.05)), np.float32(rng.uniform(0.012, 0.030))
    shading = 1 + np.float32(rng.uniform(0.04, 0.10)) * field(rng, 3, size)
    first, second = rng.standard_normal((2, size, size), dtype=np.float32) * level
    return np.asarray(np.hypot(signal * gain * shading + first, second), np.float32)


def _mark(cue: Cue, size: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a cue that is drawn over the scan."""
    area = np.zeros((size, size), bool)
    if cue == "border":
        width = max(1, round(size / 64))
        area[:width] = area[-width:] = True
        area[:, :width] = area[:, -width:] = True
        return area
    letter = np.array([[cell == "1" for cell in row] for row in _LETTER])
    letter = np.kron(letter, np.ones((max(1, round(size / 64)),) * 2, bool))
    margin = max(1, round(size / 32))
    area[margin : margin + letter.shape[0], margin : margin + letter.shape[1]] = letter
    return area


def _carries(shortcut: Shortcut, kind: str, seed: int) -> bool:
    return kind in shortcut.kinds and bool(_rng(seed, _CUE).random() < shortcut.rate)


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, stream]))


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise BadInput(f"kind {kind!r}", f"one of {', '.join(KINDS)}", "use one of these")


def _whole(name: str, value: int, low: int, high: int | None = None) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
        wanted = f"a whole number from {low}" + (" up" if high is None else f" to {high}")
        raise BadInput(f"{name} = {value!r}", wanted, "change it")
