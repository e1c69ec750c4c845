"""DICOM: one image, or one frame of it, to a Scan. Nothing that names the patient gets out of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from whyscan.data import dicom_facts as facts
from whyscan.data.decode import Decoded
from whyscan.data.dicom_file import modality, parsed, pseudonym, reading, short_hash
from whyscan.data.dicom_pixels import GREY, colours, padding, photometric, stored, table
from whyscan.data.dicom_window import Asked, Window, full_range, percentile_range, usable, windowed
from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput
from whyscan.records.place import Place
from whyscan.records.reading import WARNING

BURNED_IN = f"{WARNING}the file says that text is burned into the picture; it may name the patient"
PERHAPS_BURNED_IN = f"{WARNING}text may be burned into the picture and may name the patient: the file does not say"


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame, read.

    Attributes:
        pixels: (c, h, w) in [0, 1].
        content: the hash of the stored values: another window is the same scan.
        reading: what was done, one sentence each.
        place: where it lies.
        name: a name that says nothing about the patient.
        patient: the hash of the patient's id, or None.
    """

    pixels: Float32[np.ndarray, "c h w"]
    content: str
    reading: tuple[str, ...]
    place: Place
    name: str
    patient: str | None


def read_dicom(
    path: str | Path,
    *,
    frame: int | None = None,
    window: Asked = None,
    label: str | None = None,
    patient: str | None = None,
    source: str | None = None,
) -> Scan:
    """Read one DICOM image.

    Args:
        path: the file; its name does not matter, its content does.
        frame: which frame, from 0, of a file that has several.
        window: which values lie between black and white: the number of one of the file's windows (from 0) or its name
            in the file, (centre, width), "lut" (the file's VOI table), "full" (minimum to maximum), or "percentile"
            (0.5th to 99.5th). By default the file's table, else its first window, else "percentile".
        label, patient: what is known about it; the patient is by default a hash of the file's patient id.
        source: the name it goes by; by default one made of its modality and a hash.

    Raises:
        BadScan: not DICOM, no image, damaged, without pixels, of several frames, or compressed in a way for which no
            decoder is installed.
        BadInput: a window that the file does not have.
    """
    picture = read_picture(Path(path), frame=frame, window=window)
    return Scan(
        picture.pixels,
        picture.content,
        source=picture.name if source is None else source,
        label=label,
        patient=picture.patient if patient is None else patient,
        reading=picture.reading,
        place=picture.place,
    )


def read_picture(path: Path, *, frame: int | None = None, window: Asked | Window = None) -> Picture:
    """As `read_dicom`, to a Picture. Raises as it does."""
    with reading(path):
        return picture_of(parsed(path), path, frame, window)


def shades(data: Any, path: Path, frame: int | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(stored values, values after the modality's table or rescaling, what was done) of a grey frame."""
    values = stored(data, path, frame)
    said: list[str] = []
    items = data.get("ModalityLUTSequence")
    if items:
        lut = table(items[0], int(data.get("PixelRepresentation", 0)) == 1)
        said.append("the file's modality table applied")
        return values, lut.look_up(values), said
    slope, intercept = facts.rescale(data, frame, path.name)
    if (slope, intercept) != (1.0, 0.0):
        said.append(f"rescaled: {slope:g} x value {intercept:+g}")
    return values, values.astype(np.float64) * slope + intercept, said


def picture_of(data: Any, path: Path, frame: int | None, window: Asked | Window) -> Picture:
    """As `read_picture`, of a file that is parsed already; call it inside `reading`."""
    facts.check_image(data, path.name)
    said = [] if frame is None else [f"frame {frame} of {facts.frames(data)}"]
    if photometric(data) in GREY or not photometric(data):
        values, pixels = _grey(data, path, frame, window, said)
    else:
        values, pixels = _coloured(data, path, frame, window, said)
    said += warnings_of(data)
    place = _place(data, frame)
    said += geometry_notes(data, frame)
    name = f"{modality(data)}-{short_hash(data.get('SOPInstanceUID') or content_hash(values), 8)}"
    name += "" if frame is None else f"-frame-{frame:03d}"
    return Picture(pixels, content_hash(values), tuple(said), place, name, pseudonym(data))


def _grey(
    data: Any, path: Path, frame: int | None, window: Asked | Window, said: list[str]
) -> tuple[Shaped[np.ndarray, "h w"], Float32[np.ndarray, "1 h w"]]:
    values, scaled, done = shades(data, path, frame)
    said += done
    unknown = ~np.isfinite(scaled)
    if unknown.any():
        said.append(f"{WARNING}{int(unknown.sum())} values are no numbers (NaN or infinite): shown as black")
    outside = padding(values, data) | unknown
    scaled = np.where(unknown, 0.0, scaled)
    shown = _shown(scaled, ~outside, data, path, frame, window, said)
    if photometric(data) == "MONOCHROME1":
        shown = 1 - shown
        said.append("MONOCHROME1: inverted, so that high is white")
    if outside.any():
        shown = np.where(outside, 0.0, shown)
        if (outside & ~unknown).any():
            said.append(f"{int((outside & ~unknown).sum())} pixels of padding shown as black")
    return values, np.ascontiguousarray(shown, dtype=np.float32)[None]


def _shown(
    scaled: Float64[np.ndarray, "h w"],
    valid: np.ndarray,
    data: Any,
    path: Path,
    frame: int | None,
    window: Asked | Window,
    said: list[str],
) -> Float64[np.ndarray, "h w"]:
    luts = facts.find(data, "VOILUTSequence", frame)
    if window == "lut" and not luts:
        raise BadInput("the window 'lut'", "a file with a VOI table", f"{path.name} has none: leave it out")
    if luts and window in (None, "lut"):
        lut = table(luts[0], int(data.get("PixelRepresentation", 0)) == 1 or float(scaled.min()) < 0)
        said.append(f"the file's first VOI table of {len(luts)} applied")
        return np.asarray(np.clip(lut.look_up(scaled) / (2**lut.bits - 1), 0, 1))
    chosen, why = choose(facts.windows(data, frame), facts.window_names(data, frame), window, path.name)
    if chosen is None:
        full = window == "full"
        chosen = full_range(scaled, valid) if full else percentile_range(scaled[valid])
        why = "minimum to maximum" if full else "0.5th to 99.5th percentile of this slice"
        why += "" if window in ("full", "percentile") else ": the file has no window"
    said.append(f"window: {why} ({chosen})")
    return windowed(scaled, chosen)


def choose(own: list[Window], names: list[str], asked: Asked | Window, file: str) -> tuple[Window | None, str]:
    """(the window, where it comes from), or (None, "") for one that the values decide.

    Raises:
        BadInput: a number or a name that the file does not have.
    """
    if isinstance(asked, Window):
        return asked, "one for the whole series"
    if isinstance(asked, tuple):
        found = usable(asked[0], asked[1], "LINEAR")
        if found is None:
            raise BadInput(f"the window {asked}", "(centre, width), the width above 0", "pass window=(40, 80)")
        return found, "as asked for"
    if asked is None:
        return (own[0], f"the file's first of {len(own)}") if own else (None, "")
    if asked in ("full", "percentile"):
        return None, ""
    number = asked if isinstance(asked, int) else next((i for i, n in enumerate(names) if n == asked.lower()), -1)
    if 0 <= number < len(own):
        return own[number], f"the file's number {number} of {len(own)}, as asked for"
    there = "; ".join(f"{i} ({each})" for i, each in enumerate(own)) or "none"
    raise BadInput(
        f"the window {asked!r}, which {file} does not have", f"one of its own: {there}",
        "pass one of these numbers, (centre, width), 'full' or 'percentile'",
    )  # fmt: skip


def _coloured(
    data: Any, path: Path, frame: int | None, window: Asked | Window, said: list[str]
) -> tuple[Shaped[np.ndarray, "h w *c"], Float32[np.ndarray, "c h w"]]:
    if window is not None and not isinstance(window, Window):
        raise BadInput("a window for a colour image", "a grey one", f"{path.name} has no window: leave it out")
    values = stored(data, path, frame)
    rgb, peak = colours(values, data)
    kind = photometric(data)
    if kind != "RGB":
        said.append("palette looked up as RGB" if kind == "PALETTE COLOR" else "YBR converted to RGB")
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2]):
        rgb = rgb[..., :1]  # three equal channels are one grey channel, as in `decode`
    pixels = np.moveaxis(rgb.astype(np.float32) / np.float32(peak), -1, 0)
    return values, np.ascontiguousarray(np.clip(pixels, 0, 1))


def warnings_of(data: Any) -> list[str]:
    """What a reader of the picture has to know about the text that may be in it."""
    burned = str(data.get("BurnedInAnnotation", "")).strip().upper()
    if burned == "YES":
        return [BURNED_IN]
    if not burned and modality(data) in ("sc", "us", "ot"):
        return [PERHAPS_BURNED_IN]
    return []


def geometry_notes(data: Any, frame: int | None) -> list[str]:
    """Pixels that are not square."""
    spacing = facts.vector(facts.find(data, "PixelSpacing", frame), 2)
    if spacing is None or not (spacing > 0).all() or abs(spacing[0] / spacing[1] - 1) < 0.005:
        return []
    rows, columns = spacing
    return [f"pixels are {columns:.3g} mm wide and {rows:.3g} mm high: their grid is kept, so shapes look stretched"]


def volume_of(data: Any) -> str:
    """The name of a volume: a hash of its series."""
    return short_hash(data.get("SeriesInstanceUID") or data.get("SOPInstanceUID") or "")


def _place(data: Any, frame: int | None) -> Place:
    matrix = facts.affine(data, frame)
    return Place(
        volume_of(data), frame or 0, facts.frames(data), matrix, facts.plane(matrix), "dicom", frame
    )  # fmt: skip


def decode_dicom(path: Path, *, frame: int | None = None) -> Decoded:
    """As `decode`, for data sets of DICOM files: 16 bit as it is shown through the file's own window."""
    picture = read_picture(path, frame=frame)
    values = np.round(picture.pixels * 65535).astype(np.uint16)
    values = values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)
    mode = "grey" if values.ndim == 2 else "RGB"
    return Decoded(values, 65535, picture.reading, "DICOM", mode, None, picture.content)
