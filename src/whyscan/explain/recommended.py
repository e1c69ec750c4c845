"""What is recommended by default, and why: what each method found where the reason for the answer was planted.

The record of the phantom benchmark (`python benchmarks/phantoms.py`, docs/explanation/phantom-benchmark.md): models
that must use the lesion, a corner mark or a border, and scans on which that was proved. A test keeps this record equal
to the benchmark's published figures, so that running it again and finding otherwise changes what is recommended.
"""

from __future__ import annotations

from collections.abc import Mapping

PLANTED = ("lesion", "corner mark", "border")
"""The planted reasons that have a place, which a map could show."""

FOUND: Mapping[str, tuple[str, ...]] = {
    "gradcam": ("lesion", "border"),
    "lime": ("corner mark", "border"),
    "shap": ("corner mark", "border"),
    "gradcampp": ("lesion", "border"),
    "hirescam": ("lesion", "border"),
    "xgradcam": ("lesion", "border"),
    "layercam": ("lesion", "border"),
    "eigencam": ("lesion", "border"),
    "scorecam": ("lesion", "border"),
    "ablationcam": ("lesion", "border"),
    "saliency": ("corner mark", "border"),
    "input_x_gradient": ("corner mark", "border"),
    "smoothgrad": ("corner mark", "border"),
    "integrated_gradients": ("corner mark", "border"),
    "gradient_shap": ("corner mark", "border"),
    "guided_backprop": PLANTED,
    "guided_gradcam": PLANTED,
    "owen": ("corner mark", "border"),
    "occlusion": PLANTED,
    "rise": PLANTED,
    "anchors": ("corner mark",),
}
"""By method, the reasons that its map holds surely more of than a map that knows nothing of them. A method that is not
here was not asked: attention rollout looks at no convolutional network."""

FINDERS = tuple(name for name, found in FOUND.items() if set(found) == set(PLANTED))
"""Those that found every reason."""

INSANE: Mapping[str, str] = {
    "guided_backprop": "its picture stays the same for a head that was taught shuffled labels",
}
"""What failed a check of sanity on every model of docs/results.md, and how: found reasons do not make it evidence."""

RECOMMENDED = tuple(name for name in FINDERS if name not in INSANE)
"""What to look at first when it is not known what a model uses."""


def misses(method: str) -> tuple[str, ...] | None:
    """The planted reasons that a method did not find; None where it was not asked."""
    found = FOUND.get(method)
    return None if found is None else tuple(name for name in PLANTED if name not in found)
