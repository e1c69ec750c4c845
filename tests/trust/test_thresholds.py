"""The documentation's table of thresholds is the file's."""

import re
from pathlib import Path
from typing import get_args

import pytest

from whyscan.trust import names, thresholds
from whyscan.trust.states import RULES, State
from whyscan.trust.thresholds import THRESHOLDS, Threshold

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "verdicts.md"


def test_every_threshold_is_in_the_table_as_it_is_in_the_file():
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("## Thresholds") :]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if "|" in line]
    wanted = [(name, f"{each.value:g}", each.decides, each.reason) for name, each in THRESHOLDS.items()]
    assert rows[2:] == wanted


def test_every_threshold_is_listed_and_has_a_reason():
    named = [value for value in vars(thresholds).values() if isinstance(value, Threshold)]
    assert sorted(map(id, named)) == sorted(map(id, THRESHOLDS.values()))
    assert all(len(each.reason) > 20 and each.decides.endswith(".") for each in named)


@pytest.mark.parametrize("name", ["verdict", "states"])
def test_no_verdict_hides_a_number(name):
    """In the files of verdicts there is no number but 0, 1 and 2."""
    source = (Path(thresholds.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    code = re.sub(r'""".*?"""|f?"[^"\n]*"', "", source, flags=re.DOTALL)
    assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", code)) <= {"0", "1", "2"}


def test_the_page_has_every_state_in_its_order_and_the_metrics_that_it_is_read_from():
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("| verdict | when | read from |") : text.index("Robustness and sanity")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line][2:]
    assert [row[0] for row in rows] == list(get_args(State))
    for state, _, read in rows:
        assert re.findall(r"`([^`]+)`", read) == [rule.metric for rule in RULES if rule.state == state]


def test_the_limit_of_a_turn_is_that_of_a_mirror():
    assert {rule.metric for rule in RULES if rule.limit == thresholds.FLIPPED.value and rule.side == "below"} == {
        names.FLIPS, names.TURNS}  # fmt: skip
    assert "turned" in thresholds.FLIPPED.decides
