"""The benchmark's record as one markdown table with its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speed_record import Claim, Row, Spread, jobs_of, ratio_of, read, seconds_of, whole_repeats

BEGIN, END = "<!-- begin: benchmarks/speed.py -->", "<!-- end: benchmarks/speed.py -->"
HEAD = ("job", "who", "seconds: median [range]", "whyscan beside it", "target", "met")


def table(record: Path) -> str:
    """The machines' facts, the table, and its notes, as markdown."""
    rows = read(record)
    heads = list(jobs_of(rows))
    lines: list[Sequence[str]] = [HEAD, ["---"] * len(HEAD)]
    notes: list[str] = []
    for head in heads:
        names = [each["name"] for each in head["contestants"]]
        repeats = whole_repeats(rows, head["job"], head["samples"], names, head["about"]["model"])
        if repeats:
            lines += _job(head, repeats)
            notes += [f"- {head['job']}: {note}" for note in head["notes"]]
    drawn = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    about = sorted({_about(head["about"]) for head in heads})
    return "\n\n".join(["\n".join(about), drawn, "\n".join(dict.fromkeys(notes))]).strip()


def write(page: Path, text: str) -> None:
    """Put a text between the page's two marks."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _about(about: Mapping[str, Any]) -> str:
    parts = [about["shown"], about["cpu"], about["threads"], about["allocations"], about["versions"]]
    return "; ".join(parts) + "."


def _job(head: Row, repeats: Sequence[Mapping[str, Row]]) -> list[Sequence[str]]:
    claims = [Claim(**claim) for claim in head["claims"]]
    ours = [each["name"] for each in head["contestants"] if each["role"] == "ours"]
    lines: list[Sequence[str]] = []
    for place, contestant in enumerate(head["contestants"]):
        name, role = contestant["name"], contestant["role"]
        mine = [claim for claim in claims if (claim.other or claim.ours) == name]
        compared = [_beside(repeats, name, each, role, len(ours)) for each in ours if "ours" not in role]
        verdicts = [_verdict(repeats, claim, role) for claim in mine]
        title = f"**{head['job']}** {head['title']} (n = {len(repeats)})" if place == 0 else ""
        said = "; ".join(dict.fromkeys(text for text, _ in verdicts))
        met = "; ".join(("yes" if good else "NO") for _, good in verdicts if good is not None)
        lines.append(
            (title, _who(name, repeats), _seconds(repeats, name), "; ".join(filter(None, compared)), said, met)
        )
    return lines


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
    digits = 1 if spread.median >= 10 else 2 if spread.median >= 1 else 3
    return f"{spread.median:.{digits}f} [{spread.low:.{digits}f}, {spread.high:.{digits}f}]"
