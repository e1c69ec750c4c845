"""Mistaking: the classifiers of a trust run taught shuffled labels, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence

from whyscan.data.catalogue import Catalogue
from whyscan.data.split import SplitRow
from whyscan.models.classifier import Classifier
from whyscan.progress import Progress, quiet
from whyscan.records.run import Run
from whyscan.study.trust_scans import Speaker
from whyscan.training.mistaught import mistaught, why_not
from whyscan.trust.case import Mistaught


class Mistakers:
    """Makes each label-randomised model once, or says once why there is none."""

    def __init__(self, run: Run, catalogue: Catalogue, *, seed: int, progress: Progress = quiet) -> None:
        self._run, self._catalogue, self._seed, self._progress = run, catalogue, seed, progress
        self._made: dict[str, Classifier | str] = {}

    def of(self, model: Classifier, speaker: Speaker) -> Mistaught:
        """What a case of this classifier is given."""

        def make() -> Classifier | str:
            if speaker.key not in self._made:
                self._made[speaker.key] = self._make(model, speaker.learned())
            return self._made[speaker.key]

        return make

    def _make(self, model: Classifier, rows: Sequence[SplitRow]) -> Classifier | str:
        cache = self._run.folder / "cache"
        return (
            why_not(model, rows)
            or mistaught(model, self._catalogue, rows, cache, seed=self._seed, progress=self._progress)[0]
        )
