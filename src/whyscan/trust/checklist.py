"""Checklists of reporting: what a run can evidence, item by item, and what a person must still attest.

The program fills in what a file of the run shows and nothing else. It never says that a study follows a guideline:
that is a judgement of people about a manuscript, not of a program about a folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whyscan.errors import BadInput
from whyscan.trust.attested import Statement
from whyscan.trust.checklist_item import Item
from whyscan.trust.checklists import CHECKLISTS, Checklist

Status = Literal["evidence", "in part", "to attest"]


@dataclass(frozen=True, slots=True)
class Line:
    """One item, and what there is.

    Attributes:
        item: of the checklist.
        status: "evidence" where files of the run show it, "in part" where a person must add to them, "to attest".
        links: the files, relative to the run.
        absent: files that would show it, and which stages of whyscan would write, but that are not there.
    """

    item: Item
    status: Status
    links: tuple[str, ...]
    absent: tuple[str, ...]


def find_checklist(name: str) -> Checklist:
    """Raises BadInput where there is none of that name."""
    if name not in CHECKLISTS:
        raise BadInput(f"the checklist {name!r}", f"one of {', '.join(CHECKLISTS)}", "use one of these names")
    return CHECKLISTS[name]


def fill(checklist: Checklist, folder: Path) -> tuple[Line, ...]:
    """What the run in a folder has for each item."""
    return tuple(_line(item, folder) for item in checklist.items)


def _line(item: Item, folder: Path) -> Line:
    found = tuple(path for pattern in item.files for path in _found(folder, pattern))
    absent = tuple(pattern for pattern in item.files if not _found(folder, pattern))
    status: Status = "to attest" if not found else "in part" if item.attest else "evidence"
    return Line(item, status, found, absent)


def _found(folder: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())[:6]


def text(checklist: Checklist, lines: Sequence[Line], attested: Mapping[str, Statement] | None = None) -> str:
    """The filled checklist as Markdown.

    Args:
        attested: by item number, what people state; it is set in with name and date, and ticks nothing.
    """
    said = attested or {}
    count = {status: sum(line.status == status for line in lines) for status in ("evidence", "in part", "to attest")}
    head = [
        f"# {checklist.title}",
        "",
        f"Items after {checklist.citation} (version: {checklist.version}). They are in our words; the wording that "
        f"counts is theirs: <{checklist.source}>.",
        "",
        checklist.checked,
        "",
        f"Of {len(lines)} items this run has evidence for {count['evidence']}, in part for {count['in part']}, and "
        f"{count['to attest']} are for a person alone. People have spoken for {len(said)}, in their own words. Whether "
        "a study follows the guideline is for its authors and readers to judge; this file only says where to look.",
        "",
    ]
    body: list[str] = []
    section = ""
    for line in lines:
        if line.item.section != section:
            section = line.item.section
            body += [f"## {section}", ""]
        body += _item(line, said.get(line.item.number))
    return "\n".join([*head, *body]).rstrip() + "\n"


def _item(line: Line, said: Statement | None) -> list[str]:
    found = [f"- **{line.item.number}** {line.item.asks}"]
    if line.links:
        found.append(f"    - The run shows: {', '.join(f'[{link}]({_link(link)})' for link in line.links)}.")
    if line.absent:
        found.append(f"    - Not in this run: {', '.join(f'`{name}`' for name in line.absent)}.")
    if said is not None:
        mark = "Attested by a person" if said.status == "attested" else "Does not apply, a person states"
        found.append(f"    - {mark}: {_plain(said.text)}")
    elif line.item.attest:
        found.append(f"    - A person must attest: {line.item.attest}.")
    elif not line.links:
        found.append("    - A person must attest it, or run the stage that writes these files.")
    return [*found, ""]


def _plain(text: str) -> str:
    """Of what Markdown would read as its own, nothing."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


def _link(path: str) -> str:
    """From the checklist's own place, RUN/trust/."""
    return "../" + path.replace(" ", "%20")
