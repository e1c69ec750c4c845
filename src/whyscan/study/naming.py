"""One class, two names: which of a model's classes is which of the data's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from whyscan.errors import BadData

_HEALTHY = frozenset({"no", "none", "non", "not", "normal", "healthy", "negative", "without", "control"})
_FILLERS = ("tumours", "tumors", "tumour", "tumor")


def in_the_datas_names(theirs: Sequence[str], ours: Sequence[str], who: str) -> tuple[str, ...]:
    """A model's classes, in its own order, by the data's names.

    Names are taken as they are where they are the same; else without case, accents, spaces, signs and the word tumour:
    "Glioma" and "glioma_tumor" are one class, and so are "notumor", "no_tumor" and "healthy".

    Args:
        theirs: the model's class names, in the order of its scores.
        ours: the data's.
        who: the model's name, for the error.

    Raises:
        BadData: not the same number, or a name without a single counterpart; lists both.
    """
    if set(theirs) == set(ours) and len(theirs) == len(ours):
        return tuple(theirs)
    exact = set(theirs) & set(ours)
    left = {name: bare(name) for name in ours if name not in exact}
    found = []
    for name in theirs:
        near = [other for other, form in left.items() if form == bare(name)] if name not in exact else [name]
        if len(near) != 1:
            raise _mismatch(theirs, ours, who)
        found.append(near[0])
    if len(theirs) != len(ours) or len(set(found)) < len(found):
        raise _mismatch(theirs, ours, who)
    return tuple(found)


def bare(name: str) -> str:
    """What a name comes down to when it is compared with another.

    >>> bare("Glioma_tumor"), bare("no_tumor"), bare("Healthy"), bare("Ménin giome")
    ('glioma', 'no', 'no', 'meningiome')
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = re.sub(r"[^\w]|_", "", "".join(c for c in plain if not unicodedata.combining(c)))
    for filler in _FILLERS:
        letters = letters.replace(filler, "")
    return "no" if letters in _HEALTHY else letters


def _mismatch(theirs: Sequence[str], ours: Sequence[str], who: str) -> BadData:
    return BadData(
        f"model {who} knows {len(theirs)} classes: {', '.join(theirs)}",
        f"the data's {len(ours)}: {', '.join(ours)}",
        "give the model's classes in the data's names, in the order of its scores, or use the data it was trained for",
    )
