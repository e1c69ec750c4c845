"""Question 4 in pictures: which superpixels turn between two models, and between two classes, on a few scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from whyscan.errors import BadRun
from whyscan.records.attribution import Attribution
from whyscan.records.run import Run
from whyscan.render import turned
from whyscan.report import captions, pictures
from whyscan.report.captions import Caption
from whyscan.report.pictures import PANEL, Picture
from whyscan.report.rows import Row
from whyscan.report.words import METHODS, Names, percent, plural, private

OLD = "this summary was made before whyscan kept superpixels to draw; run `whyscan trust` again"


@dataclass(frozen=True)
class _View:
    """One pair of explanations: what the summary says of it, and the two."""

    told: Mapping[str, Any]
    first: Attribution
    second: Attribution

    @property
    def targets(self) -> tuple[str, str]:
        return str(self.told["targets"][0]), str(self.told["targets"][1])

    def labels(self, which: str) -> list[int]:
        return [int(each) for each in self.told.get(which) or []]


def section(run: Run, document: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """What stands below the answer: scans with their rows of pictures, how they were chosen, or why there are none."""
    found = document.get("turned") or {"reason": OLD}
    scans = [_scan(run, each, names) for each in found.get("scans") or []]
    return {
        "scans": scans,
        "choice": str(found.get("choice") or ""),
        "reason": private(str(found.get("reason") or "")),
    }


def _scan(run: Run, entry: Mapping[str, Any], names: Names) -> dict[str, Any]:
    said = entry.get("predicted") or {}
    label = entry.get("label")
    verdicts = [
        f"{model} says {predicted}{'' if label is None else ': right' if predicted == label else ': wrong'}"
        for model, predicted in said.items()
    ]
    told = {
        "source": PurePosixPath(names.show(str(entry.get("source") or ""))).stem,
        "label": label, "verdicts": verdicts, "rows": [], "picture": None, "missing": "",
    }  # fmt: skip
    try:
        views = _views(run, entry)
    except BadRun:
        return {**told, "missing": "The explanations of this scan cannot be read; judge it again."}
    rows = [_between_models(view) if view.told["kind"] == "models" else _between_classes(view) for view in views]
    picture = pictures.scan(views[0].first) if views else None
    return {**told, "rows": rows, "picture": picture}


def _views(run: Run, entry: Mapping[str, Any]) -> list[_View]:
    """Raises BadRun where the file is about another scan or lacks one of the explanations."""
    saved = {(each.model, each.method): each for each in run.attributions(str(entry["file"]))}
    views = []
    for told in entry.get("views") or []:
        pair = [saved.get((str(model), str(told["method"]))) for model in told["models"]]
        if any(each is None or each.scan != entry["content"] for each in pair):
            raise BadRun(f"{entry['file']} is about another scan", "the scan of the summary", "judge it again")
        first, second = (each for each in pair if each is not None)
        views.append(_View(told, first, second))
    return views


def _between_models(view: _View) -> Row:
    target = view.targets[0]
    end = pictures.limit([view.first, view.second], [target])
    heats = [_plain(pictures.heat(each, target, end=end), each.model) for each in (view.first, view.second)]
    name = METHODS.get(view.first.method, view.first.method)
    caption = Caption("") if view.told["shared"] else captions.TURNED_APART
    bar = pictures.bar(end, view.first.unit, signed=True)
    heading = f"Between models: {view.first.model} to {view.second.model}, {name}, explained: {target}"
    return Row(heading, [*heats, _turned(view, "from the first model to the second")], caption, bar, signed=True,
               notes=_notes(view))  # fmt: skip


def _between_classes(view: _View) -> Row:
    first, second = view.targets
    end = pictures.limit([view.first], [first, second])
    heats = [_plain(pictures.heat(view.first, target, end=end), target) for target in view.targets]
    name = METHODS.get(view.first.method, view.first.method)
    bar = pictures.bar(end, view.first.unit, signed=True)
    heading = f"Between classes: {first} (likeliest) to {second} (second), {name} of {view.first.model}"
    return Row(heading, [*heats, _turned(view, f"from {first} to {second}")], Caption(""), bar, signed=True,
               notes=_notes(view))  # fmt: skip


def _plain(picture: Picture, label: str) -> Picture:
    """The row's heading and the scan's line say the rest."""
    return replace(picture, label=label, title="")


def _turned(view: _View, what: str) -> Picture:
    """The turned superpixels on the first explanation's cut of the scan."""
    drawing = pictures.draw(view.first, view.targets[0], PANEL)
    assert drawing.segments is not None
    image = turned.turned(
        drawing.segments, drawing.background, lost=view.labels("lost"), gained=view.labels("gained"),
        perhaps_lost=view.labels("perhaps lost"), perhaps_gained=view.labels("perhaps gained"),
    )  # fmt: skip
    count = _count(view)
    alt = f"Superpixels that turn {what}. {count}"
    return Picture("What turns", what, pictures.encode(drawing.outlined(image)), alt, count)


def _count(view: _View) -> str:
    lost, gained = len(view.labels("lost")), len(view.labels("gained"))
    perhaps = len(view.labels("perhaps lost")) + len(view.labels("perhaps gained"))
    sure = f"{lost + gained} surely turn ({lost} from for to against, {gained} from against to for)"
    all_ = plural(int(view.told["superpixels"]), "superpixel")
    return f"Of {all_} {sure if lost + gained else 'none surely turns'}, {perhaps} perhaps."


def _notes(view: _View) -> list[str]:
    """Numbers of what surely turns: its weight, its place, the other method, and two seeds."""
    told, notes = view.told, []
    if view.labels("lost") or view.labels("gained"):
        one, other = (percent(each, 0) for each in told["weight"])
        notes.append(f"What surely turns carries {one} of the weight in the first picture and {other} in the second.")
        if told["places"]:
            lie = ", ".join(f"{percent(share, 0)} {name}" for name, share in told["places"].items())
            unknown = "" if told["tumour known"] else "; no tumour is marked on this scan"
            notes.append(f"Of its area: {lie}{unknown}.")
    notes += [
        f"By {METHODS.get(str(each['method']), str(each['method']))} on the same superpixels {each['turned']} surely "
        f"turn, {each['both']} of them as here."
        for each in told.get("also") or []
    ]
    if told.get("seeds") is not None:
        notes.append(f"Between two seeds of one model {percent(told['seeds'], 0)} of this scan's clearly signed area "
                     "turned from for to against.")  # fmt: skip
    if view.told["shared"] and not told["intervals"]:
        notes.append("There are no intervals here: sure is a weight of at least a tenth of the largest.")
    return notes
