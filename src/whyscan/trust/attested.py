"""Attested: what people state about a study, who and when, read from a file that a person wrote.

A statement is a person's word and stays one: it is shown with the name and the date, and the program concludes nothing
from it. That something does not apply to a study is such a statement too: what was not measured is missing, and only a
person can know that it was not called for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from whyscan.errors import BadInput

Status = Literal["attested", "not applicable"]
FIELDS = ("item", "status", "who", "when", "statement")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one person states about one item.

    Attributes:
        item: "guidelines/G1", "claim/11": the list and the item's number in it.
        status: that it is so, or that it does not apply to this study.
        who, when: a name, and a date as YYYY-MM-DD.
        statement: a sentence.
    """

    item: str
    status: Status
    who: str
    when: str
    statement: str

    @property
    def text(self) -> str:
        return f"{self.who}, {self.when}: {self.statement}"


def read(path: Path, known: Collection[str]) -> list[Statement]:
    """The statements of a file; entries of the template that nobody filled in are passed over.

    Args:
        known: the items that a person can speak for.

    Raises:
        BadInput: it cannot be read, or an entry is of an unknown item, of one that was had already, of another status,
            or names no person, no day or no sentence.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read ({error})", "a JSON file", "start from trust/attest.template.json"
        ) from None
    entries = document.get("statements") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadInput(f"{path} holds no list 'statements'", '{"statements": [...]}', "start from the template")
    found: dict[str, Statement] = {}
    for number, entry in enumerate(entries, 1):
        one = _statement(entry, known, f"{path}, statement {number}")
        if one is not None and one.item in found:
            raise BadInput(f"{path} speaks twice of {one.item}", "one statement an item", "keep one of them")
        if one is not None:
            found[one.item] = one
    return list(found.values())


def _statement(entry: Any, known: Collection[str], where: str) -> Statement | None:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(each, ""), str) for each in FIELDS):
        raise BadInput(f"{where} is no object of texts", ", ".join(FIELDS), "write it as the template has it")
    if unknown := set(entry) - {*FIELDS, "asks"}:
        raise BadInput(f"{where} has a field {min(unknown)!r}", ", ".join(FIELDS), "correct or delete it")
    told = {each: " ".join(entry.get(each, "").split()) for each in FIELDS}
    if not any(told[each] for each in FIELDS[1:]):
        return None
    if told["item"] not in known:
        lists = ", ".join(dict.fromkeys(f"{each.split('/')[0]}/..." for each in known))
        raise BadInput(
            f"{where}: the item {told['item']!r}", f"an item of {lists}",
            "take it from trust/attest.template.json; what is measured cannot be attested",
        )  # fmt: skip
    if told["status"] not in get_args(Status):
        raise BadInput(f"{where}: the status {told['status']!r}", " or ".join(get_args(Status)), "write one of them")
    for each, wanted in (("who", "the name of a person"), ("statement", "a sentence")):
        if not told[each]:
            raise BadInput(f"{where}: {each} is empty", wanted, "a statement needs somebody who makes it, and words")
    _check_day(told["when"], where)
    return Statement(**told)  # type: ignore[arg-type]


def _check_day(when: str, where: str) -> None:
    try:
        day = date.fromisoformat(when)
    except ValueError:
        day = None
    if day is None or day.isoformat() != when or day > date.today():
        raise BadInput(
            f"{where}: when is {when!r}", "a day that has been, as YYYY-MM-DD", "write the day of the statement"
        )


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    """As it is kept; `read` takes it back."""
    return {"statements": [asdict(each) for each in statements]}


def merged(before: Iterable[Statement], new: Iterable[Statement]) -> list[Statement]:
    """The newer statement on an item takes the older one's place."""
    return list(({each.item: each for each in before} | {each.item: each for each in new}).values())


def of(statements: Iterable[Statement], name: str) -> dict[str, Statement]:
    """The statements on one list, by the number that their items have there."""
    return {each.item.removeprefix(f"{name}/"): each for each in statements if each.item.startswith(f"{name}/")}
