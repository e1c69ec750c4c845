"""DICOM out: attributions as objects of the study that their scans belong to.

What is written goes into the patient's study, so it carries the patient's tags. Nothing else does: file names, errors
and reports are made of classes, methods and numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.errors import BadInput
from whyscan.export import dicom_words as words
from whyscan.export.dicom_capture import capture
from whyscan.export.dicom_map import Pair, parametric_map, source_images
from whyscan.export.dicom_match import pair, slices_of, why_apart
from whyscan.export.dicom_place import Pairs, called, key, volume, why_no_dicom
from whyscan.export.dicom_report import Made, one_a_slice, report
from whyscan.export.dicom_seg import Threshold, segmentation
from whyscan.export.dicom_source import Slice, discreet, highdicom
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.render import colour

OBJECTS = ("map", "capture", "seg", "report")
"""Parametric Map, Secondary Capture, Segmentation, Structured Report: a series each."""

_WANTED = {"map": "a Parametric Map", "seg": "a Segmentation"}


@dataclass(frozen=True)
class Exported:
    """What was written, and what was not, with the reason."""

    paths: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def export_dicom(
    attributions: Sequence[Attribution],
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    objects: Sequence[str] | None = None,
    threshold: Threshold | None = None,
) -> list[Path]:
    """Write attributions as DICOM objects.

    Args:
        attributions: of any scans, methods and layers.
        sources: the DICOM files that were explained, or folders of them; of scans of other formats, nothing.
        out: a folder; each source series gets `series-NN/<object>/*.dcm` in it.
        objects: which of `OBJECTS`; by default all that the source allows.
        threshold: what the Segmentation takes for the region; values of at least half of the largest by default.

    Returns:
        The files.

    Raises:
        BadInput: the package highdicom is missing, an object is not known, a map or segmentation was asked for of a
            source without geometry, or the sources are not those that were explained.
        BadScan: a source cannot be read, or its header is against the standard.
    """
    return list(write_dicom(attributions, sources, out, objects=objects, threshold=threshold).paths)


def write_dicom(
    attributions: Sequence[Attribution],
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    objects: Sequence[str] | None = None,
    threshold: Threshold | None = None,
) -> Exported:
    """As `export_dicom`; also says what was left out and why.

    A map or segmentation that is asked for by name is refused only where no scan at all can have it.
    """
    highdicom()
    check_objects(objects or ())
    pairs = pair(attributions, slices_of([Path(source) for source in sources]))
    paths: list[Path] = []
    left_out: list[str] = []
    groups = _series(pairs)
    _check_some_lie(groups, objects or ())
    for number, group in enumerate(groups, start=1):
        made = _Series(group, threshold or Threshold(), objects, left_out)
        for kind, name, each in made.objects():
            path = Path(out) / f"series-{number:02d}" / kind / f"{name}.dcm"
            with discreet(f"the {kind}"):
                content = io.BytesIO()
                each.save_as(content, enforce_file_format=True)
            files.write_bytes(path, content.getvalue())
            paths.append(path)
    return Exported(tuple(paths), tuple(dict.fromkeys(left_out)))


def check_objects(objects: Sequence[str]) -> None:
    """Raises BadInput where one is not known."""
    if unknown := sorted(set(objects) - set(OBJECTS)):
        raise BadInput(f"DICOM objects {', '.join(unknown)}", f"some of {', '.join(OBJECTS)}", "use one of these names")


def _check_some_lie(groups: Sequence[Pairs], asked: Sequence[str]) -> None:
    """Raises BadInput where an object is asked for by name, and not one of the scans can have it."""
    refused = [kind for kind in _WANTED if kind in asked]
    if refused and groups and (why := _why_flat(groups[0])) and all(map(_why_flat, groups)):
        raise BadInput(
            f"{_WANTED[refused[0]]} of a scan without a place in space ({why})",
            "a DICOM source with position, orientation and spacing",
            "ask for capture and report, or explain the DICOM file itself",
        )


class _Series:
    """The objects of one source series (or of one scan that was no DICOM)."""

    def __init__(self, pairs: Pairs, threshold: Threshold, asked: Sequence[str] | None, left_out: list[str]) -> None:
        self.pairs, self.threshold, self.left_out = pairs, threshold, left_out
        self.kinds = [kind for kind in OBJECTS if asked is None or kind in asked]
        why = _why_flat(pairs)
        refused = [kind for kind in _WANTED if kind in self.kinds] if why else []
        self.left_out += [f"{_WANTED[kind]}: {why}" for kind in refused]
        self.kinds = [kind for kind in self.kinds if kind not in refused]
        hd = highdicom()
        self.made: list[Made] = []
        self.uids = {kind: str(hd.UID()) for kind in (*OBJECTS, "study")}

    def objects(self) -> Iterator[tuple[str, str, Any]]:
        """Kind, file name and object, the report last: it refers to the others."""
        for kind, make in (("map", self._maps), ("capture", self._captures), ("seg", self._segmentations)):
            if kind in self.kinds:
                with discreet(f"the {kind}"):
                    found = list(make())
                yield from ((kind, name, each) for name, each in found)
        if "report" in self.kinds:
            with discreet("the report"):
                found = list(self._reports())
            yield from (("report", name, each) for name, each in found)

    def _maps(self) -> Iterator[tuple[str, Any]]:
        number = 0
        for group in _methods(self.pairs):
            for target in _targets(group):
                number += 1
                chosen = [each for each in group if target in each[0].targets]
                made = parametric_map(_placed(chosen), target, series=self.uids["map"], number=number)
                self.made.append(Made(made, chosen))
                yield words.stem(group[0][0], target), made

    def _captures(self) -> Iterator[tuple[str, Any]]:
        number = 0
        taken: set[str] = set()
        for group in _methods(self.pairs):
            for target in _targets(group):
                chosen = [each for each in group if target in each[0].targets]
                limit = None
                if len(chosen) > 1:
                    shown = [a.on_scan(target) for a, _ in chosen]
                    limit = colour.limit_of(*shown, share=chosen[0][0].share)
                for attribution, source in chosen:
                    number += 1
                    made = capture(
                        attribution, target, source, series=self.uids["capture"], number=number,
                        study=self.uids["study"], limit=limit,
                    )  # fmt: skip
                    self.made.append(Made(made, [(attribution, source)]))
                    last = called(attribution, source, digits=3).replace(" ", "-")
                    # frames of one number may come from several files of a series
                    name = files.free_name(f"{words.stem(attribution, target)}_{last}", taken)
                    yield name, made

    def _segmentations(self) -> Iterator[tuple[str, Any]]:
        for number, group in enumerate(_methods(self.pairs), start=1):
            made = segmentation(_placed(group), self.threshold, series=self.uids["seg"], number=number)
            if made is None:
                self.left_out.append(f"a Segmentation of {group[0][0].headline}: no map is above 0 anywhere")
            else:
                self.made.append(Made(made, group))
                yield words.stem(group[0][0]), made

    def _reports(self) -> Iterator[tuple[str, Any]]:
        placed = [(attribution, source) for attribution, source in self.pairs if source is not None]
        if not placed and not self.made:
            self.left_out.append("a report: it needs the picture (capture) to refer to, where the source is no DICOM")
            return
        evidence = source_images([source for _, source in placed]) if placed else []
        by_model: dict[tuple[str, str], list[tuple[Attribution, Slice | None]]] = {}
        for attribution, source in one_a_slice(self.pairs):
            by_model.setdefault((attribution.model, attribution.model_hash), []).append((attribution, source))
        for number, group in enumerate(by_model.values(), start=1):
            found = report(group, evidence, self.made, series=self.uids["report"], number=number)
            yield words.file_part(group[0][0].model or "classifier"), found


def _series(pairs: Pairs) -> list[Pairs]:
    """Those that one set of objects can hold: the same series on the same kind of grid, or the same other volume."""
    groups: dict[Any, list[tuple[Attribution, Slice | None]]] = {}
    for attribution, source in pairs:
        one = volume(attribution) if source is None else (source.series, source.shape, *_directions(source))
        groups.setdefault(one, []).append((attribution, source))
    return [sorted(group, key=_height) for group in groups.values()]


def _height(pair: tuple[Attribution, Slice | None]) -> float:
    attribution, source = pair
    if source is not None:
        return source.height
    return 0.0 if attribution.place is None else float(attribution.place.index)


def _directions(source: Slice) -> tuple[bytes, ...]:
    known = (source.orientation, source.spacing)
    return tuple(b"" if each is None else (np.round(each, 3) + 0.0).tobytes() for each in known)


def _methods(pairs: Pairs) -> list[Pairs]:
    """The pairs of each model, method and layer; of a slice that was explained twice, the later."""
    groups: dict[Any, dict[Any, tuple[Attribution, Slice | None]]] = {}
    for each in pairs:
        attribution, source = each
        one = (attribution.model_hash, attribution.model, attribution.method, attribution.layer)
        groups.setdefault(one, {})[key(attribution, source)] = each
    return [list(group.values()) for group in groups.values()]


def _targets(pairs: Pairs) -> list[str]:
    """Every target of some slice: `predicted` differs between slices."""
    return list(dict.fromkeys(target for attribution, _ in pairs for target in attribution.targets))


def _why_flat(pairs: Pairs) -> str:
    reasons = (
        why_no_dicom(attribution) if source is None else source.why_no_geometry() or why_apart(attribution, source)
        for attribution, source in pairs
    )
    return next(filter(None, reasons), "")


def _placed(pairs: Pairs) -> list[Pair]:
    return [(attribution, source) for attribution, source in pairs if source is not None]
