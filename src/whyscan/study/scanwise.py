"""Many scans by several methods: together where a method gains by it; a scan or a method that fails fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from whyscan.data.scan import Scan
from whyscan.data.sources import Source
from whyscan.errors import BadModel, BadScan
from whyscan.explain.consensus import consensus
from whyscan.explain.explain import explain_many, layers_of, together
from whyscan.explain.methods import Explainer, LayeredExplainer
from whyscan.explain.targets import Targets
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress
from whyscan.records.attribution import Attribution

AT_ONCE = 8
"""Scans that are read, and looked at together by the methods that look at layers."""

Found = dict[str, list[Attribution]]
"""By method its attributions; of one that looks at layers, shallow to deep."""

Failed = BadScan | BadModel

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Explained:
    """What came of a scan.

    Attributes:
        scan: None where it could not be read.
        found: what the methods made of it that worked.
        failed: why others, or the consensus, did not.
    """

    scan: Scan | None
    found: Found
    failed: Mapping[str, Failed]


@dataclass(frozen=True, eq=False)
class Job:
    """What is asked of every scan; see `explain_files`."""

    classifier: Classifier
    explainers: Mapping[str, Explainer]
    layers: str | Sequence[str] | None
    targets: Targets
    seed: int
    agree: bool

    def run(self, sources: Mapping[int, Source], progress: Progress) -> Iterator[tuple[int, Explained]]:
        """Each scan by its number, as soon as it is explained.

        Raises:
            BadModel: of the first scans that were read, the model has no answer to any.
        """
        numbers, done, answered = list(sources), 0, False
        size = AT_ONCE if any(isinstance(each, LayeredExplainer) for each in self.explainers.values()) else 1
        for start in range(0, len(numbers), size):
            read = {number: _tried(sources[number].read) for number in numbers[start : start + size]}
            looked = iter(self._look([each for each in read.values() if isinstance(each, Scan)], progress))
            refused: Failed | None = None
            for number, scan in read.items():
                progress("explaining", done, len(numbers))
                if isinstance(scan, Scan):
                    explained = self._finish(scan, next(looked), progress)
                else:
                    explained = Explained(None, {}, dict.fromkeys(self.explainers, scan))
                done, answered = done + 1, answered or bool(explained.found)
                refused = refused or next((e for e in explained.failed.values() if isinstance(e, BadModel)), None)
                yield number, explained
            if refused and not answered:
                raise refused
        progress("explaining", done, len(numbers))

    def _look(self, scans: Sequence[Scan], progress: Progress) -> list[_Tried]:
        """By the methods that look at layers."""
        tried: list[_Tried] = [{} for _ in scans]
        for name, method in self.explainers.items():
            if isinstance(method, LayeredExplainer):
                for before, one in zip(tried, self._layers(method, scans, progress), strict=True):
                    before[name] = one
        return tried

    def _layers(
        self, method: LayeredExplainer, scans: Sequence[Scan], progress: Progress
    ) -> list[list[Attribution] | Failed]:
        """All scans together, or one by one where that fails."""
        chosen = self.layers or method.layer
        look = partial(layers_of, self.classifier, scans, self.targets, layers=chosen, method=method, progress=progress)
        found = _tried(look)
        if isinstance(found, list):
            return [list(each.values()) for each in found]
        return [found] if len(scans) == 1 else [one for scan in scans for one in self._layers(method, [scan], progress)]

    def _finish(self, scan: Scan, looked: _Tried, progress: Progress) -> Explained:
        """The other methods, and the consensus; in the order in which they were asked for."""
        tried: _Tried = {**looked}
        others = {name: each for name, each in self.explainers.items() if name not in looked}
        for some in together(others):
            more = _tried(
                partial(explain_many, self.classifier, scan, some, self.targets, seed=self.seed, progress=progress)
            )
            tried |= {name: [more[name]] if isinstance(more, dict) else more for name in some}
        if self.agree:
            tried |= _agreed({name: tried[name] for name in self.explainers})
        order = [*self.explainers, *(name for name in tried if name not in self.explainers)]
        found = {name: each for name in order if isinstance(each := tried[name], list)}
        return Explained(scan, found, {name: each for name in order if not isinstance(each := tried[name], list)})


_Tried = dict[str, list[Attribution] | Failed]
"""By method its attributions, or why there are none."""


def _agreed(tried: _Tried) -> _Tried:
    """What all methods agree on. Of fewer than were asked it would be another consensus than the other scans have."""
    missing = [name for name, each in tried.items() if not isinstance(each, list)]
    if missing:
        came = f"no map by {', '.join(missing)}"
        refusal = BadScan(came, "one by each method that was asked for", "leave out the method that failed")
        return dict.fromkeys(("consensus", "agreement"), refusal)
    last = [each[-1] for each in tried.values() if isinstance(each, list)]  # of several layers the deepest
    made = consensus(last)
    return {each.method: [each] for each in (made.attribution, made.agreement_map())}


def _tried(work: Callable[[], R]) -> R | Failed:
    try:
        return work()
    except (BadScan, BadModel) as error:  # not read, blank so that hiding changes nothing, or answered with NaN
        return error
