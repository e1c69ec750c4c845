"""Numerals: how a number is put for people."""

from __future__ import annotations


def fixed(value: float, digits: int, sign: bool = False) -> str:
    """With so many digits and a true minus sign; what rounds to 0 has no sign."""
    value = round(value, digits) + 0.0
    return f"{value:{'+' if sign and value else ''}.{digits}f}".replace("-", "−")


def minus(text: str) -> str:
    """A hyphen before a digit as a minus sign."""
    return "".join("−" if c == "-" and text[i + 1 : i + 2].isdigit() else c for i, c in enumerate(text))
