"""Attribution: what one method said about one scan and one layer, for every target class, kept raw."""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from whyscan.errors import BadRun, BadTarget
from whyscan.records import files
from whyscan.records.facts import facts, note
from whyscan.records.geometry import Geometry
from whyscan.records.place import Place
from whyscan.render import colour, overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Score = Literal["logit", "probability"]

_ARRAYS = ("maps", "segments", "weights", "intervals", "thumbnail", "region")


@dataclass(frozen=True, eq=False)
class Attribution:
    """One scan x one method x one layer, for every target.

    Values are raw: nothing is scaled or clipped before `whyscan.render` paints it.

    Attributes:
        method: the registered name of the method.
        heading: how headings call the method; "" where it is only known by its name.
        targets: what was explained, by name: a class, or a contrast "glioma-meningioma".
        geometry: how the scan's grid maps to the model's grid.
        classes: the classifier's classes, in the order of `probabilities`.
        probabilities: (k,) predicted probabilities of this scan.
        maps: (targets, gh, gw) on the layer's own grid; None for superpixel methods, whose maps are their weights.
        segments: (mh, mw) superpixel labels 0..s-1 on the model's grid, -1 outside the game.
        weights: (targets, s) one weight a superpixel.
        intervals: (targets, s, 2) the 95 % interval of each weight, or None.
        signed: whether negative values mean "against the target" (LIME, SHAP) or cannot occur (Grad-CAM).
        score: what a weight or map is a change of: the unit of its colour bar.
        quantity: what the values are, where they are neither a change of the score nor gradient x activation.
        layer: the layer's name, or None where the method has none.
        label: the scan's true label, or None.
        thumbnail: (h, w) or (h, w, 3) the scan as it was read, to draw on, on the scan's own grid.
        region: (h, w) the known lesion on the scan's own grid, to outline; None where none is known.
        evaluations: how many perturbed scans the model judged.
        converged: whether the ranking settled; None where the question does not arise.
        diagnosis: one word per target that says whether the map is there and if not why; may be empty.
        measured: numbers by name, one per target, that say how far to trust the map, such as the completeness gap of
            integrated gradients.
        engine, deviation: which copy of the model answered, and its largest deviation from the float32 model.
        model, model_hash: the classifier's name and the hash of its weights.
        scan, source: the scan's content hash and the name it goes by in the run (never a patient's).
        place: where the scan lies in its volume, for slices of one.
        reading: what was done to the file's values on the way (window, rescaling, warnings), one sentence each.
    """

    method: str
    targets: tuple[str, ...]
    geometry: Geometry
    classes: tuple[str, ...]
    probabilities: Float32[np.ndarray, " k"]
    maps: Float32[np.ndarray, "t gh gw"] | None = None
    segments: Int32[np.ndarray, "mh mw"] | None = None
    weights: Float32[np.ndarray, "t s"] | None = None
    intervals: Float32[np.ndarray, "t s 2"] | None = None
    signed: bool = False
    score: Score = "logit"
    quantity: str = ""
    layer: str | None = None
    label: str | None = None
    thumbnail: UInt8[np.ndarray, "h w *c"] | None = None
    region: Bool[np.ndarray, "h w"] | None = None
    evaluations: int = 0
    converged: bool | None = None
    diagnosis: tuple[str, ...] = ()
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)
    engine: str = "torch float32"
    deviation: float | None = None
    model: str = ""
    model_hash: str = ""
    scan: str = ""
    source: str = ""
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    heading: str = ""
    place: Place | None = None
    reading: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.maps is None) == (self.segments is None or self.weights is None):
            raise ValueError("an Attribution has either maps, or segments and weights")

    @cached_property
    def grid(self) -> Float32[np.ndarray, "t gh gw"]:
        """The maps on the layer's own grid; for superpixel methods each pixel has its superpixel's weight."""
        if self.maps is not None:
            return self.maps
        assert self.weights is not None and self.segments is not None
        # one column of zeros at the end: label -1 (outside the game) finds it there
        padded = np.pad(self.weights, ((0, 0), (0, 1)))
        return np.asarray(padded[:, self.segments], np.float32)

    @cached_property
    def values(self) -> Float32[np.ndarray, "t h w"]:
        """The maps on the scan's own grid: bilinear for layers, each pixel its superpixel's weight otherwise."""
        return self._on_scan(slice(None))

    def on_scan(self, target: str) -> Float32[np.ndarray, "h w"]:
        """One target's map of `values`; the other targets' are not resized for it.

        Raises:
            BadTarget: see `index`.
        """
        row = self.index(target)
        if "values" in self.__dict__:
            return np.asarray(self.values[row])
        return np.asarray(self._on_scan(slice(row, row + 1))[0])

    def _on_scan(self, rows: slice) -> Float32[np.ndarray, "t h w"]:
        if self.maps is not None:
            return self.geometry.to_scan(self.maps[rows])
        assert self.weights is not None and self.segments is not None
        padded = np.pad(self.weights[rows], ((0, 0), (0, 1)))
        return np.asarray(padded[:, self.geometry.labels_to_scan(self.segments)], np.float32)

    @property
    def predicted(self) -> str:
        return self.classes[int(np.argmax(self.probabilities))]

    def probability(self, name: str) -> float:
        return float(self.probabilities[self.classes.index(find(name, self.classes, "class"))])

    def index(self, target: str) -> int:
        """The row of a target, by its name or an unmistakable beginning of it.

        Raises:
            BadTarget: no such target, or several that begin so.
        """
        return self.targets.index(find(target, self.targets, "target"))

    def title(self, target: str) -> str:
        """What a panel says above itself. It comes from here, so it cannot name another class."""
        true = f"True: {self.label}, " if self.label is not None else ""
        return f"{true}predicted: {self.predicted}, explained: {self.targets[self.index(target)]}"

    @property
    def unit(self) -> str:
        """What a colour bar of these values is labelled with."""
        if self.quantity:
            return self.quantity
        if self.maps is None or self.signed:
            return f"change of {self.score}"
        return f"{self.score} (gradient × activation)"

    @property
    def share(self) -> float:
        """Of the values, that a picture's scale should span.

        All of them; but of a map as fine as the model's input 99 %, because a few pixels of a gradient are many times
        as large as the rest, which would not be seen.
        """
        return 0.99 if self.maps is not None and self.maps.shape[1:] == self.geometry.model else 1.0

    def overlay(self, target: str, *, alpha: float = 0.7) -> UInt8[np.ndarray, "h w 3"]:
        """The scan with this target's map laid over it, on its own scale, as RGB; a known lesion is outlined."""
        values = self.on_scan(target)
        limit = colour.limit_of(values, share=self.share)
        image = overlay.heat(values, self.background(), signed=self.signed, limit=limit, alpha=alpha)
        return image if self.region is None else overlay.contour(image, self.region)

    def background(self) -> UInt8[np.ndarray, "h w *c"]:
        """The thumbnail, or mid grey where none was kept."""
        return np.full(self.geometry.scan, 128, np.uint8) if self.thumbnail is None else self.thumbnail

    def plot(self, target: str | None = None) -> Figure:
        """A matplotlib figure: the scan, and the overlay of one target, or of all on one scale."""
        from whyscan.render import figures  # matplotlib takes half a second to import: only those who plot wait

        chosen = self.targets if target is None else (self.targets[self.index(target)],)
        panels = [(self.panel_title(name), self.on_scan(name)) for name in chosen]
        return figures.attribution(
            self.background(),
            panels,
            signed=self.signed,
            unit=self.unit,
            title=self.headline,
            share=self.share,
            caption=colour.convention(self.signed, self.quantity),
            notes=facts(self),
            region=self.region,
        )

    def panel_title(self, target: str) -> str:
        """The title, and what is wrong with the map if anything is."""
        return ", ".join(part for part in (self.title(target), note(self, target)) if part)

    @property
    def headline(self) -> str:
        """Method, layer and model."""
        return " · ".join(part for part in (self.heading or self.method, self.layer or "", self.model) if part)

    def _repr_html_(self) -> str:
        from whyscan.records import notebook

        return notebook.html(self)

    def digest(self) -> str:
        """A hash of the numbers and of what they are about; equal attributions have equal digests."""
        header, arrays = _pack([self])
        summary = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for name in sorted(arrays):
            summary.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
        return summary.hexdigest()

    def save(self, path: str | Path) -> None:
        save_all(Path(path), [self])

    @classmethod
    def load(cls, path: str | Path) -> Attribution:
        """Raises BadRun where the file is damaged or holds several attributions."""
        (found, *more) = load_all(Path(path))
        if more:
            raise BadRun(f"{path} holds {1 + len(more)} attributions", "one", "use records.attribution.load_all")
        return found


def find(name: str, among: Sequence[str], kind: str) -> str:
    """The one of `among` that is called `name`, or else the only one that begins with it.

    Raises:
        BadTarget: none or several.
    """
    if name in among:
        return name
    matches = [other for other in among if other.lower().startswith(name.lower())]
    if len(matches) == 1:
        return matches[0]
    came = f"{kind} {name!r} is not known" if not matches else f"{kind} {name!r} could be {', '.join(matches)}"
    near = nearest(name, among)
    raise BadTarget(came, f"one of {', '.join(among)}", f"try {near}" if near else "use one of these names")


def nearest(name: str, among: Sequence[str]) -> str:
    """The one that is spelt most like it, whatever the case; "" where none is."""
    plain = {other.lower(): other for other in among}
    close = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else ""


def save_all(path: Path, attributions: Sequence[Attribution]) -> None:
    """Several attributions in one NPZ (all layers of a scan, say); what they share is stored once."""
    header, arrays = _pack(attributions)
    with files.atomic(path) as file:
        content = io.BytesIO()
        np.savez_compressed(
            content, header=np.frombuffer(json.dumps(header).encode(), np.uint8), allow_pickle=False, **arrays
        )
        file.write(content.getvalue())


def load_all(path: Path) -> list[Attribution]:
    """Raises BadRun where the file is missing, damaged or of another make. Nothing in the file is executed."""
    try:
        # opened here, because numpy leaves the file open when the archive is damaged
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            entries = json.loads(stored["header"].tobytes())
            arrays = {name: stored[name] for name in stored.files if name != "header"}
        return [_unpack(entry, arrays) for entry in entries]
    except FileNotFoundError:
        raise BadRun(f"{path} is missing", "a saved attribution", "explain the scan again") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise BadRun(f"{path} is damaged ({error})", "a saved attribution", "explain the scan again") from error


def _pack(attributions: Sequence[Attribution]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    arrays: dict[str, np.ndarray] = {}
    names: dict[int, str] = {}  # arrays that several attributions share (the thumbnail) are stored once
    header = []
    for number, attribution in enumerate(attributions):
        entry: dict[str, Any] = {}
        for item in fields(attribution):
            value = getattr(attribution, item.name)
            if item.name in _ARRAYS:
                if value is not None:
                    name = names.setdefault(id(value), f"{number}.{item.name}")
                    arrays[name] = value
                    entry[item.name] = name
            elif item.name == "probabilities":
                entry[item.name] = [float(p) for p in value]
            elif item.name == "geometry":
                entry[item.name] = [value.scan, value.model, value.box]
            elif item.name == "place":
                if value is not None:  # absent, so that records without one keep their digest
                    entry[item.name] = value.as_record()
            elif item.name == "reading":
                if value:  # absent, for the same reason
                    entry[item.name] = list(value)
            else:
                entry[item.name] = dict(value) if isinstance(value, Mapping) else value
        header.append(entry)
    return header, arrays


def _unpack(entry: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Attribution:
    entry = dict(entry)
    for name in _ARRAYS:
        if name in entry:
            entry[name] = arrays[entry[name]]
    entry["probabilities"] = np.asarray(entry["probabilities"], np.float32)
    scan, model, box = (tuple(part) for part in entry["geometry"])
    entry["geometry"] = Geometry(scan, model, box)
    if "place" in entry:
        entry["place"] = Place.from_record(entry["place"])
    for name in ("targets", "classes", "diagnosis"):
        entry[name] = tuple(entry[name])
    entry["reading"] = tuple(entry.get("reading", ()))  # records of an older make have none
    return Attribution(**entry)
