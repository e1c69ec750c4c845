"""NIfTI out: heat maps as volumes in the space and on the grid of the volume that was explained."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from whyscan.errors import BadInput
from whyscan.export import dicom_words as words
from whyscan.export.dicom import Exported
from whyscan.export.nifti_space import Space, space_of, volumes, why_nowhere
from whyscan.records import files
from whyscan.records.attribution import Attribution
from whyscan.records.reading import Reading, in_common
from whyscan.render import colour

RULE = "NaN: this slice was not explained, or not for this target. 0 is a value like any other."

_ALIGNED = 2


def export_nifti(attributions: Sequence[Attribution], out: str | Path) -> list[Path]:
    """Write attributions of slices as volumes: one .nii.gz and one .json for each model, method, layer and target.

    A volume has the shape and the affine of the NIfTI file that its slices are from; of a DICOM series it has its
    columns, rows and slices. Values are float32 and equal `Attribution.values`; slices that were not explained are NaN.

    Args:
        attributions: of any scans, methods and layers.
        out: a folder; each volume that was explained gets a folder of its own in it.

    Returns:
        The files.

    Raises:
        BadInput: none of the scans lies in a volume.
        BadRun: the folder cannot be written to.
    """
    return list(write_nifti(attributions, out).paths)


def write_nifti(attributions: Sequence[Attribution], out: str | Path) -> Exported:
    """As `export_nifti`; also says what was left out and why."""
    placed, left_out = [], []
    for attribution in attributions:
        if why := why_nowhere(attribution):
            left_out.append(f"a NIfTI volume of {attribution.source or attribution.scan[:12]}: {why}")
        else:
            placed.append(attribution)
    if not placed:
        why = f"of scans without a place in space ({why_nowhere(attributions[0])})" if attributions else "of nothing"
        expected = "slices of a NIfTI file or of a DICOM series"
        raise BadInput(f"a NIfTI volume {why}", expected, "ask for png, npz or safetensors")
    paths: list[Path] = []
    taken: set[str] = set()
    for group in volumes(placed):
        space = space_of(group)
        if isinstance(space, str):
            left_out.append(f"a NIfTI volume of {group[0].source or group[0].scan[:12]} and its neighbours: {space}")
            continue
        name = files.free_name(_name(space), taken)
        folder = Path(out) / name
        paths += [path for same in _methods(group) for path in _write(same, space, folder)]
    return Exported(tuple(paths), tuple(dict.fromkeys(left_out)))


def heat_volume(slices: Sequence[Attribution], target: str, space: Space) -> Float32[np.ndarray, "a b c"]:
    """One target's values in the array of their volume; NaN where there are none. Later slices replace earlier ones."""
    values = np.full(space.grid.shape, np.nan, np.float32)
    for each in slices:
        assert each.place is not None
        space.grid.slice(values, each.place.index)[...] = each.on_scan(target)
    return values


def _write(slices: Sequence[Attribution], space: Space, folder: Path) -> list[Path]:
    paths = []
    for target in dict.fromkeys(target for each in slices for target in each.targets):
        chosen = [each for each in slices if target in each.targets]
        values = heat_volume(chosen, target, space)
        base = folder / words.stem(chosen[0], target)
        volume, beside = (base.with_name(base.name + ending) for ending in (".nii.gz", ".json"))
        files.write_bytes(volume, gzip.compress(_file(values, chosen[0], target, space), 4, mtime=0))
        files.write_json(beside, describe(chosen, target, space, values) | {"file": volume.name})
        paths += [volume, beside]
    return paths


def _file(values: Float32[np.ndarray, "a b c"], first: Attribution, target: str, space: Space) -> bytes:
    import nibabel

    kind = nibabel.Nifti1Image if max(values.shape) < 1 << 15 else nibabel.Nifti2Image
    image: Any = kind(values, space.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(space.affine, _ALIGNED)
    image.set_qform(space.affine, _ALIGNED)
    if not np.allclose(image.get_qform(), space.affine, atol=1e-3):
        image.set_qform(None, 0)  # a sheared grid has no qform
    end = colour.limit_of(values, share=first.share)
    image.header["cal_min"], image.header["cal_max"] = -end if first.signed else 0.0, end
    image.header["intent_name"] = words.text(target, 15).encode()
    image.header["descrip"] = words.text(f"RESEARCH ONLY {words.method(first)} {target}", 79).encode()
    found: bytes = image.to_bytes()
    return found


def describe(
    slices: Sequence[Attribution], target: str, space: Space, values: Float32[np.ndarray, "a b c"]
) -> dict[str, Any]:
    """What has to be known of a volume to read it."""
    first = slices[0]
    common, apart = in_common([each.reading for each in slices])
    return {
        "purpose": words.RESEARCH,
        "method": first.method,
        "heading": words.method(first),
        "layer": first.layer,
        "model": first.model,
        "model_hash": first.model_hash,
        "target": target,
        "classes": list(first.classes),
        "unit": first.unit,
        "score": first.score,
        "signed": first.signed,
        "convention": colour.convention(first.signed, first.quantity),
        "largest": colour.limit_of(values),
        "not_explained": RULE,
        "seed": first.seed,
        "source": {
            "kind": space.source, "volume": space.volume, "number": space.frame, "plane": space.plane,
            "space": "the file's own axes and millimetres" if space.source == "nifti"
            else "columns, rows and slices of the series; millimetres, RAS+ (DICOM's LPS with its first two negated)",
        },
        "slices_of_volume": space.grid.count,
        "reading": list(common),
        "slices": [_slice(each, said) for each, said in zip(slices, apart, strict=True)],
    }  # fmt: skip


def _slice(each: Attribution, said: Reading) -> dict[str, Any]:
    assert each.place is not None
    return {
        "index": each.place.index,
        "scan": each.scan,
        "reading": list(said),
        "predicted": each.predicted,
        "probabilities": dict(zip(each.classes, map(float, each.probabilities), strict=True)),
    }


def _methods(group: Sequence[Attribution]) -> list[list[Attribution]]:
    """Those of each model, method and layer, in the order of the slices; of a slice that comes twice, the later."""
    found: dict[Any, dict[int, Attribution]] = {}
    for each in group:
        assert each.place is not None
        found.setdefault((each.model_hash, each.model, each.method, each.layer), {})[each.place.index] = each
    return [[slices[number] for number in sorted(slices)] for slices in found.values()]


def _name(space: Space) -> str:
    number = "" if space.frame is None else f"-{space.frame:03d}"
    return f"volume-{words.file_part(space.volume[:8])}{number}" + (
        f"-{words.file_part(space.plane)}" if space.plane else ""
    )
