"""Explain single scans into a folder: one NPZ and one PNG per scan and method. The batch goes on past bad files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whyscan.checks import at_least
from whyscan.data.dicom_window import Asked
from whyscan.data.scan import Scan
from whyscan.data.slices import Slices
from whyscan.data.sources import Source, sources
from whyscan.errors import BadInput
from whyscan.explain.explain import configure
from whyscan.explain.methods import METHODS, LayeredExplainer
from whyscan.explain.targets import Targets
from whyscan.models.doctor import unserving_of
from whyscan.models.load import load
from whyscan.progress import Progress, quiet
from whyscan.records import files, pictures
from whyscan.records.attribution import find, save_all
from whyscan.study import told
from whyscan.study.scanwise import Failed, Found, Job
from whyscan.study.volume import empty_slices, write_volumes


def explain_files(
    model: Path | str,
    paths: Sequence[Path],
    out: Path,
    methods: Sequence[str],
    *,
    layers: str | Sequence[str] | None = None,
    targets: Targets = "all",
    label: str | None = None,
    series: int | str | None = None,
    frame: int | None = None,
    window: Asked = None,
    plane: str | None = None,
    slices: Slices = None,
    volume: int | None = None,
    options: Mapping[str, Any] | None = None,
    opening: Mapping[str, Any] | None = None,
    agree: bool = False,
    draw: bool = True,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Explain files, and the images in folders.

    Args:
        layers: for the methods that look at layers: "last", "final", "all", a name, or several; each its own default
            if None.
        series, frame, window: which of several, and what lies between black and white; see `open_series`.
        plane, slices, volume: of volumes: see `sources`.
        options: settings by name, each for the methods that have it: `samples`, `fill`, `score`, `steps`, ...
        opening: what `load` is to know of the model: classes, input_size, preprocess, backbone.
        agree: whether to write the consensus of the methods as well.
        draw: whether to write the PNGs, too.

    Returns:
        {"scans": [{"source", "predicted", "probability", "reading", "files", "maps": see `told.row`}],
        "failed": [{"source", "methods", "error"}], "empty": [{"source", "reason"}], "volumes": see `write_volumes`,
        "unserving": where all layers were asked for, those that cannot serve, with the reason}.
        Slices with hardly any tissue are empty, and a scan fails that cannot be read or that the model has no answer
        to. Where some methods fail, the others' files are written; an entry of "failed" names those with one error.

    Raises:
        BadInput: no scan at all, or a method, layer, target or label that does not exist.
        BadModel: the model cannot be opened, or has no answer to any of the first scans.
    """
    names = [find(method, tuple(METHODS), "method") for method in methods]
    if agree and len(names) < 2:
        raise BadInput(f"a consensus of {', '.join(names)}", "two methods or more", "name another --method")
    explainers = configure({name: name for name in names}, options or {})
    at_least(0, seed=seed)
    every = layers == "all" if isinstance(layers, str) else "all" in (layers or ())
    if layers is not None and not any(isinstance(each, LayeredExplainer) for each in explainers.values()):
        layered = ", ".join(name for name, each in METHODS.items() if each.layered)
        raise BadInput(
            f"layers for {', '.join(names)}", f"a method that looks at layers: {layered}", "leave --layers out"
        )
    files.check_writable(out)
    classifier = load(model, **(opening or {}))
    true = None if label is None else find(label, classifier.classes, "label")
    given = sources(
        paths, label=true, series=series, frame=frame, window=window, plane=plane, slices=slices, volume=volume
    )
    if not given:
        raise BadInput(f"no image in {', '.join(map(str, paths))}", "image files or folders of them", "check the path")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    stems, without = _stems(given), empty_slices(given, progress)
    taken = set(stems)
    empty = {n: {"source": source.name, "reason": without[n]} for n, source in enumerate(given) if n in without}
    slices_of: dict[str, list[dict[str, str]]] = {}
    job = Job(classifier, explainers, layers, targets, seed, agree)
    for number, each in job.run({n: source for n, source in enumerate(given) if n not in empty}, progress):
        failed += _failures(given[number].name, each.failed)
        scan, found = each.scan, each.found
        if scan is None or not found:
            continue
        if not (stem := stems[number]):
            stem = files.free_name(scan.source, taken)
        done.append(_write(found, scan, out, stem, draw))
        if given[number].volume:
            slices_of.setdefault(given[number].volume, []).append(_numbers(found, done[-1]))
    left: dict[str, list[dict[str, str]]] = {}
    for number, reason in empty.items():
        left.setdefault(given[number].volume, []).append(reason)
    volumes = write_volumes(slices_of, left, out, progress, draw=draw)
    return {
        "scans": done, "failed": failed, "empty": list(empty.values()), "volumes": volumes,
        "unserving": unserving_of(classifier) if every else {},
    }  # fmt: skip


def _numbers(found: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, str]:
    """The NPZ of each method."""
    return dict(zip(found, (file for file in entry["files"] if file.endswith(".npz")), strict=True))


def _stems(sources: Sequence[Source]) -> list[str]:
    """A file name for each scan, no two alike."""
    taken: set[str] = set()
    return [files.free_name(source.stem, taken) if source.stem else "" for source in sources]


def _failures(source: str, failed: Mapping[str, Failed]) -> list[dict[str, Any]]:
    """Methods that failed for one reason stand in one entry."""
    methods: dict[str, list[str]] = {}
    for method, error in failed.items():
        methods.setdefault(str(error), []).append(method)
    return [{"source": source, "methods": names, "error": error} for error, names in methods.items()]


def _write(found: Found, scan: Scan, out: Path, stem: str, draw: bool) -> dict[str, Any]:
    written: list[str] = []
    for method, attributions in found.items():
        base = out / f"{stem}.{method}"
        save_all(base.with_name(base.name + ".npz"), attributions)
        written.append(f"{base}.npz")
        if draw:
            files.write_bytes(base.with_name(base.name + ".png"), pictures.sheet(attributions))
            written.append(f"{base}.png")
    first = next(iter(found.values()))[0]
    return {
        "source": scan.source,
        "predicted": first.predicted,
        "probability": first.probability(first.predicted),
        "reading": list(scan.reading),
        "files": written,
        "maps": [told.row(each) for attributions in found.values() for each in attributions],
    }
