"""Attested: a person's statements are read as they are written, and whatever is wrong with one is named."""

import json
from datetime import date, timedelta

import pytest

from whyscan.errors import BadInput
from whyscan.trust import attested
from whyscan.trust.attestable import items, template
from whyscan.trust.attested import Statement
from whyscan.trust.checklist import fill, find_checklist

GOOD = {"item": "claim/11", "status": "attested", "who": "Dr A. Becker", "when": "2026-05-02",
        "statement": "Names were removed by the hospital."}  # fmt: skip


def write(folder, *entries):
    path = folder / "attest.json"
    path.write_text(json.dumps({"statements": entries}), encoding="utf-8")
    return path


def test_a_statement_is_read_as_it_is_written(tmp_path):
    other = {**GOOD, "item": "guidelines/G4 people", "status": "not applicable", "statement": "No\n readers."}
    found = attested.read(write(tmp_path, GOOD, other), items())
    assert found == [Statement(**GOOD), Statement(**{**other, "statement": "No readers."})]
    assert found[0].text == "Dr A. Becker, 2026-05-02: Names were removed by the hospital."
    assert attested.of(found, "claim") == {"11": found[0]}
    assert attested.of(found, "guidelines") == {"G4 people": found[1]}


def test_what_is_kept_is_read_back_and_the_newer_word_counts(tmp_path):
    first, second = Statement(**GOOD), Statement(**{**GOOD, "who": "Dr C."})
    other = Statement(**{**GOOD, "item": "future-ai/G1"})
    both = attested.merged([first, other], [second])
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(attested.document(both)), encoding="utf-8")
    assert attested.read(path, items()) == [second, other]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"item": "claim/45"}, "the item 'claim/45'"),
        ({"item": "guidelines/G3"}, "what is measured cannot be attested"),
        ({"item": ""}, "the item ''"),
        ({"status": "yes"}, "attested or not applicable"),
        ({"status": ""}, "the status ''"),
        ({"who": "  "}, "who is empty"),
        ({"statement": ""}, "statement is empty"),
        ({"when": ""}, "when is ''"),
        ({"when": "May 2026"}, "YYYY-MM-DD"),
        ({"when": "20260502"}, "YYYY-MM-DD"),
        ({"when": (date.today() + timedelta(days=1)).isoformat()}, "a day that has been"),
        ({"mood": "good"}, "a field 'mood'"),
        ({"who": 3}, "no object of texts"),
    ],
)
def test_what_is_wrong_with_a_statement_is_named(tmp_path, change, told):
    with pytest.raises(BadInput, match="statement 2") as error:
        attested.read(write(tmp_path, {**GOOD, "item": "claim/1"}, {**GOOD, **change}), items())
    assert told in str(error.value)


def test_nobody_speaks_twice_of_one_thing(tmp_path):
    with pytest.raises(BadInput, match="speaks twice of claim/11"):
        attested.read(write(tmp_path, GOOD, {**GOOD, "who": "Dr C."}), items())


@pytest.mark.parametrize("content", ["", "[]", '{"statements": {}}', '{"statements": [1]}', "\xff"])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    path = tmp_path / "attest.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadInput):
        attested.read(path, items())
    with pytest.raises(BadInput, match="cannot be read"):
        attested.read(tmp_path / "none.json", items())


def test_the_template_asks_what_only_people_know_and_is_read_back(tmp_path):
    (tmp_path / "results.csv").touch()
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "a" / "model.json").touch()
    lines = {name: fill(find_checklist(name), tmp_path) for name in ("claim", "future-ai")}
    form = template(lines, [Statement(**GOOD)])
    asked = [each["item"] for each in form["statements"]]
    assert {"guidelines/G1", "guidelines/G4 people", "claim/1", "future-ai/G1"} <= set(asked) <= set(items())
    assert "claim/11" not in asked and "claim/22" not in asked  # said already; shown by the run
    assert len(set(asked)) == len(asked) and all(each["asks"] for each in form["statements"])
    assert attested.read(write(tmp_path, *form["statements"]), items()) == []
    filled = [{**each, **{key: GOOD[key] for key in GOOD if key != "item"}} for each in form["statements"]]
    assert len(attested.read(write(tmp_path, *filled), items())) == len(asked)
