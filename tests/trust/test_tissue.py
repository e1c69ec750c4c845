"""Tissue: shares by hand, sums of 1, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from whyscan.data.head import Head, find_head
from whyscan.data.phantom import phantom
from whyscan.trust.tissue import PARTS, share, tissue_of

HEAD = np.zeros((10, 10), bool)
HEAD[1:9, 1:9] = True  # 64 pixels
BRAIN = np.zeros((10, 10), bool)
BRAIN[3:7, 3:7] = True  # 16
TUMOUR = np.zeros((10, 10), bool)
TUMOUR[3, 3:5] = TUMOUR[2, 3] = True  # two pixels of the brain and one of the border
KNOWN = Head(HEAD, BRAIN)


def values(**at: float) -> np.ndarray:
    """One pixel each: in the tumour, the brain, the border, and outside."""
    places = {"tumour": (3, 3), "outside_brain": (2, 3), "brain": (6, 6), "border": (1, 1), "background": (0, 9)}
    found = np.zeros((10, 10), np.float32)
    for name, height in at.items():
        found[places[name]] = height
    return found


def test_shares_by_hand_whatever_the_sign() -> None:
    image = values(tumour=3, outside_brain=1, brain=-2, border=2, background=-2)
    tissue = tissue_of(KNOWN, TUMOUR)
    found = {part: share(image, tissue, part).value for part in PARTS}
    assert found == pytest.approx({"tumour": 0.4, "brain": 0.2, "border": 0.2, "background": 0.2})
    areas = {part: float(tissue.parts[part].mean()) for part in PARTS}
    assert areas == pytest.approx({"tumour": 0.03, "brain": 0.14, "border": 0.47, "background": 0.36})


def test_without_a_mask_there_are_three_parts() -> None:
    tissue = tissue_of(KNOWN, None)
    image = values(tumour=3, brain=1, border=1)
    assert share(image, tissue, "tumour").reason == "no region is known for this scan"
    assert [share(image, tissue, part).value for part in PARTS[1:]] == pytest.approx([0.8, 0.2, 0])


def test_an_empty_mask_is_a_part_without_weight() -> None:
    tissue = tissue_of(KNOWN, np.zeros((10, 10), bool))
    assert share(values(brain=1), tissue, "tumour").value == 0


def test_what_is_not_known_is_not_guessed() -> None:
    unknown = tissue_of(Head(HEAD, None, "no edge goes around the brain"), TUMOUR)
    image = values(tumour=1, background=1)
    assert [share(image, unknown, part).value for part in PARTS] == [0.5, None, None, 0.5]
    assert share(image, unknown, "border").reason == "no edge goes around the brain"
    nothing = tissue_of(Head(None, None, "no background is to be seen"), TUMOUR)
    assert [share(image, nothing, part).value for part in PARTS] == [0.5, None, None, None]
    assert nothing.reasons["background"] == "no background is to be seen"


def test_maps_that_cannot_be_shared_out() -> None:
    tissue = tissue_of(KNOWN, TUMOUR)
    assert share(np.zeros((10, 10), np.float32), tissue, "brain").status == "skipped"
    assert share(np.full((10, 10), 0.3, np.float32), tissue, "brain").status == "skipped"
    assert share(np.full((10, 10), np.nan, np.float32), tissue, "brain").status == "failed"
    assert share(np.zeros((5, 5), np.float32), tissue, "brain").status == "failed"


def test_shares_of_a_real_cut_add_up_to_one() -> None:
    scan = phantom("meningioma", size=96, seed=3)
    tissue = tissue_of(find_head(scan), scan.region)
    image = np.random.default_rng(0).normal(size=scan.shape).astype(np.float32)
    found = [share(image, tissue, part).value for part in PARTS]
    assert None not in found and sum(each for each in found if each is not None) == pytest.approx(1)
    assert sum(0 if mask is None else mask.mean() for mask in tissue.parts.values()) == pytest.approx(1)
