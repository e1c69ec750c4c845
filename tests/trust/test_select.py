from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import planted

from whyscan.trust import names, select
from whyscan.trust.profile import profile
from whyscan.trust.table import Row

OWN = "conv3"


def judged(scans: int, layered: int) -> list[Row]:
    """Grad-CAM at its own layer on all scans, and at every layer on the first few of them, as a trust run writes it."""
    found = []
    for each in (replace(each, method="gradcam") for each in planted.layered(scans)):
        number = int(each.content.removeprefix("c"))
        if each.layer == OWN:
            # its own rows come first, and it is asked more than layers are
            found[:0] = [each, *(replace(each, metric=more, value=0.5) for more in ("gini", "sensitivity-n"))]
        if number < layered:
            found.append(each)
    return found


def test_a_method_is_judged_at_its_own_layer_also_where_every_scan_was_asked_at_every_layer() -> None:
    for layered in (3, 10):
        rows = judged(10, layered)
        assert select.main_layers(rows) == {(planted.BEST, "gradcam"): OWN, (planted.WEAK, "gradcam"): OWN}
        assert len(select.values(select.main_rows(rows), "sensitivity-n")) == 2 * 10


def test_a_method_that_was_asked_of_layers_only_is_not_judged() -> None:
    """Grad-CAM of every layer is looked at whatever the methods are: it must not be graded by its first layer."""
    asked = [replace(each, method="lime", layer="", metric="gini", value=0.5) for each in judged(5, 5)[:5]]
    rows = [*asked, *(each for each in judged(5, 5) if each.metric in names.PROFILED)]
    assert {method for _, method in select.main_layers(rows)} == {"lime"}
    assert {row.method for row in select.main_rows(rows)} == {"lime"}


def test_a_method_that_refused_every_scan_has_its_refusals() -> None:
    (row, *_) = judged(5, 5)
    rows = [replace(row, method="attention_rollout", layer="", metric=names.REFUSED, value=None)]
    assert select.main_rows(rows) == rows


def test_layers_are_compared_on_the_scans_that_were_asked_at_each() -> None:
    found = profile(judged(10, 4), planted.BEST, planted.LAYERS, [])
    assert [len(found.values["blank"][layer]) for layer in planted.LAYERS] == [4] * 4


def test_a_blank_map_is_counted_once_though_its_layer_has_two_rows() -> None:
    rows = [
        replace(each, value=1.0, reason="dead") for each in judged(5, 5) if each.metric == "blank" and each.layer == OWN
    ]
    found = profile([*judged(5, 5), *rows], planted.BEST, planted.LAYERS, [])
    assert found.reasons["dead"] == 5
