"""The healthy head of a phantom: what a contrast-enhanced T1 slice shows, drawn in three planes.

Nothing here knows which lesion will follow, so that the lesion is all that tells one class from another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whyscan.data.phantom_shapes import Plane, cut, ellipse, field, grid, inside, join, paint

View = Literal["axial", "coronal", "sagittal"]
VIEWS: tuple[View, ...] = ("axial", "coronal", "sagittal")

# Signal of each tissue in T1 after contrast, as a share of full scale.
CSF, GREY, WHITE, DEEP_GREY, BONE, FAT, MUSCLE, VESSEL, GLAND = 0.10, 0.29, 0.43, 0.36, 0.05, 0.80, 0.30, 0.78, 0.50


@dataclass(frozen=True, eq=False)
class Head:
    """A drawn head and the landmarks that lesions are placed by.

    Attributes:
        view: the plane of the slice.
        signal: what the scanner would measure without coil shading and noise.
        x, y: anatomical coordinates of every pixel: turned, scaled, shifted and gently bent.
        wall: distance to the inside of the skull, negative within it.
        fluid: distance to the ventricles, negative within them.
        brain: distance to where brain may lie: inside the skull, short of the dura.
        soft: width of a soft edge, about two pixels.
        sella: where the pituitary sits.
        falx: ends of the visible falx, the midline fold of the dura; None where the slice runs along it.
    """

    view: View
    signal: Plane
    x: Plane
    y: Plane
    wall: Plane
    fluid: Plane
    brain: Plane
    soft: float
    sella: tuple[float, float]
    falx: tuple[tuple[float, float], tuple[float, float]] | None


@dataclass(frozen=True, eq=False)
class Outline:
    """What differs between the planes: distances to the skull's cavity, the skin and the fluid, and landmarks."""

    wall: Plane
    skin: Plane
    fluid: Plane
    sella: tuple[float, float]
    falx: tuple[tuple[float, float], tuple[float, float]] | None


def draw_head(rng: np.random.Generator, size: int, shift: float = 0.0) -> Head:
    """A head with its own shape, pose, folds and contrast.

    Args:
        rng: where all of its variation comes from.
        size: pixels to a side.
        shift: extra move to the left, in half widths.
    """
    view = VIEWS[rng.integers(len(VIEWS))]
    soft = 4.0 / size
    x, y = _anatomical(rng, size, shift)
    outline = _OUTLINES[view](rng, x, y)
    brain = outline.wall + np.float32(0.004 + soft / 2)
    image = _outside(rng, size, x, y, outline, view, soft)
    image = _brain(rng, size, image, outline, view, soft)
    image = _DETAILS[view](x, y, image, outline, soft)
    return Head(view, image, x, y, outline.wall, outline.fluid, brain, soft, outline.sella, outline.falx)


def _anatomical(rng: np.random.Generator, size: int, shift: float) -> tuple[Plane, Plane]:
    x, y = grid(size)
    angle, scale = rng.normal(0, 0.08), rng.uniform(0.94, 1.12)
    dx, dy = rng.normal(0, 0.03, 2)
    x, y = x - np.float32(dx - shift), y - np.float32(dy)
    cosine, sine = np.float32(np.cos(angle) * scale), np.float32(np.sin(angle) * scale)
    x, y = cosine * x + sine * y, cosine * y - sine * x
    bend_x, bend_y = field(rng, 5, size), field(rng, 5, size)
    return x + np.float32(0.016) * bend_x, y + np.float32(0.016) * bend_y


def _axial(rng: np.random.Generator, x: Plane, y: Plane) -> Outline:
    wide, long = rng.uniform(0.56, 0.64), rng.uniform(0.70, 0.78)
    whole = ellipse(x / (1 + np.float32(0.14) * y), y, (0, 0), (wide, long))
    skin = whole - np.float32(rng.uniform(0.09, 0.12))
    skin = join(skin, ellipse(x, y, (0, -long - 0.10), (0.07, 0.09)), 0.10)
    wall = cut(whole, -ellipse(np.abs(x), y, (0.27, 0.04 - long), (0.19, 0.20), 0.3), 0.08)
    big = rng.uniform(0.75, 1.4)
    away = np.abs(x)
    temporal = ellipse(away, y, (0.27, 0.02), (0.020 * big, 0.075 * big), tilt=-0.5)
    aqueduct = ellipse(x, y, (0, 0.215), (0.014 * big, 0.022 * big))
    return Outline(wall, skin, join(temporal, aqueduct, 0.01), (0.0, -0.10), ((0.0, -long + 0.03), (0.0, -0.30)))


def _coronal(rng: np.random.Generator, x: Plane, y: Plane) -> Outline:
    wide, high = rng.uniform(0.56, 0.63), rng.uniform(0.60, 0.66)
    away = np.abs(x)
    dome = ellipse(x, y, (0, -0.16), (wide, high))
    base = y - np.float32(0.40) + np.float32(0.13) * np.exp(-((away / np.float32(0.17)) ** 2))
    wall = cut(dome, base, 0.10)
    face = cut(away - np.float32(rng.uniform(0.46, 0.54)), np.float32(0.1) - y, 0.2)
    skin = join(wall - np.float32(rng.uniform(0.09, 0.12)), face, 0.12)
    big = rng.uniform(0.75, 1.3)
    wings = ellipse(away, y, (0.11, -0.20), (0.045 * big, 0.12 * big), tilt=0.75)
    third = ellipse(x, y, (0, -0.05), (0.017 * big, 0.09))
    temporal = ellipse(away, y, (0.33, 0.16), (0.022 * big, 0.05 * big), tilt=0.4)
    return Outline(
        wall, skin, join(join(wings, third, 0.03), temporal, 0.01), (0.0, 0.19), ((0.0, -0.16 - high), (0.0, -0.36))
    )


def _sagittal(rng: np.random.Generator, x: Plane, y: Plane) -> Outline:
    long, high = rng.uniform(0.72, 0.80), rng.uniform(0.56, 0.62)
    dome = ellipse(x, y, (0.04, -0.20), (long, high))
    step = 1 / (1 + np.exp(-(x + np.float32(0.02)) / np.float32(0.06)))
    base = y - np.float32(0.13) - np.float32(0.38) * step
    wall = cut(dome, base, 0.10)
    face = join(
        ellipse(x, y, (-0.46, 0.40), (0.30, 0.52), tilt=0.12), ellipse(x, y, (-0.76, 0.36), (0.08, 0.12), 0.5), 0.12
    )
    neck = cut(np.abs(x - np.float32(0.16)) - np.float32(0.36), np.float32(0.1) - y, 0.2)
    skin = join(join(wall - np.float32(rng.uniform(0.09, 0.12)), face, 0.10), neck, 0.15)
    big = rng.uniform(0.8, 1.25)
    body = cut(
        ellipse(x, y, (0.02, -0.10), (0.30, 0.19)), -ellipse(x, y, (0.02, -0.03), (0.30, 0.19 - 0.02 * big)), 0.02
    )
    fourth = ellipse(x, y, (0.27, 0.26), (0.028 * big, 0.07), tilt=-0.5)
    return Outline(wall, skin, join(body, fourth, 0.01), (-0.13, 0.08), None)


_OUTLINES: dict[View, Callable[[np.random.Generator, Plane, Plane], Outline]] = {
    "axial": _axial,
    "coronal": _coronal,
    "sagittal": _sagittal,
}


def _outside(
    rng: np.random.Generator, size: int, x: Plane, y: Plane, outline: Outline, view: View, soft: float
) -> Plane:
    """Air, skin, fat, muscle, bone: everything that is not inside the skull."""
    image = np.zeros((size, size), np.float32)
    flesh = field(rng, 14, size)
    soft_tissue = np.clip(MUSCLE + np.float32(0.13) * flesh, 0.06, 0.7)
    image = paint(image, inside(outline.skin, soft), soft_tissue)
    rind = outline.skin + np.float32(0.028) * (1 + np.float32(0.35) * field(rng, 9, size))
    fat = np.clip(rind / np.float32(0.03) + np.float32(0.6), 0, 1) * inside(outline.skin, soft)
    image = paint(image, fat, np.float32(FAT) * (1 + np.float32(0.12) * field(rng, 9, size)))
    marrow = np.exp(-(((outline.wall - np.float32(0.030)) / np.float32(0.010)) ** 2)) * np.float32(0.16)
    image = paint(image, inside(outline.wall - np.float32(0.055), soft), BONE + marrow)
    return _eyes(image, x, y, outline, soft) if view == "axial" else _cavities(image, x, y, flesh, view, soft)


def _eyes(image: Plane, x: Plane, y: Plane, outline: Outline, soft: float) -> Plane:
    """The orbits with their fat, and the globes."""
    assert outline.falx is not None
    front, away = outline.falx[0][1] - 0.03, np.abs(x)
    orbit = cut(ellipse(away, y, (0.25, front + 0.06), (0.15, 0.17), 0.3), outline.skin + np.float32(0.03), 0.03)
    image = paint(image, inside(orbit, soft), FAT * 0.72)
    nose = join(ellipse(x, y, (0, front - 0.03), (0.045, 0.07)), ellipse(x, y, (0, front + 0.05), (0.07, 0.05)), 0.02)
    image = paint(image, inside(nose, soft), 0.05)
    globe = ellipse(away, y, (0.245, front + 0.04), (0.08, 0.085))
    image = paint(image, inside(globe, soft), 0.42)
    return paint(image, inside(globe + np.float32(0.018), soft), 0.13)


def _cavities(image: Plane, x: Plane, y: Plane, flesh: Plane, view: View, soft: float) -> Plane:
    """Air in the sinuses, nose and throat."""
    ragged = np.float32(0.035) * flesh
    if view == "coronal":
        away = np.abs(x)
        air = join(ellipse(x, y, (0, 0.46), (0.12, 0.08)), ellipse(away, y, (0.25, 0.66), (0.10, 0.11)), 0.03)
        air = join(air, ellipse(x, y, (0, 0.80), (0.05, 0.12)), 0.03)
    else:
        air = join(ellipse(x, y, (-0.22, 0.24), (0.10, 0.06)), ellipse(x, y, (-0.46, 0.44), (0.22, 0.07), 0.1), 0.03)
        air = join(air, ellipse(x, y, (-0.13, 0.62), (0.035, 0.28), -0.1), 0.03)
    return paint(image, inside(air + ragged, soft), 0.04)


def _brain(rng: np.random.Generator, size: int, image: Plane, outline: Outline, view: View, soft: float) -> Plane:
    """Fluid, the folded grey ribbon, white matter, ventricles."""
    depth = -(outline.wall + np.float32(0.02))
    folds = field(rng, 20, size)
    slope_y, slope_x = np.gradient(folds, np.float32(2 / size))
    crease = np.abs(folds) / (np.sqrt(slope_x * slope_x + slope_y * slope_y) + np.float32(2.0))
    reach = np.float32(rng.uniform(0.13, 0.19)) * (1 + np.float32(0.35) * field(rng, 7, size))
    to_fluid = np.minimum(depth, crease + np.float32(0.8) * np.clip(depth - reach, 0, None))
    ribbon = np.float32(rng.uniform(0.038, 0.050))
    texture = np.float32(0.014) * field(rng, 24, size) + np.float32(0.016) * field(rng, 7, size)
    tissue = paint(np.full_like(image, WHITE), inside(to_fluid - ribbon, 0.035), GREY) + texture
    tissue = paint(tissue, np.float32(0.85) * inside(to_fluid - np.float32(0.007), 1.5 * soft), CSF)
    tissue = paint(tissue, inside(outline.fluid, soft), CSF)
    image = paint(image, inside(outline.wall, soft), CSF)
    if view != "sagittal":
        dura = np.exp(-(((outline.wall + np.float32(0.008)) / np.float32(0.010)) ** 2)) * np.float32(0.30)
        image = image + dura * inside(outline.wall, soft)
    return paint(image, inside(outline.wall + np.float32(0.02), soft), tissue)


def _midline(image: Plane, x: Plane, y: Plane, ends: tuple[float, float], soft: float) -> Plane:
    """The fissure between the hemispheres with the falx in it, over a span of y."""
    span = np.clip((y - np.float32(ends[0])) / 0.03, 0, 1) * np.clip((np.float32(ends[1]) - y) / 0.03, 0, 1)
    image = paint(image, span * inside(np.abs(x) - np.float32(0.016), soft), 0.16)
    return paint(image, span * np.exp(-((x / np.float32(0.009)) ** 2)) * np.float32(0.7), 0.42)


def _gland(image: Plane, x: Plane, y: Plane, sella: tuple[float, float], room: float, soft: float) -> Plane:
    """The cistern above the sella and the healthy gland in it."""
    cistern = ellipse(x, y, (sella[0], sella[1] - 0.02), (room * 1.35, room))
    image = paint(image, inside(cistern, 2 * soft), CSF + 0.02)
    return paint(image, inside(ellipse(x, y, (sella[0], sella[1] + 0.02), (0.035, 0.025)), soft), GLAND)


def _axial_details(x: Plane, y: Plane, image: Plane, outline: Outline, soft: float) -> Plane:
    assert outline.falx is not None
    away = np.abs(x)
    back = float(-outline.falx[0][1])
    image = _midline(image, x, y, (outline.falx[0][1], outline.falx[1][1]), soft)
    image = _midline(image, x, y, (0.50, back), soft)
    image = paint(image, inside(ellipse(x, y, (0, back - 0.035), (0.035, 0.03)), soft), VESSEL)
    sylvian = join(
        ellipse(away, y, (0.17, -0.17), (0.15, 0.016), -0.20),
        ellipse(away, y, (0.41, -0.16), (0.13, 0.014), 0.30),
        0.02,
    )
    image = paint(image, inside(sylvian, 1.5 * soft), CSF)
    vermis = ellipse(x, y, (0, 0.36), (0.13, 0.10))
    folia = np.float32(0.05) * np.sin(np.hypot(x, y - np.float32(0.22)) * np.float32(95))
    midbrain = join(ellipse(away, y, (0.085, 0.075), (0.065, 0.075), 0.5), ellipse(x, y, (0, 0.16), (0.11, 0.09)), 0.04)
    around = join(midbrain - np.float32(0.022), vermis - np.float32(0.015), 0.03)
    image = paint(image, inside(around, soft), CSF)
    image = paint(image, inside(vermis, soft), np.float32(GREY + 0.03) + folia)
    image = paint(image, inside(midbrain, soft), WHITE)
    image = paint(image, inside(outline.fluid, soft), CSF)
    return _gland(image, x, y, outline.sella, 0.10, soft)


def _coronal_details(x: Plane, y: Plane, image: Plane, outline: Outline, soft: float) -> Plane:
    assert outline.falx is not None
    away = np.abs(x)
    image = paint(image, np.float32(0.7) * inside(ellipse(away, y, (0.12, 0.0), (0.085, 0.075)), 0.05), DEEP_GREY)
    image = paint(image, np.float32(0.7) * inside(ellipse(away, y, (0.27, -0.06), (0.05, 0.12), -0.3), 0.05), DEEP_GREY)
    sylvian = ellipse(away, y, (0.47, 0.05), (0.15, 0.014), -0.45)
    image = paint(image, inside(cut(sylvian, outline.wall + np.float32(0.02), 0.01), 1.5 * soft), CSF)
    image = paint(image, inside(outline.fluid, soft), CSF)
    top, bottom = outline.falx[0][1], outline.falx[1][1]
    image = _midline(image, x, y, (top, bottom), soft)
    callosum = ellipse(x, y, (0, bottom + 0.055), (0.16, 0.028))
    image = paint(image, inside(callosum, soft), WHITE + 0.03)
    image = paint(image, inside(ellipse(x, y, (0, top + 0.035), (0.035, 0.03)), soft), VESSEL)
    return _gland(image, x, y, outline.sella, 0.085, soft)


def _sagittal_details(x: Plane, y: Plane, image: Plane, outline: Outline, soft: float) -> Plane:
    arch = np.abs(ellipse(x, y, (0.02, -0.09), (0.33, 0.22))) - np.float32(0.026)
    callosum = cut(arch, y + np.float32(0.10), 0.02)
    image = paint(image, inside(callosum, soft), WHITE + 0.06)
    image = paint(image, inside(ellipse(x, y, (0.07, 0.0), (0.12, 0.075)), 0.04), DEEP_GREY)
    folia = np.float32(0.06) * np.sin(np.hypot(x - np.float32(0.24), y - np.float32(0.24)) * np.float32(95))
    lobe = cut(ellipse(x, y, (0.42, 0.27), (0.24, 0.19), 0.25), outline.wall + np.float32(0.03), 0.02)
    image = paint(image, inside(lobe - np.float32(0.018), soft), CSF)
    image = paint(image, inside(lobe, soft), np.float32(GREY + 0.02) + folia)
    stem = join(
        ellipse(x, y, (0.14, 0.22), (0.085, 0.17), 0.12),
        cut(np.abs(x - np.float32(0.19) - np.float32(0.08) * y) - np.float32(0.05), np.float32(0.2) - y, 0.05),
        0.08,
    )
    image = paint(image, inside(stem - np.float32(0.03), soft) * inside(np.float32(0.12) - y, 0.1), CSF)
    image = paint(image, inside(stem, soft), WHITE)
    image = paint(image, inside(outline.fluid, soft), CSF)
    return _gland(image, x, y, outline.sella, 0.075, soft)


_DETAILS: dict[View, Callable[[Plane, Plane, Plane, Outline, float], Plane]] = {
    "axial": _axial_details,
    "coronal": _coronal_details,
    "sagittal": _sagittal_details,
}
