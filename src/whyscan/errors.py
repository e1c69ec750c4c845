"""One tree of errors. Each says what came, what was expected and how to mend it.

>>> raise BadScan("slice.jpg is 0 bytes long", "an image", "copy the file again")
Traceback (most recent call last):
    ...
whyscan.errors.BadScan: slice.jpg is 0 bytes long. Expected: an image. To mend it: copy the file again.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Text that every record can hold: a byte NN of a file's name that is not UTF-8 becomes \udcNN, spelt out.

    >>> print(printable("caf\udce9.png"))
    caf\udce9.png
    """
    return text.encode("utf-8", "backslashreplace").decode()


class WhyscanError(Exception):
    """The root: whatever whyscan refuses, it refuses with one of these.

    Args:
        came: what was found, with the name of the file, field or argument.
        expected: what would have been accepted.
        mend: what the reader can do about it.
    """

    exit_code = 2

    def __init__(self, came: str, expected: str, mend: str) -> None:
        came, expected, mend = printable(came), printable(expected), printable(mend)
        super().__init__(came, expected, mend)
        self.came, self.expected, self.mend = came, expected, mend

    def __str__(self) -> str:
        return f"{_ended(self.came)} Expected: {_ended(self.expected)} To mend it: {_ended(self.mend)}"


def _ended(text: str) -> str:
    """With one full stop at its end."""
    return text if text.endswith(".") else f"{text}."


class BadInput(WhyscanError):
    """An argument, option or setting cannot be used."""


class BadScan(BadInput):
    """A file is not a scan that can be read."""


class BadData(BadInput):
    """A folder or table of scans cannot serve: no images, one class only, an unknown label."""


class BadTarget(BadInput):
    """A class, contrast or layer that was asked for does not exist."""


class BadModel(BadInput):
    """A model file is damaged, of another architecture, or not the one its record describes."""


class BadRun(WhyscanError):
    """A run folder is missing, incomplete, locked by another process or not writable."""

    exit_code = 3


class Diverged(WhyscanError):
    """Training produced a loss that is not a number; the last good weights were kept."""

    exit_code = 4
