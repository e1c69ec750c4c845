from __future__ import annotations

import pytest

from whyscan.errors import BadInput
from whyscan.explain.games.segments import Superpixels
from whyscan.study.options import parse


def test_text_becomes_values() -> None:
    found = parse({"samples": "200", "fill": "0.5", "score": "logit"}, ["steps=64", "centred=False", "baseline = blur"])
    assert found == {
        "samples": 200, "fill": 0.5, "score": "logit", "steps": 64, "centred": False, "baseline": "blur",
    }  # fmt: skip
    assert parse({"samples": "auto"}) == {"samples": "auto"}


def test_superpixels_by_name_and_count() -> None:
    assert parse({"superpixels": "grid"}) == {"superpixels": Superpixels("grid")}
    assert parse({"superpixels": "slic:80"}) == {"superpixels": Superpixels("slic", 80)}


@pytest.mark.parametrize("text", ["hexagons", "slic:", "slic:many", "slic:-3"])
def test_superpixels_that_do_not_exist(text: str) -> None:
    with pytest.raises(BadInput, match="slic, quickshift, felzenszwalb, grid"):
        parse({"superpixels": text})


@pytest.mark.parametrize("settings", [["steps"], ["=3"], ["steps=3", "steps=4"]])
def test_settings_that_cannot_be_read(settings: list[str]) -> None:
    with pytest.raises(BadInput, match="NAME=VALUE"):
        parse({}, settings)


def test_a_setting_that_is_an_option_as_well_is_not_given_twice() -> None:
    with pytest.raises(BadInput, match="each name once"):
        parse({"samples": "200"}, ["samples=300"])
