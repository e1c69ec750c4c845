"""What is recommended is what the published phantom benchmark found, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whyscan.explain.methods import METHODS, describe
from whyscan.explain.recommended import FINDERS, FOUND, INSANE, PLANTED, RECOMMENDED, misses
from whyscan.study.trust_settings import USUAL, TrustSettings

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "phantom-benchmark.md"
LIMIT = 0.05
"""As `benchmarks/phantoms_table.py` has it: a find is surely above this."""


def published() -> dict[str, tuple[int, dict[str, float]]]:
    """By method: how many reasons the page says that it finds, and the low end of the interval of each."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("## Which methods find the reason")[1].split("\n## ")[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and (count := re.match(r"(\d) of 3", cells[1])):
            lows = {
                world: float(low[1].replace("\N{MINUS SIGN}", "-"))
                for world, cell in zip(PLANTED, cells[2:], strict=True)
                if (low := re.search(r"\[([^,]+),", cell))
            }
            found[cells[0]] = int(count[1]), lows
    return found


def test_the_record_is_the_published_table() -> None:
    table = published()
    assert set(table) == set(FOUND) and len(table) > 20
    for method, (count, lows) in table.items():
        assert count == len(FOUND[method]), method
        for world in PLANTED:  # rounded as it is printed, a low end at the limit itself may be on either side
            low = lows.get(world, -1.0)
            if low != pytest.approx(LIMIT):
                assert (world in FOUND[method]) == (low > LIMIT), (method, world)


def test_recommended_is_what_found_everything() -> None:
    assert {"occlusion", "rise", "guided_gradcam"} <= set(RECOMMENDED)
    assert all(misses(name) == () for name in RECOMMENDED)
    assert set(FINDERS) - set(RECOMMENDED) == {"guided_backprop"} == set(INSANE)
    failing = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in failing.splitlines() if line.startswith("| mobilenetv2_035")]
    verdicts = {row[1]: row[2] for row in rows if row[2] in ("recommended", "use with care", "fails")}
    assert all(verdicts[name] != "fails" for name in RECOMMENDED) and all(verdicts[name] == "fails" for name in INSANE)
    assert misses("gradcam") == ("corner mark",) and misses("attention_rollout") is None
    assert set(FOUND) == set(METHODS) - {"attention_rollout"}


def test_recommended_is_what_is_judged_and_listed() -> None:
    assert set(RECOMMENDED) < set(FINDERS) <= set(USUAL) and len(set(USUAL)) == len(USUAL)
    assert tuple(TrustSettings().methods) == USUAL
    listed = {row["name"]: row for row in describe()}
    assert {name for name, row in listed.items() if row["recommended"]} == set(RECOMMENDED)
    assert listed["attention_rollout"]["finds"] is None
