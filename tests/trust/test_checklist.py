"""Checklists: what a folder shows is linked, and what people must say is never ticked."""

import re

import pytest

from whyscan.errors import BadInput
from whyscan.trust.attested import Statement
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


@pytest.mark.parametrize(("name", "items"), [("claim", 44), ("tripod-ai", 52), ("future-ai", 30)])
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
    said = {"11": Statement("claim/11", "attested", "Dr B.", "2026-05-02", "names [x] removed"),
            "34": Statement("claim/34", "not applicable", "Dr B.", "2026-05-03", "It is no trial.")}  # fmt: skip
    written = text(checklist, fill(checklist, folder), said)
    assert "Attested by a person: Dr B., 2026-05-02: names \\[x\\] removed" in written
    assert "Does not apply, a person states: Dr B., 2026-05-03: It is no trial." in written
    assert written.count("Attested by a person") == 1 and "People have spoken for 2" in written
    assert "A person must attest: the procedure and who checked it" not in written


def test_an_unknown_checklist():
    with pytest.raises(BadInput, match="claim, tripod-ai, future-ai"):
        find_checklist("iso")


PUBLISHED = {
    "claim": " ".join(str(n) for n in range(1, 45)),
    "tripod-ai": "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16 17 "
    "18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c",
    "future-ai": "F1 F2 F3 Un1 Un2 Un3 Un4 T1 T2 T3 T4 T5 T6 Us1 Us2 Us3 Us4 Us5 R1 R2 R3 E1 E2 G1 G2 G3 G4 G5 G6 G7",
}
"""As they are numbered where they were published."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_items_have_their_published_numbers_in_their_order(name):
    assert [item.number for item in find_checklist(name).items] == PUBLISHED[name].split()


@pytest.mark.parametrize("name", CHECKLISTS)
def test_it_says_which_version_from_where_and_what_was_not_checked(name, tmp_path):
    checklist = find_checklist(name)
    written = text(checklist, fill(checklist, tmp_path))
    assert checklist.version in written and f"<{checklist.source}>" in written and "was not compared" in written
