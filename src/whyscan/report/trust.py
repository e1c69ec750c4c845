"""The trust section: the verdict in words first, then seven questions, each with its answer, figure and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from whyscan.render import charts, figures
from whyscan.render.numerals import fixed
from whyscan.report import located, metrics
from whyscan.report.states import SAMPLED
from whyscan.report.words import Figure, p_value, private

GRADES = {"recommended": "ok", "use with care": "warn", "fails": "fail", "not measured": "note"}
WORDS = {"yes": "note", "no": "note", "too few to tell": "warn", "not measured": "note", "measured": "ok",
         "attested": "ok", "missing": "warn", "not applicable": "note"}  # fmt: skip
"""An answer is no merit: yes and no have one colour. What is missing has another."""


def section(document: Mapping[str, Any]) -> dict[str, Any]:
    """trust/summary.json as what the template shows."""
    titles = document.get("titles") or {}
    fewest = int(((document.get("thresholds") or {}).get("fewest groups") or {}).get("value") or 0)
    return {
        **headline(document),
        "fewest": fewest,
        "scans": document.get("scans", 0),
        "groups": document.get("groups", 0),
        "sampling": private(str(document.get("sampling") or "")),
        "models": _models(document),
        "nulls": [str(name) for name in document.get("nulls") or []],
        "failed": [{**each, "reason": private(str(each.get("reason", "")))} for each in document.get("failed") or []],
        "comparisons": [_comparison(each) for each in document.get("comparisons") or []],
        "places": located.tables(document.get("localisation") or [], titles, fewest=fewest),
        "families": metrics.families(
            document.get("metrics") or [], document.get("legend") or {}, titles, fewest=fewest
        ),
        "questions": [_question(each) for each in document.get("questions") or []],
        "wide": _wide(document.get("wide"), titles, fewest),
        "thresholds": [(name, each) for name, each in (document.get("thresholds") or {}).items()],
    }


def headline(document: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on the first page: the verdict, then one line a question."""
    return {
        "level": GRADES.get(str(document.get("grade")), "note"),
        "verdict": str(document.get("headline") or ""),
        "words": [
            (
                int(each["number"]),
                str(each["question"]),
                _badges(each),
                private(str(each.get("short") or "")),
            )
            for each in document.get("questions") or []
        ],
    }


def _models(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each model's methods, the best grade first."""
    spent = (document.get("settings") or {}).get("evaluations")
    methods = [_method(each, spent) for each in document.get("methods") or []]
    order = list(GRADES)
    names = list(dict.fromkeys(each["model"] for each in methods))
    return [
        {"name": name, "methods": sorted((each for each in methods if each["model"] == name),
                                         key=lambda each: order.index(each["grade"]) if each["grade"] in order else 9)}
        for name in names
    ]  # fmt: skip


def _method(each: Mapping[str, Any], spent: object) -> dict[str, Any]:
    states = each.get("states") or {}
    misses = each.get("misses")
    return {
        "model": str(each["model"]),
        "method": str(each["method"]),
        "title": str(each.get("title") or each["method"]),
        "grade": str(each["grade"]),
        "level": GRADES.get(str(each["grade"]), "note"),
        "reasons": [str(reason) for reason in each.get("reasons") or []],
        "shares": [str(share) for share in each.get("shares") or []],
        "remedy": _remedy(str(each["method"]), int(states.get("not converged", 0)), spent),
        "misses": "not asked" if misses is None else ", ".join(str(name) for name in misses) or "none",
        "evidence": [_line(line) for line in each.get("evidence") or []],
    }


def _remedy(method: str, unsettled: int, spent: object) -> dict[str, Any] | None:
    """What would mend maps that only wait for more evaluations; None where there are none."""
    if not unsettled:
        return None
    known = isinstance(spent, int) and method in SAMPLED
    told = f"{unsettled} of its maps have no other fault that was looked for than too few evaluations"
    return {
        "text": f"{told} ({spent})." if known else f"{told}.",
        "ways": [f"whyscan trust RUN --samples {2 * int(str(spent))}", "--samples auto"] if known else [],
    }


def _comparison(each: Mapping[str, Any]) -> dict[str, Any]:
    data = each.get("figure") or {}
    return {
        "question": str(each["question"]),
        "sentence": private(str(each["sentence"])),
        "charts": _charts([data], str(each["question"])),
        "evidence": [_line(line) for line in each.get("evidence") or []],
    }


def _question(each: Mapping[str, Any]) -> dict[str, Any]:
    data = each.get("figure") or {}
    return {
        "number": int(each["number"]),
        "question": str(each["question"]),
        "verdict": str(each["verdict"]),
        "badges": _badges(each),
        "short": private(str(each.get("short") or "")),
        "lines": private(str(each["sentence"])).split("\n"),
        "parts": [(str(what), str(word), WORDS.get(str(word), "note")) for what, word in each.get("parts") or []],
        "notes": [str(note) for note in each.get("notes") or []],
        "evidence": [_line(line) for line in each.get("evidence") or []],
        "charts": _charts([data, *(each.get("more") or [])], f"Question {each['number']}"),
        "card": _card(data) if data.get("kind") == "card" else None,
    }


def _wide(found: Mapping[str, Any] | None, titles: Mapping[str, str], fewest: int) -> dict[str, Any] | None:
    """What the scans that were drawn from all alike say: questions by number, and where the maps lie."""
    if not found:
        return None
    return {
        "sampling": private(str(found.get("sampling") or "")),
        "scans": found["scans"],
        "known": found["known tumours"],
        "methods": [titles.get(name, str(name)) for name in found.get("methods") or []],
        "questions": {int(each["number"]): _question(each) for each in found.get("questions") or []},
        "places": located.tables(found.get("localisation") or [], titles, fewest=fewest),
    }


def _badges(each: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(level, text): the answer's word, or one for each half of a question that asks two things."""
    halves = each.get("badges") or []
    told = [(str(word), f"{half}: {word}") for half, word in halves] or [(str(each["verdict"]), str(each["verdict"]))]
    return [(WORDS.get(word, "note"), text) for word, text in told]


def _card(data: Mapping[str, Any]) -> dict[str, Any]:
    rows = [[private(str(cell)) for cell in row] for row in data.get("rows") or []]
    return {
        "title": str(data.get("title") or ""),
        "note": str(data.get("note") or ""),
        "columns": [str(each) for each in data.get("columns") or []],
        "rows": [(row, WORDS.get(row[3], "note")) for row in rows],
    }


def _charts(found: Sequence[Mapping[str, Any]], whose: str) -> list[dict[str, Any]]:
    """Those that have something to draw: the picture, its title, and a line below."""
    told: list[dict[str, Any]] = []
    for data in found:
        drawn = charts.chart(data)
        if drawn is not None:
            title = str(data.get("title") or "")
            svg = figures.to_svg(drawn, name=f"{whose}. {title}: {_told(data)}")
            told.append({"picture": Markup(svg), "title": title, "note": str(data.get("note") or "")})
    return told


def _told(data: Mapping[str, Any]) -> str:
    """The chart in words, for those who do not see it."""
    if data.get("kind") == "dots":
        return "; ".join(
            f"{each['label']} {each.get('series') or ''} {fixed(each['value'], 2)}".replace("  ", " ")
            for each in data.get("entries") or []
        )
    if data.get("kind") == "profiles":
        return "; ".join(_course(panel) for panel in data.get("panels") or [])
    return _extremes(data)


def _course(panel: Mapping[str, Any]) -> str:
    """One panel of profiles: each series' ends, and where it is highest."""
    scale, unit = (100, " %") if panel.get("percent") else (1, "")
    told = []
    for each in panel.get("series") or []:
        first, last, most = (f"{fixed(scale * y, 2)}{unit}" for y in (each["y"][0], each["y"][-1], max(each["y"])))
        depth = each["x"][each["y"].index(max(each["y"]))]
        told.append(f"{each['name']} from {first} to {last}, highest {most} at depth {fixed(depth, 2)}")
    return f"{panel['title']}: {', '.join(told)}"


def _extremes(data: Mapping[str, Any], count: int = 3) -> str:
    """A matrix: its highest and its lowest cells, each pair once."""
    names, values = data.get("names") or [], data.get("values") or []
    cells = sorted(
        (values[i][j], f"{names[i]} and {names[j]} {fixed(values[i][j], 2)}")
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if values[i][j] is not None
    )
    told = [text for _, text in cells]
    if len(told) <= 2 * count:
        return ", ".join(told)
    return f"highest: {', '.join(told[: -count - 1 : -1])}; lowest: {', '.join(told[:count])}"


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(row["name"]),
        "figure": _figure(row),
        "chance": "" if row.get("chance") is None else _number(row["chance"], bool(row.get("share")), False),
        "p": "" if row.get("p") is None else p_value(row["p"]),
        "corrected": "" if row.get("corrected") is None else f"{p_value(row['corrected'])} ({row.get('correction')})",
        "effect": "" if row.get("effect") is None else f"{_number(row['effect'], False, True)} ({row.get('measure')})",
        "n": row.get("n"),
    }


def _figure(row: Mapping[str, Any]) -> Figure:
    if row.get("value") is None:
        return Figure("not measured", note=str(row.get("reason") or ""), measured=False)
    share, signed = bool(row.get("share")), bool(row.get("signed"))
    low, high = row.get("low"), row.get("high")
    ends = "" if low is None or high is None else f"{_number(low, share, signed)} to {_number(high, share, signed)}"
    return Figure(_number(row["value"], share, signed), ends, str(row.get("reason") or ""))


def _number(value: float, share: bool, signed: bool) -> str:
    unit = (" points" if signed else " %") if share else ""
    return f"{fixed(100 * value, 1, signed) if share else fixed(value, 3, signed)}{unit}"
