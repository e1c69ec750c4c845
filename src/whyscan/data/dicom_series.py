"""A DICOM series: which files of a folder or DICOMDIR belong together, in which order, and through which window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from whyscan.data import dicom_facts as facts
from whyscan.data.dicom import choose, picture_of, shades
from whyscan.data.dicom_file import parsed, reading
from whyscan.data.dicom_pixels import GREY, padding, photometric
from whyscan.data.dicom_stack import Slice, Stack, stacks
from whyscan.data.dicom_window import Asked, Window, percentile_range, spanning
from whyscan.data.scan import Scan
from whyscan.errors import BadInput, BadScan
from whyscan.records.place import Place

_LOOKED_AT = 64
_VALUES_A_SLICE = 1 << 15


@dataclass(frozen=True, eq=False)
class Series:
    """The slices of one series, in the order in which they lie in the patient; pixels are read when asked for.

    Attributes:
        stack: its slices.
        window: the window of all of them; None where each file's own table or colours say it.
        notes: what there is to say about the series as a whole.
    """

    stack: Stack
    window: Asked | Window = None
    notes: tuple[str, ...] = ()
    _parsed: dict[Path, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.stack.slices)

    @property
    def group(self) -> str:
        """What the series is called: its modality and a hash. It says nothing of the patient."""
        return f"{self.stack.modality}-{self.stack.volume[:8]}"

    def name(self, index: int) -> str:
        """What a slice is called: its series, and the number that it is asked for by."""
        return f"{self.group}-slice-{index:03d}"

    def read(self, index: int, *, label: str | None = None) -> Scan:
        """One slice. Raises BadScan as `read_dicom` does."""
        one = self.stack.slices[index]
        with reading(one.path):
            picture = picture_of(self._data(one.path), one.path, one.frame, self.window)
        matrix = self.stack.affine(index)
        place = Place(self.stack.volume, index, len(self), matrix, facts.plane(matrix), "dicom", one.frame)
        said = (*picture.reading, *self.notes)
        return Scan(
            picture.pixels, picture.content, self.name(index), label, picture.patient, reading=said, place=place
        )

    def _data(self, path: Path) -> Any:
        """The frames of one file are asked for one after another, and it is parsed once."""
        if path not in self._parsed:
            self._parsed.clear()
            self._parsed[path] = parsed(path)
        return self._parsed[path]


def open_series(
    path: str | Path, *, series: int | str | None = None, frame: int | None = None, window: Asked = None
) -> Series:
    """The one series of a folder, of a DICOMDIR or of one file, or the one that is chosen.

    Args:
        path: a folder (files at any depth, told by their content), a DICOMDIR, or a file.
        series: which one, where there are several: its number in the list that the error shows, or its hash.
        frame: of files with several frames this one only; by default all frames that have places of their own.
        window: as for `read_dicom`, but one for the whole series: the files' own where they agree, else the middle
            slice's; where they have none, the 0.5th to 99.5th percentile of the series.

    Raises:
        BadScan: no DICOM image; several series and none chosen; several images at one place; a damaged header; a
            link or a DICOMDIR entry that leads out of the folder.
        BadInput: a series or a window that does not exist.
    """
    found, left_out = stacks(Path(path), frame)
    stack = _chosen(found, series, Path(path).name)
    stack.check()
    chosen, why = _window(stack, window)
    notes = [*stack.notes, *why]
    if left_out:
        notes.append(f"{left_out} DICOM objects beside the series that are no images were left out")
    return Series(stack, chosen, tuple(notes))


def read_series(
    path: str | Path, *, series: int | str | None = None, frame: int | None = None, window: Asked = None
) -> list[Scan]:
    """All slices of a series, in the order in which they lie in the patient. Arguments and errors: `open_series`."""
    opened = open_series(path, series=series, frame=frame, window=window)
    return [opened.read(index) for index in range(len(opened))]


def _chosen(found: Sequence[Stack], asked: int | str | None, name: str) -> Stack:
    if not found:
        raise BadScan(f"{name} holds no DICOM image", "a folder, a DICOMDIR or a file with images", "check the path")
    there = "; ".join(f"{number}: {stack}" for number, stack in enumerate(found))
    if asked is None and len(found) > 1:
        raise BadScan(
            f"{name} holds {len(found)} series ({there})", "one: it is chosen, never guessed",
            "pass series=0 (or another; --series 0)",
        )  # fmt: skip
    number = next((i for i, stack in enumerate(found) if stack.volume == asked), asked)
    if number is None:
        return found[0]
    if isinstance(number, int) and 0 <= number < len(found):
        return found[number]
    raise BadInput(f"the series {asked!r}", f"one of these: {there}", "pass its number")


def _window(stack: Stack, asked: Asked) -> tuple[Asked | Window, list[str]]:
    """(the window of all slices, what to say of it)."""
    middle = stack.slices[len(stack.slices) // 2]
    with reading(middle.path):
        header = parsed(middle.path, pixels=False)
        grey = photometric(header) in GREY
        table = facts.find(header, "VOILUTSequence", middle.frame) is not None
        own, names = facts.windows(header, middle.frame), facts.window_names(header, middle.frame)
    if not grey or asked == "lut" or (table and asked is None):
        return asked, []
    chosen, _ = choose(own, names, asked, middle.path.name)
    if chosen is not None:
        same = asked is not None or all(one.window == middle.window for one in stack.slices)
        return (chosen, [] if same else ["the files' windows differ: the middle slice's is used for all"])
    found, looked = _from_values(stack, full=asked == "full")
    what = "minimum to maximum" if asked == "full" else "0.5th to 99.5th percentile"
    return found, [f"the series' window is the {what} of {looked} of its {len(stack.slices)} slices"]


def _from_values(stack: Stack, *, full: bool) -> tuple[Window, int]:
    """The window that the values themselves ask for, and how many slices were looked at; damaged ones are passed by."""
    count = len(stack.slices)
    numbers = range(count) if full else np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).round().astype(int))
    kept: list[np.ndarray] = []
    trouble: BadScan | None = None
    for number in numbers:
        try:
            values = _values(stack.slices[number])
        except BadScan as error:
            trouble = error
            continue
        step = max(1, len(values) // _VALUES_A_SLICE)
        kept.append(np.array([values.min(), values.max()]) if full and values.size else values[::step])
    if trouble is not None and not kept:
        raise trouble
    together = np.concatenate(kept)
    if not full or not together.size:
        return percentile_range(together), len(kept)
    return spanning(float(together.min()), float(together.max())), len(kept)


def _values(one: Slice) -> np.ndarray:
    with reading(one.path):
        data = parsed(one.path)
        raw, scaled, _ = shades(data, one.path, one.frame)
        return np.asarray(scaled[np.isfinite(scaled) & ~padding(raw, data)])
