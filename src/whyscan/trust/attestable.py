"""Attestable: what people can speak for in the scorecard and the checklists, and the form in which to do so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from whyscan.trust.attested import FIELDS, Statement
from whyscan.trust.checklist import Line
from whyscan.trust.checklists import CHECKLISTS
from whyscan.trust.questions.guidelines import PEOPLE

SCORECARD = "guidelines"
"""The list of the scorecard's items, beside the checklists."""
_HOW = (
    "Of the items that you can speak for, fill in status (attested, or not applicable), who (a name), when "
    "(YYYY-MM-DD) and statement (a sentence). Leave the others empty, and give the file to `whyscan trust RUN "
    "--attest FILE`."
)


def items() -> dict[str, str]:
    """Everything that a person can speak for, as "list/number", and what is asked."""
    own = {f"{SCORECARD}/{key}": asks for key, (_, asks, _) in PEOPLE.items()}
    return own | {f"{name}/{item.number}": item.asks for name, each in CHECKLISTS.items() for item in each.items}


def template(lines: Mapping[str, Sequence[Line]], statements: Iterable[Statement]) -> dict[str, Any]:
    """What is still for people to say, to be filled in; `attested.read` takes it back.

    Args:
        lines: by checklist, what the run shows; an item that its files show in full is left out.
        statements: made already.
    """
    open_ = [f"{SCORECARD}/{key}" for key in PEOPLE]
    open_ += [
        f"{name}/{line.item.number}" for name, each in lines.items() for line in each if line.status != "evidence"
    ]
    said, asks, empty = {each.item for each in statements}, items(), dict.fromkeys(FIELDS[1:], "")
    forms = [{"item": each, "asks": asks[each], **empty} for each in open_ if each not in said]
    return {"how": _HOW, "statements": forms}
