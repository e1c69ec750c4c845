"""Many scans by several methods: together where a method gains by it, and a scan that fails fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from whyscan.data.scan import Scan
from whyscan.data.sources import Source
from whyscan.errors import BadModel, BadScan
from whyscan.explain.consensus import consensus
from whyscan.explain.explain import explain_many, layers_of
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
class Job:
    """What is asked of every scan; see `explain_files`."""

    classifier: Classifier
    explainers: Mapping[str, Explainer]
    layers: str | Sequence[str] | None
    targets: Targets
    seed: int
    agree: bool

    def run(
        self, sources: Mapping[int, Source], progress: Progress
    ) -> Iterator[tuple[int, Scan | None, Found | Failed]]:
        """Each scan by its number, as soon as it is explained; or why it could not be: None where it was not read.

        Raises:
            BadModel: of the first scans that were read, the model has no answer to any.
        """
        numbers, done, answered = list(sources), 0, False
        size = AT_ONCE if any(isinstance(each, LayeredExplainer) for each in self.explainers.values()) else 1
        for start in range(0, len(numbers), size):
            read = {number: _tried(sources[number].read) for number in numbers[start : start + size]}
            scans = [each for each in read.values() if isinstance(each, Scan)]
            looked = iter(self._look(scans, progress))
            refused = None
            for number, scan in read.items():
                progress("explaining", done, len(numbers))
                found = next(looked) if isinstance(scan, Scan) else scan
                if isinstance(scan, Scan) and isinstance(found, dict):
                    found = _tried(partial(self._finish, scan, found, progress))
                done, answered = done + 1, answered or isinstance(found, dict)
                refused = refused or (found if isinstance(found, BadModel) else None)
                yield number, scan if isinstance(scan, Scan) else None, found
            if refused and not answered:
                raise refused
        progress("explaining", done, len(numbers))

    def _look(self, scans: Sequence[Scan], progress: Progress) -> Sequence[Found | Failed]:
        """By the methods that look at layers: all scans together, or one by one where that fails."""

        def look() -> list[Found]:
            found: list[Found] = [{} for _ in scans]
            for name, method in self.explainers.items():
                if isinstance(method, LayeredExplainer):
                    chosen = self.layers or method.layer
                    each = layers_of(
                        self.classifier, scans, self.targets, layers=chosen, method=method, progress=progress
                    )
                    found = [{**before, name: list(one.values())} for before, one in zip(found, each, strict=True)]
            return found

        found = _tried(look)
        if isinstance(found, list):
            return found
        return [found] if len(scans) == 1 else [one for scan in scans for one in self._look([scan], progress)]

    def _finish(self, scan: Scan, looked: Found, progress: Progress) -> Found:
        """The other methods, and the consensus; in the order in which they were asked for."""
        others = {name: each for name, each in self.explainers.items() if name not in looked}
        more = explain_many(self.classifier, scan, others, self.targets, seed=self.seed, progress=progress)
        known = {**looked, **{name: [each] for name, each in more.items()}}
        found = {name: known[name] for name in self.explainers}
        if self.agree:
            together = consensus([each[-1] for each in found.values()])  # of a method at several layers the deepest
            found |= {each.method: [each] for each in (together.attribution, together.agreement_map())}
        return found


def _tried(work: Callable[[], R]) -> R | Failed:
    try:
        return work()
    except (BadScan, BadModel) as error:  # not read, blank so that hiding changes nothing, or answered with NaN
        return error
