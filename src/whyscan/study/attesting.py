"""Attesting: what people state about a study is kept in its run, and set into the checklists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whyscan.errors import BadInput
from whyscan.records import files
from whyscan.records.run import Run
from whyscan.trust import attested, checklist
from whyscan.trust.attestable import items, template
from whyscan.trust.attested import Statement


def given(path: Path) -> list[Statement]:
    """The statements of a file that a person wrote.

    Raises:
        BadInput: see `attested.read`; or nothing in it is filled in.
    """
    found = attested.read(path, items())
    if not found:
        raise BadInput(
            f"{path} states nothing", "an entry that is filled in", "fill in status, who, when and statement of an item"
        )
    return found


def kept(run: Run) -> list[Statement]:
    """What people stated about this run so far. To withdraw a statement, delete it from the file."""
    return attested.read(run.attested_path, items()) if run.attested_path.is_file() else []


def keep(run: Run, new: Sequence[Statement]) -> None:
    """Beside what was stated before; of one item the newer statement stays."""
    files.write_json(run.attested_path, attested.document(attested.merged(kept(run), new)))


def write_checklists(run: Run, names: Sequence[str]) -> None:
    """trust/checklist-NAME.md of each, and trust/attest.template.json with what is left for people to say."""
    said, folder = kept(run), run.trust_path.parent
    lines = {}
    for name in names:
        asked = checklist.find_checklist(name)
        lines[name] = checklist.fill(asked, run.folder)
        files.write_text(folder / f"checklist-{name}.md", checklist.text(asked, lines[name], attested.of(said, name)))
    if names:
        files.write_json(folder / "attest.template.json", template(lines, said))
