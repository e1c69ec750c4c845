"""What an attribution shows of itself: overlay, figure, notebook."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyscan.errors import BadTarget
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry


@pytest.fixture
def attribution() -> Attribution:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0, 0] = 2.0
    return Attribution(
        "gradcam",
        ("glioma", "none"),
        Geometry.of((16, 16), (8, 8)),
        ("glioma", "none"),
        np.array([0.8, 0.2], np.float32),
        maps=maps,
        layer="conv",
        label="none",
        model="<b>m</b>",
        thumbnail=np.full((16, 16), 90, np.uint8),
    )


def test_overlay_tints_only_where_the_map_is(attribution: Attribution) -> None:
    drawn = attribution.overlay("gli")
    assert drawn.shape == (16, 16, 3)
    assert (drawn[8:, 8:] == 90).all()
    assert not (drawn[0, 0] == 90).all()
    assert (attribution.overlay("none") == 90).all()
    assert (replace(attribution, thumbnail=None).overlay("none") == 128).all()


def test_plot_titles_come_from_the_attribution(attribution: Attribution) -> None:
    titles = [axis.get_title() for axis in attribution.plot().axes]
    assert "True: none,\npredicted: glioma,\nexplained: glioma" in titles
    assert "True: none,\npredicted: glioma,\nexplained: none" in titles
    one = [axis.get_title() for axis in attribution.plot("none").axes]
    assert not any("explained: glioma" in title for title in one)
    with pytest.raises(BadTarget):
        attribution.plot("pituitary")


def test_units_name_what_the_numbers_are(attribution: Attribution) -> None:
    assert attribution.unit == "logit (gradient × activation)"
    weighted = replace(
        attribution,
        maps=None,
        segments=np.zeros((8, 8), np.int32),
        weights=np.ones((2, 1), np.float32),
        signed=True,
        score="probability",
    )
    assert weighted.unit == "change of probability"


def test_notebooks_get_an_escaped_picture(attribution: Attribution) -> None:
    shown = attribution._repr_html_()
    assert shown.startswith("<img alt=")
    assert "<b>" not in shown
    assert "explained: none" in shown
