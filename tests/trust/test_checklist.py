"""Checklists: what a folder shows is linked, and what people must say is never ticked."""

import re

import pytest

from whyscan.errors import BadInput
from whyscan.trust.checklist import fill, find_checklist, text
from whyscan.trust.checklists import CHECKLISTS

FILES = ("run.json", "audit/audit.json", "splits.csv", "compare/compare.json", "results.csv", "report.html",
         "trust/summary.json", "trust/table.csv", "explain/index.json", "shortcut/shortcut.json",
         "models/a b/model.json", "models/a b/curves.csv", "models/a b/predictions.csv",
         "models/a b/model.safetensors")  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(("name", "items"), [("claim", 44), ("tripod-ai", 27), ("future-ai", 30)])
def test_every_item_is_there_once(name, items):
    checklist = find_checklist(name)
    assert len({item.number for item in checklist.items}) == len(checklist.items) == items
    for item in checklist.items:
        assert item.files or item.attest, item


@pytest.mark.parametrize("name", CHECKLISTS)
def test_a_whole_run_shows_every_file_and_links_lead_to_it(name, folder):
    lines = fill(find_checklist(name), folder)
    assert not any(line.absent for line in lines)
    written = text(find_checklist(name), lines)
    links = re.findall(r"\]\(([^)]*)\)", written)
    assert links
    for link in links:
        assert (folder / "trust" / link.replace("%20", " ")).resolve().is_file()


@pytest.mark.parametrize("name", CHECKLISTS)
def test_an_empty_run_shows_nothing(name, tmp_path):
    lines = fill(find_checklist(name), tmp_path)
    assert {line.status for line in lines} == {"to attest"}
    written = text(find_checklist(name), lines)
    assert "The run shows" not in written and "evidence for 0" in written


@pytest.mark.parametrize("name", CHECKLISTS)
def test_it_never_judges_the_study(name, folder):
    written = text(find_checklist(name), fill(find_checklist(name), folder)).lower()
    assert "complian" not in written and "complies" not in written and "[x]" not in written


def test_what_only_people_know_stays_theirs(folder):
    checklist = find_checklist("claim")
    by = {line.item.number: line for line in fill(checklist, folder)}
    assert by["11"].status == "to attest" and by["22"].status == "evidence" and by["31"].status == "in part"
    written = text(checklist, fill(checklist, folder), {"11": "Dr B.,\n2 May: names removed"})
    assert "Attested by a person: Dr B., 2 May: names removed" in written
    assert written.count("Attested by a person") == 1


def test_an_unknown_checklist():
    with pytest.raises(BadInput, match="claim, tripod-ai, future-ai"):
        find_checklist("iso")
