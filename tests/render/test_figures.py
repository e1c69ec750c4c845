"""Figures: made without pyplot, the same each time, unharmed by odd names and empty data."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from whyscan.render import figures

ODD = "a$b <script>alert(1)</script> & 50%"
SCAN = np.tile(np.arange(16, dtype=np.uint8) * 10, (16, 1))
ROWS = [
    {"epoch": "1", "phase": "head", "train_loss": "1.2", "validation_loss": "1.3", "train_accuracy": "0.4"},
    {"epoch": "2", "phase": "finetune", "train_loss": "0.7", "validation_loss": "", "train_accuracy": "nan"},
]


RAMP = np.linspace(-1, 1, 256).reshape(16, 16)
FIGURES: dict[str, Callable[[], Figure]] = {
    "attribution": lambda: figures.attribution(SCAN, [(ODD, RAMP), ("b", RAMP * 0)], signed=True, unit=ODD, title=ODD),
    "blank": lambda: figures.attribution(SCAN, [("nan", RAMP * np.nan)], signed=False, unit="logit"),
    "curves": lambda: figures.curves(ROWS, ODD, best_epoch=1, loss_limit=2.0),
    "no curves": lambda: figures.curves([], ""),
    "confusion": lambda: figures.confusion(np.array([[3, 1], [0, 0]]), [ODD, "b"], ODD),
    "reliability": lambda: figures.reliability([0.2, None, 0.9], [0.3, None, 0.8], [5, 0, 20], ODD),
    "no reliability": lambda: figures.reliability([None], [None], [0]),
}


@pytest.mark.parametrize("name", list(FIGURES))
def test_svg_of_every_figure_is_safe_to_set_into_a_page(name: str) -> None:
    svg = figures.to_svg(FIGURES[name](), name=ODD)
    assert svg.startswith('<svg role="img" aria-label="a$b &lt;script&gt;')
    for unwanted in ("<script", "http", "xlink", "<style", "<metadata"):
        assert unwanted not in svg


@pytest.mark.parametrize("name", ["attribution", "confusion"])
def test_the_same_figure_gives_the_same_bytes(name: str) -> None:
    png = figures.to_png(FIGURES[name](), dpi=50)
    assert png == figures.to_png(FIGURES[name](), dpi=50)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture).std() > 0
    assert figures.to_svg(FIGURES[name](), name="n") == figures.to_svg(FIGURES[name](), name="n")


def test_no_pyplot_and_no_open_figures() -> None:
    figures.to_png(FIGURES["curves"](), dpi=30)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_attribution_shares_one_scale_and_labels_it() -> None:
    ramp = np.linspace(0, 4, 256).reshape(16, 16)
    figure = figures.attribution(SCAN, [("a", ramp), ("b", ramp / 4)], signed=True, unit="change of probability")
    bar = figure.axes[-1]
    assert bar.get_ylim() == (-4.0, 4.0)
    assert bar.get_ylabel() == "change of probability"
    shown = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    faint, strong = (np.abs(np.asarray(x, int) - np.asarray(shown[0], int)).sum() for x in (shown[2], shown[1]))
    assert 0 < faint < strong


def test_curves_say_what_the_table_says() -> None:
    figure = figures.curves(ROWS, "model", best_epoch=2, loss_limit=2.0)
    loss, accuracy = figure.axes
    train, validation = loss.get_lines()[:2]
    np.testing.assert_array_equal(train.get_ydata(), [1.2, 0.7])
    np.testing.assert_array_equal(validation.get_ydata(), [1.3, np.nan])
    assert loss.get_ylim() == (0.0, 2.0)
    assert accuracy.get_ylim()[1] <= 1.05
    upright = [line.get_xdata()[0] for line in loss.get_lines() if len(set(line.get_xdata())) == 1]
    assert upright == [1.5, 2]  # the new phase, the kept epoch


def test_html_escapes_its_alternative_text() -> None:
    text = figures.html(figures.curves(ROWS, ""), '"><script>')
    assert text.startswith('<img alt="&quot;&gt;&lt;script&gt;" src="data:image/png;base64,')


@pytest.mark.parametrize("panels", [1, 4])
def test_no_heading_and_no_note_is_cut_off(panels: int) -> None:
    words = " ".join(["explanation"] * 30)
    figure = figures.attribution(SCAN, [("a", RAMP)] * panels, signed=True, unit="logit", title=words, notes=[words])
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for text in filter(None, (figure._suptitle, figure._supxlabel)):  # type: ignore[attr-defined]
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width
        assert box.y0 >= 0 and box.y1 <= figure.bbox.height
