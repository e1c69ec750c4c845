"""The equations of PS3.3 C.11.2.1.2, worked out by hand and beside pydicom's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from whyscan.data.dicom_window import FUNCTIONS, Table, Window, parse_window, percentile_range, usable, windowed
from whyscan.errors import BadInput


def test_linear_by_hand() -> None:
    # centre 128, width 256: (x - 127.5) / 255 + 0.5 = x / 255, exactly what 8 bit means
    assert windowed(np.array([[0, 51, 255, 300, -4]]), Window(128, 256)).tolist() == [[0, 0.2, 1, 1, 0]]
    # C.11.2.1.2.1, note 3: centre 2048 and width 1 is black up to 2047 and white from 2048
    assert windowed(np.array([[2047, 2048]]), Window(2048, 1)).tolist() == [[0, 1]]


def test_linear_exact_by_hand() -> None:
    exact = windowed(np.array([[-10, 0, 40, 80, 90]]), Window(40, 80, "LINEAR_EXACT"))
    assert exact.tolist() == [[0, 0, 0.5, 1, 1]]


def test_sigmoid_by_hand() -> None:
    found = windowed(np.array([[10.0, 20.0, 1e9, -1e9]]), Window(10, 40, "SIGMOID"))
    assert np.allclose(found, [[0.5, 1 / (1 + np.exp(-1)), 1, 0]])


@given(
    st.sampled_from(FUNCTIONS), st.floats(-500, 500), st.floats(2, 1000),
    st.lists(st.integers(-2000, 2000), min_size=1, max_size=20),
)  # fmt: skip
def test_beside_pydicom(function: str, centre: float, width: float, values: list[int]) -> None:
    data = Dataset()
    data.WindowCenter, data.WindowWidth, data.VOILUTFunction = f"{centre:.6f}", f"{width:.6f}", function
    data.PhotometricInterpretation, data.BitsStored, data.BitsAllocated = "MONOCHROME2", 16, 16
    data.PixelRepresentation = 1
    with np.errstate(over="ignore"):
        theirs = (apply_windowing(np.array([values], np.int16), data) + 2**15) / (2**16 - 1)
    ours = windowed(np.array([values]), Window(float(f"{centre:.6f}"), float(f"{width:.6f}"), function))
    assert np.allclose(ours, theirs, atol=1e-6)


def test_what_no_equation_holds_for_is_no_window() -> None:
    assert usable(1, 0, "LINEAR") is None
    assert usable(float("nan"), 1, "LINEAR") is None
    assert usable(0.5, 0.5, "LINEAR") == Window(0.5, 0.5, "LINEAR_EXACT")


def test_a_table_is_clamped_at_its_ends() -> None:
    table = Table(np.array([5.0, 6.0, 9.0]), first=-1, bits=8)
    assert table.look_up(np.array([[-7, -1, 0, 1, 99]])).tolist() == [[5, 5, 6, 9, 9]]


def test_percentiles_do_not_collapse() -> None:
    assert percentile_range(np.r_[np.zeros(1000), 7]) == Window(3.5, 7, "LINEAR_EXACT")
    assert percentile_range(np.full(9, 3.0)).width == 1
    assert percentile_range(np.array([])).width == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [("40,80", (40, 80)), ("-600,1500", (-600, 1500)), ("1", 1), ("full", "full"), (" Brain ", "Brain"), (None, None)],
)
def test_the_command_lines_window(text: str | None, found: object) -> None:
    assert parse_window(text) == found


@pytest.mark.parametrize("text", ["40,0", "1,2,3", "nan,4", "1.5"])
def test_numbers_that_are_no_window(text: str) -> None:
    with pytest.raises(BadInput, match="the window"):
        parse_window(text)
