"""What the doctor found, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whyscan.models.doctor import LayerFacts, ModelFacts
from whyscan.study.checkup import Checkup

_WIDTH = 14
_NAMED = 3


def model_lines(facts: ModelFacts, methods: Mapping[str, str]) -> list[str]:
    """The model, a fact a line, then its layers and what can be explained; `methods` are "" or why not, by name."""
    height, width = facts.input_size
    out = [
        _line("model", f"{facts.name} ({facts.framework})"),
        _line("architecture", f"{facts.architecture or 'not known'}, {facts.parameters / 1e6:.2f} M parameters"),
        _line("input", f"{height} x {width} pixels, {_FITS.get(facts.fit, facts.fit)}"),
        _line("pixels", facts.scaling if not facts.scaling_from else facts.scaling_from),
        _line("head", facts.head),
        _line("classes", ", ".join(facts.classes) + (f" ({facts.classes_from})" if facts.classes_from else "")),
    ]
    if facts.scaling and facts.scaling_from and not facts.scaling_from.startswith(facts.scaling):
        out[3] = _line("pixels", f"{facts.scaling}: {facts.scaling_from}")
    if not facts.white_box:
        out.append(_line("black box", facts.reason))
    out += ["", *_layer_lines(facts.layers), *unserving_lines(facts.unserving), "", *_method_lines(methods)]
    return out


_FITS = {"stretch": "scans are stretched to fit", "pad": "scans are padded to fit"}


def _line(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"


def _layer_lines(found: Sequence[LayerFacts]) -> list[str]:
    if not found:
        return [_line("layers", "none that Grad-CAM could look at")]
    names = [each.name + (f" ({each.alias})" if each.alias and each.alias != each.name else "") for each in found]
    width = max(map(len, names)) + 2
    shapes = [" x ".join(map(str, each.shape)) for each in found]
    rows = [f"  {name:<{width}}{shape}" for name, shape in zip(names, shapes, strict=True)]
    return [_line("layers", f"{len(found)} that Grad-CAM can look at, shallow to deep"), *rows]


def unserving_lines(reasons: Mapping[str, str]) -> list[str]:
    """Convolutions and attention blocks that cannot serve, a line a reason."""
    found: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        found.setdefault(reason, []).append(name)
    return [
        f"{len(names)} cannot serve ({', '.join(names[:_NAMED])}{', ...' * (len(names) > _NAMED)}): {reason}"
        for reason, names in found.items()
    ]


def _method_lines(methods: Mapping[str, str]) -> list[str]:
    works = [name for name, reason in methods.items() if not reason]
    out = [_line("can explain", ", ".join(works))]
    reasons = dict.fromkeys(reason for reason in methods.values() if reason)
    for number, reason in enumerate(reasons):
        names = ", ".join(name for name, each in methods.items() if each == reason)
        out.append(_line("" if number else "cannot", f"{names}: {reason}"))
    return out


def checkup_lines(found: Checkup) -> list[str]:
    """The scalings as a table, and what follows."""
    width = max(len(each.name) for each in found.candidates) + 2
    out = [
        f"{found.scans} labelled scans, each scaling tried on all of them"
        + (f" ({found.unread} could not be read)" if found.unread else ""),
        "",
        f"  {'scaling':<{width}}{'right':<22}{'loss (nats)':<24}{'worse than the best by'}",
    ]
    for each in found.candidates:
        gap = "" if each is found.candidates[0] else f"{each.worse:.2f} [{each.worse_low:.2f}, {each.worse_high:.2f}]"
        right = f"{each.accuracy:.1%} [{each.accuracy_low:.0%}, {each.accuracy_high:.0%}]"
        loss = f"{each.loss:.2f} [{each.loss_low:.2f}, {each.loss_high:.2f}]"
        row = f"{'*' if each.used else ' '} {each.name:<{width}}{right:<22}{loss:<24}{gap}"
        out.append(row.rstrip())
    out += ["  * what it was opened with", "", found.sentence]
    if found.order_sentence:
        out.append(found.order_sentence)
    out.append("These may be scans that the model was trained on: the figures compare scalings, not models.")
    return out
