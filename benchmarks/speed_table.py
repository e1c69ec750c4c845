"""The benchmark's record as one markdown table with its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Any

from speed_record import Claim, Row, Spread, jobs_of, ratio_of, read, seconds_of, whole_repeats

BEGIN, END = "<!-- begin: benchmarks/speed.py -->", "<!-- end: benchmarks/speed.py -->"
HEAD = ("job", "who", "seconds: median [95 % interval]", "whyscan beside it", "target", "met")
SHORT = ("job", "targets met", "missed")
MEASURED = "Everything that was measured (of 5 repeats or fewer the brackets hold the range):"

Line = tuple[str, str, str, str, str, str]
"""One way of doing a job, beside one of whyscan's ways, and its target: as in `HEAD`."""


def table(record: Path) -> str:
    """The machines' facts, what was asked and missed, then everything that was measured, and notes, as markdown."""
    rows = read(record)
    heads = list(jobs_of(rows))
    lines: list[Line] = []
    notes: list[str] = []
    for head in heads:
        names = [each["name"] for each in head["contestants"]]
        repeats = whole_repeats(rows, head["job"], head["samples"], names, head["about"]["model"])
        if repeats:
            lines += _job(head, repeats)
            notes += [f"- {head['job']}: {note}" for note in head["notes"]]
    about = sorted({_about(head["about"]) for head in heads})
    parts = ["\n".join(about), verdicts(lines), MEASURED, drawn(HEAD, lines)]
    return "\n\n".join([*parts, "\n".join(dict.fromkeys(notes))]).strip()


def drawn(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def verdicts(lines: Sequence[Line]) -> str:
    """Of each kind of job (e1, e2 and e3 are one), how many targets were met, and which were not."""
    found: dict[str, list[tuple[str, str, Line]]] = {}
    title = who = ""
    for line in lines:
        title, who = line[0] or title, line[1] or who
        if line[5]:
            found.setdefault(title[2], []).append((title, who, line))
    return drawn(SHORT, [_kind(letter, asked) for letter, asked in found.items()])


def _kind(letter: str, asked: Sequence[tuple[str, str, Line]]) -> tuple[str, str, str]:
    names = dict.fromkeys(title.split("** ", 1)[1].rsplit(" (n =", 1)[0] for title, _, _ in asked)
    met = sum(line[5] == "yes" for *_, line in asked)
    missed = [f"{who}: {line[3] or line[2]}, asked {line[4]}" for _, who, line in asked if line[5] == "NO"]
    shared = commonprefix(list(names)).rstrip(", ")  # noqa: RUF071 - of titles, not of paths
    return f"**{letter}** {shared}", f"{met} of {len(asked)}", "; ".join(missed)


def write(page: Path, text: str) -> None:
    """Put a text between the page's two marks."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _about(about: Mapping[str, Any]) -> str:
    parts = [about["shown"], about["cpu"], about["threads"], about["allocations"], about["versions"]]
    return "; ".join(parts) + "."


def _job(head: Row, repeats: Sequence[Mapping[str, Row]]) -> list[Line]:
    claims = [Claim(**claim) for claim in head["claims"]]
    ours = [each["name"] for each in head["contestants"] if each["role"] == "ours"]
    lines: list[Line] = []
    for contestant in head["contestants"]:
        who = _who(contestant["name"], repeats), _seconds(repeats, contestant["name"])
        for place, beside in enumerate(_compared(repeats, contestant["name"], contestant["role"], ours, claims)):
            title = "" if lines else f"**{head['job']}** {head['title']} (n = {len(repeats)})"
            lines.append((title, *(("", "") if place else who), *beside))
    return lines


def _compared(
    repeats: Sequence[Mapping[str, Row]], name: str, role: str, ours: Sequence[str], claims: Sequence[Claim]
) -> list[tuple[str, str, str]]:
    """One contestant beside each of whyscan's own ways: by how much, what was asked, and whether it was met."""
    found: list[tuple[str, str, str]] = []
    for each in [name] if "ours" in role else ours:
        other = "" if each == name else name
        beside = _beside(repeats, name, each, role, len(ours)) if other else ""
        asked = [_verdict(repeats, claim, role) for claim in claims if (claim.ours, claim.other) == (each, other)]
        found += [
            (beside, said, "" if good is None else "yes" if good else "NO") for said, good in asked or [("", None)]
        ]
    return list(dict.fromkeys(found))


def _who(name: str, repeats: Sequence[Mapping[str, Row]]) -> str:
    facts = repeats[-1][name].get("facts", {})
    extra = ", ".join(str(facts[key]) for key in ("engine", "done") if key in facts)
    return f"{name} ({extra})" if extra else name


def _seconds(repeats: Sequence[Mapping[str, Row]], name: str) -> str:
    spread = seconds_of(repeats, name)
    if spread is None:
        return str(repeats[0][name]["error"]).replace("|", "\\|")
    facts = repeats[-1][name].get("facts", {})
    each = ""
    if "evaluations" in facts:
        each = f"; {1000 * spread.median / facts['evaluations']:.1f} ms an evaluation"
    if "images" in facts:
        each = f"; {facts['images'] / spread.median:.1f} images/s"
    return _number(spread) + each


def _beside(repeats: Sequence[Mapping[str, Row]], other: str, ours: str, role: str, many: int) -> str:
    ratio = ratio_of(repeats, other, ours)
    if ratio is None:
        return ""
    who = f"{ours}: " if many > 1 else ""
    if role == "bound":
        return f"{who}{_number(Spread(1 / ratio.median, 1 / ratio.high, 1 / ratio.low))} of it"
    return f"{who}{_number(ratio)} × as fast"


def _verdict(repeats: Sequence[Mapping[str, Row]], claim: Claim, role: str) -> tuple[str, bool | None]:
    if not claim.other:
        mine = seconds_of(repeats, claim.ours)
        return f"≤ {claim.factor:g} s", None if mine is None else mine.median <= claim.factor
    ratio = ratio_of(repeats, claim.other, claim.ours)
    good = None if ratio is None else ratio.median >= claim.factor
    if role == "bound":
        return f"≤ {1 / claim.factor:.3g} of it", good
    return (f"≥ {claim.factor:g} ×" if claim.factor > 1 else "faster"), good


def _number(spread: Spread) -> str:
    """The median and its interval; a single run has none."""
    digits = 1 if spread.median >= 10 else 2 if spread.median >= 1 else 3
    middle = f"{spread.median:.{digits}f}"
    return middle if spread.low == spread.high else f"{middle} [{spread.low:.{digits}f}, {spread.high:.{digits}f}]"
