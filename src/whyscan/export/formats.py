"""Saved attributions to other programs' formats: what `whyscan export` and `whyscan explain --export` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whyscan.errors import BadInput, BadRun
from whyscan.export.dicom import Exported, check_objects, write_dicom
from whyscan.export.dicom_seg import Threshold
from whyscan.export.dicom_source import highdicom
from whyscan.export.dicom_words import file_part
from whyscan.export.nifti import write_nifti
from whyscan.export.png import save_png
from whyscan.export.tensors import save_tensors
from whyscan.progress import Progress, quiet
from whyscan.records import files
from whyscan.records.attribution import Attribution, load_all, save_all
from whyscan.records.run import Run

Named = Sequence[tuple[str, Sequence[Attribution]]]
"""Attributions that were saved together, under the name that their files go by."""


@dataclass(frozen=True)
class Choices:
    """What the formats may be told.

    Attributes:
        sources: the files that were explained, or folders of them, for formats that lie in the source's space.
        objects: which DICOM objects; None for all that the source allows.
        threshold: what a DICOM Segmentation takes for the region.
        progress: told of every file of attributions.
    """

    sources: tuple[Path, ...] = ()
    objects: tuple[str, ...] | None = None
    threshold: Threshold = field(default_factory=Threshold)
    progress: Progress = quiet


def export(
    records: Sequence[str | Path | Attribution],
    to: str | Sequence[str],
    *,
    out: str | Path,
    sources: Sequence[str | Path] = (),
    objects: Sequence[str] | None = None,
    threshold: str | Threshold = "max:0.5",
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Write attributions in other formats. Needs neither the model nor torch.

    Args:
        records: run folders, folders of NPZ files, NPZ files, or attributions.
        to: "png", "npz", "safetensors", "nifti" or "dicom", or several of them.
        out: the folder to write to.
        sources: the DICOM files that were explained, or folders of them.
        objects: of DICOM: "map", "capture", "seg", "report"; by default all that the source allows.
        threshold: of the DICOM Segmentation: "max:0.5", values of at least half of the largest; "top:0.05", the
            largest 5 % of all pixels.

    Returns:
        {"files": [path], "left_out": [reason]}.

    Raises:
        BadInput: a format, object or threshold that does not exist, a missing package, or sources that do not fit.
        BadRun: no attribution in `records`, a damaged one, or a folder that cannot be written to.
    """
    names = list(dict.fromkeys([to] if isinstance(to, str) else to))
    rule = check(names, objects, threshold)
    choices = Choices(tuple(map(Path, sources)), None if objects is None else tuple(objects), rule, progress)
    named = _gathered(records)
    done = [FORMATS[name](named, Path(out), choices) for name in names]
    return {
        "files": [str(path) for each in done for path in each.paths],
        "left_out": [reason for each in done for reason in each.left_out],
    }


def check(
    names: Sequence[str], objects: Sequence[str] | None = None, threshold: str | Threshold = "max:0.5"
) -> Threshold:
    """What can be said before an hour of explaining rather than after it.

    Raises:
        BadInput: a format, DICOM object or threshold that does not exist, or a package that is missing.
    """
    if unknown := [name for name in names if name not in FORMATS]:
        raise BadInput(f"the format {', '.join(unknown)}", f"some of {', '.join(FORMATS)}", "use one of these names")
    if "dicom" in names:
        highdicom()
    check_objects(objects or ())
    return threshold if isinstance(threshold, Threshold) else Threshold.parse(threshold)


def _png(named: Named, out: Path, choices: Choices) -> Exported:
    paths: list[Path] = []
    for name, attributions in _told(named, choices):
        for attribution in attributions:
            layer = f".{file_part(attribution.layer)}" if attribution.layer and len(attributions) > 1 else ""
            for target in attribution.targets:
                paths += save_png(attribution, target, out / "png" / f"{name}{layer}.{file_part(target)}")
    return Exported(tuple(paths))


def _npz(named: Named, out: Path, choices: Choices) -> Exported:
    for name, attributions in _told(named, choices):
        save_all(out / f"{name}.npz", attributions)
    return Exported(tuple(out / f"{name}.npz" for name, attributions in named))


def _safetensors(named: Named, out: Path, choices: Choices) -> Exported:
    paths = [save_tensors(attributions, out / f"{name}.safetensors") for name, attributions in _told(named, choices)]
    return Exported(tuple(path for pair in paths for path in pair))


def _nifti(named: Named, out: Path, _: Choices) -> Exported:
    return write_nifti([each for _, attributions in named for each in attributions], out / "nifti")


def _dicom(named: Named, out: Path, choices: Choices) -> Exported:
    attributions = [each for _, attributions in named for each in attributions]
    return write_dicom(
        attributions, choices.sources, out / "dicom", objects=choices.objects, threshold=choices.threshold
    )


FORMATS: dict[str, Callable[[Named, Path, Choices], Exported]] = {
    "png": _png,
    "npz": _npz,
    "safetensors": _safetensors,
    "nifti": _nifti,
    "dicom": _dicom,
}


def _told(named: Named, choices: Choices) -> Iterator[tuple[str, Sequence[Attribution]]]:
    for done, each in enumerate(named):
        choices.progress("exported files of explanations", done, len(named))
        yield each
    choices.progress("exported files of explanations", len(named), len(named))


def _gathered(records: Sequence[str | Path | Attribution]) -> Named:
    named: list[tuple[str, Sequence[Attribution]]] = []
    for record in records:
        if isinstance(record, Attribution):
            named.append((f"{record.scan[:16] or 'scan'}.{file_part(record.method)}", [record]))
            continue
        path = Path(record)
        named += [(name, load_all(file)) for name, file in _saved(path)]
    if not named:
        raise BadRun("no saved attribution", "run folders, or NPZ files of `whyscan explain`", "check the path")
    return _apart(named)


def _saved(path: Path) -> list[tuple[str, Path]]:
    """The NPZ files of a record with the names that their exports go by."""
    if (path / "run.json").is_file():
        below = Run.open(path).folder / "explain"
        return [
            (".".join(file.relative_to(below).with_suffix("").parts), file) for file in sorted(below.rglob("*.npz"))
        ]
    if path.is_dir():
        return [(file.stem, file) for file in sorted(path.glob("*.npz"))]
    return [(path.stem, path)]


def _apart(named: Named) -> Named:
    """No two names alike."""
    taken: set[str] = set()
    return [(files.free_name(name, taken), attributions) for name, attributions in named]
