"""How scans were read: what a screen has to say of it, and what is the same for all slices of a volume."""

from __future__ import annotations

from collections.abc import Sequence

Reading = tuple[str, ...]
"""What was done to a file's values on the way, one sentence each."""

WARNING = "WARNING: "
"""How a sentence begins that nobody may miss: of text that is burned in, or of values that are no numbers."""


def warnings(readings: Sequence[tuple[str, Reading]]) -> list[str]:
    """The warnings among the readings of scans, (name, reading), each once, with whom it is about.

    >>> warnings([("a", ("window: full", "WARNING: text")), ("b", ("WARNING: text",)), ("c", ("WARNING: NaN",))])
    ['WARNING: text (2 scans, the first is a)', 'WARNING: NaN (c)']
    """
    about: dict[str, list[str]] = {}
    for name, reading in readings:
        for sentence in dict.fromkeys(reading):
            if sentence.startswith(WARNING):
                about.setdefault(sentence, []).append(name)
    return [
        f"{sentence} ({names[0]})" if len(names) == 1 else f"{sentence} ({len(names)} scans, the first is {names[0]})"
        for sentence, names in about.items()
    ]


def in_common(readings: Sequence[Reading]) -> tuple[Reading, list[Reading]]:
    """(what is said of all slices, what is said of each one beside that).

    >>> in_common([("window: full", "slice 1"), ("window: full", "slice 2")])
    (('window: full',), [('slice 1',), ('slice 2',)])
    """
    first = readings[0] if readings else ()
    common = tuple(sentence for sentence in first if all(sentence in each for each in readings))
    return common, [tuple(sentence for sentence in each if sentence not in common) for each in readings]
