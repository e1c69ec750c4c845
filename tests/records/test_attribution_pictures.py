"""What an attribution shows of itself: overlay, figure, notebook."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyscan.errors import BadTarget
from whyscan.records.attribution import Attribution
from whyscan.records.geometry import Geometry
from whyscan.render import colour


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


def test_headings_call_a_method_by_its_title(attribution: Attribution) -> None:
    named = replace(attribution, heading="Grad-CAM")
    assert named.headline == "Grad-CAM · conv · <b>m</b>"
    assert named.plot().get_suptitle() == named.headline
    assert attribution.headline == "gradcam · conv · <b>m</b>"


def test_a_figure_says_how_far_to_trust_it_and_outlines_the_lesion(attribution: Attribution) -> None:
    region = np.zeros((16, 16), bool)
    region[4:8, 4:8] = True
    doubtful = replace(
        attribution, evaluations=300, converged=False, measured={"precision": (0.97, 1.0)},
        diagnosis=("there", "negative everywhere"), region=region,
    )  # fmt: skip
    figure = doubtful.plot()
    words = figure.get_supxlabel()
    assert "From 300 evaluations" in words and "not settled" in words and "Precision: glioma 0.97, none 1." in words
    _, first, second, *_ = (axis.get_title() for axis in figure.axes)
    assert "there" not in first and second.endswith("negative everywhere")
    assert (figure.axes[1].images[0].get_array()[4, 4] == colour.OUTLINE).all()


def test_notebooks_get_an_escaped_picture(attribution: Attribution) -> None:
    shown = attribution._repr_html_()
    assert "<b>m</b>" not in shown and "&lt;b&gt;m&lt;/b&gt;" in shown
    assert "explained: none" in shown
