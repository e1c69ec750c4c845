"""A layer as a builder sees it: its config read with care, since a stranger wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whyscan.errors import BadModel
from whyscan.models.adopt import FROM_OUTSIDE
from whyscan.models.keras.activations import Activation, activation
from whyscan.models.keras.padding import Pair

_LARGEST = 2**24


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of a layer when it is built.

    Attributes:
        name: the layer's own.
        kind: its class.
        config: its arguments.
        shapes: of the tensors that come in, in torch's order of axes, batch first.
        operands: of an operation: its arguments in order; None for a tensor of the graph.
        options: of an operation: its named arguments that are no tensors.
        keras2: whether Keras 2 wrote the file.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    shapes: Sequence[tuple[int, ...]]
    operands: Sequence[Any]
    options: Mapping[str, Any]
    keras2: bool

    @property
    def rank(self) -> int:
        return len(self.shapes[0])

    @property
    def width(self) -> int:
        """The size of Keras's last axis."""
        return self.shapes[0][1] if self.rank == 4 else self.shapes[0][-1]

    def bad(self, field: str, expected: str) -> BadModel:
        value = str(self.config.get(field))[:80]
        mend = f"this layer cannot be rebuilt: export the model without it, or {FROM_OUTSIDE}"
        return BadModel(f"layer {self.name!r} ({self.kind}) has {field} = {value}", expected, mend)

    def image(self) -> None:
        """Refuses what is no image with channels last."""
        if self.config.get("data_format") == "channels_first":
            raise self.bad("data_format", "channels_last")
        if self.rank != 4:
            raise BadModel(
                f"layer {self.name!r} ({self.kind}) gets {self.rank - 1} axes", "an image", "repair the file"
            )

    def number(self, field: str, default: float) -> float:
        value = self.config.get(field, default)
        value = value.get("value", value) if isinstance(value, Mapping) else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.bad(field, "a finite number")
        return float(value)

    def optional(self, field: str) -> float | None:
        return None if self.config.get(field) is None else self.number(field, 0.0)

    def flag(self, field: str, default: bool) -> bool:
        return bool(self.config.get(field, default))

    def count(self, field: str, default: int | None = None) -> int:
        value = self.config.get(field, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST:
            raise self.bad(field, "a positive whole number")
        return value

    def whole(self, field: str, value: Any, *, least: int = 0) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
            raise self.bad(field, f"whole numbers of {least} or more")
        return value

    def pair(self, field: str, default: int | None = None) -> Pair:
        """(height, width) of a field that may be one number."""
        value = self.config.get(field, default)
        both = list(value) if isinstance(value, list | tuple) else [value, value]
        if len(both) != 2:
            raise self.bad(field, "two whole numbers")
        return self.whole(field, both[0], least=1), self.whole(field, both[1], least=1)

    def margins(self, field: str) -> tuple[Pair, Pair]:
        """((top, bottom), (left, right)) of a field in any of Keras's three forms."""
        value = self.config.get(field, 1)
        both = list(value) if isinstance(value, list | tuple) else [value, value]
        sides = [list(each) if isinstance(each, list | tuple) else [each, each] for each in both]
        if len(sides) != 2 or any(len(side) != 2 for side in sides):
            raise self.bad(field, "((top, bottom), (left, right))")
        (top, bottom), (left, right) = ([self.whole(field, each) for each in side] for side in sides)
        return (top, bottom), (left, right)

    def same(self) -> bool:
        """Whether its padding is "same" rather than "valid"."""
        padding = self.config.get("padding", "valid")
        if padding not in ("same", "valid"):
            raise self.bad("padding", '"same" or "valid"')
        return bool(padding == "same")

    def choice(self, field: str, default: str, among: Sequence[str]) -> str:
        value = self.config.get(field, default)
        if value not in among:
            raise self.bad(field, f"one of {', '.join(among)}")
        return str(value)

    def numbers(self, field: str, default: float | None = None) -> list[float] | None:
        """A number or nested list of them, flat; None where it is absent."""
        value = self.config.get(field, default)
        flat: list[float] = []
        queue = [value]
        while queue:
            each = queue.pop(0)
            if isinstance(each, Mapping):
                each = (each.get("config") or {}).get("value", each.get("value"))
            if isinstance(each, list | tuple):
                queue = [*each, *queue]
            elif isinstance(each, int | float) and math.isfinite(each):
                flat.append(float(each))
            elif each is not None:
                raise self.bad(field, "numbers")
        return flat or None

    def last_axis(self) -> None:
        """Refuses a norm on anything but the last axis."""
        axes = self.config.get("axis", -1)
        axes = axes if isinstance(axes, list | tuple) else [axes]
        if list(axes) not in ([-1], [self.rank - 1]):
            raise self.bad("axis", "the last one, the channels")

    def act(self) -> Activation | None:
        return activation(self.config.get("activation"), self.name, keras2=self.keras2)
