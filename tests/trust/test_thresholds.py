"""The documentation's table of thresholds is the file's."""

import re
from pathlib import Path

from whyscan.trust import thresholds
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


def test_no_verdict_hides_a_number():
    """In the file of verdicts there is no number but 0, 1 and 2."""
    source = (Path(thresholds.__file__).parent / "verdict.py").read_text(encoding="utf-8")
    code = re.sub(r'""".*?"""|f?"[^"\n]*"', "", source, flags=re.DOTALL)
    assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", code)) <= {"0", "1", "2"}
