from __future__ import annotations

import pytest

from whyscan.records.evidence import Evidence


def test_measured_skipped_and_failed_are_three_things() -> None:
    assert Evidence(0.0).status == "measured"
    assert Evidence.skipped("no mask", n=3) == Evidence(None, n=3, reason="no mask", status="skipped")
    assert Evidence.failed("NaN").status == "failed"


@pytest.mark.parametrize(
    "wrong", [{"value": None}, {"value": 0.0, "status": "skipped", "reason": "x"}, {"value": None, "status": "failed"}]
)
def test_not_measured_is_never_a_number_and_always_has_a_reason(wrong) -> None:
    with pytest.raises(ValueError, match="evidence"):
        Evidence(**wrong)


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (Evidence(0.95349, 0.931, 0.9714), "0.953 [0.931, 0.971]"),
        (Evidence(0.5), "0.500"),
        (Evidence(0.5, low=0.4), "0.500"),
        (Evidence.skipped("no mask"), "not measured: no mask"),
    ],
)
def test_text_for_people(evidence, text) -> None:
    assert evidence.text() == text


@pytest.mark.parametrize("evidence", [Evidence(0.5, 0.4, 0.6, 12), Evidence.failed("NaN")])
def test_a_row_there_and_back(evidence) -> None:
    assert Evidence.from_row({**evidence.row(), "metric": "accuracy"}) == evidence
