"""Which scans a trust run looks at, and which model may speak about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from whyscan.data.catalogue import Catalogue, in_turn
from whyscan.data.folds import fold_rows
from whyscan.data.split import SplitRow
from whyscan.errors import BadRun
from whyscan.models import checkpoint
from whyscan.models.classifier import Classifier
from whyscan.records.predictions import Predictions
from whyscan.records.run import Run
from whyscan.study import folds
from whyscan.study.workspace import split_seed
from whyscan.training.parts import trained_here

HELD_OUT = "held out"
OUT_OF_FOLD = "out of fold"
_WHOSE = {
    OUT_OF_FOLD: "of the training part, each judged and explained by the fold's model that did not train on it",
    HELD_OUT: "validation, holdout and clean test",
}
WRONG_SHARE = 0.5
"""This share of a class's scans are ones that a model got wrong, where there are so many: they answer question 2."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The classifier of a model that may speak about a scan: it did not train on it.

    Attributes:
        open: loads it.
        key: its name in the run; scans with the same one are explained together.
        learned: the split that it was trained on.
    """

    open: Callable[[], Classifier]
    key: str
    learned: Callable[[], Sequence[SplitRow]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One scan of a trust run: its row of the split, and by model who speaks about it."""

    row: SplitRow
    speakers: Mapping[str, Speaker]


@dataclass(frozen=True, eq=False)
class Pool:
    """The scans that no model of this run was trained on, none twice: what samples are drawn from.

    Attributes:
        rows: of the split.
        where: whether each is out of fold, or held out of everything.
        said: what each model predicted of them.
        masks: paths of all scans whose tumour is known.
        speakers: by model, who of it may speak about the scan of a path.
        elsewhere: models that are not known to have learned from this run's training scans only.
    """

    rows: Sequence[SplitRow]
    where: str
    said: Sequence[Predictions]
    masks: set[str]
    speakers: Mapping[str, Callable[[str], Speaker]]
    elsewhere: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        run: Run,
        catalogue: Catalogue,
        rows: Sequence[SplitRow],
        models: Sequence[str],
        lent: Mapping[str, Classifier] | None = None,
    ) -> Pool:
        """Where every model has folds, the training part, each scan for the model that did not see it: most known
        tumours are there. Else validation, holdout and the clean test.

        Args:
            lent: models that the run does not hold.

        Raises:
            BadRun: nothing is held out.
        """
        where, found, said = _unseen(run, rows, models)
        if not found:
            came = "no scan that the models did not train on"
            raise BadRun(came, "scans held out, or `train --folds 5`", "add folds")
        masks = {entry.name for entry in catalogue.entries if entry.mask is not None}
        speakers = {name: _speakers(run, rows, where, name, (lent or {}).get(name)) for name in models}
        elsewhere = [] if where == OUT_OF_FOLD else [each for each in models if not trained_here(run.model(each), rows)]
        return cls(_distinct(found, masks), where, said, masks, speakers, elsewhere)

    def chosen(self, order: Sequence[SplitRow]) -> list[Chosen]:
        return [Chosen(row, {name: speaker(row.path) for name, speaker in self.speakers.items()}) for row in order]

    def told(self, order: Sequence[SplitRow]) -> str:
        """How many of how many, and whose words they are."""
        whose = f"{_WHOSE[self.where]} of this run" if self.elsewhere else _WHOSE[self.where]
        return f"{len(order)} of {len(self.rows)} scans ({whose})"

    def doubt(self) -> str:
        """What cannot be said of models from elsewhere; empty where every model was trained here."""
        if not self.elsewhere:
            return ""
        return (
            f" It is not known whether {' and '.join(self.elsewhere)} learned from the scans that are judged: if so, "
            "none of this is about new ones."
        )


def choose(pool: Pool, *, scans: int, seed: int) -> tuple[list[Chosen], str]:
    """By class, half of them wrong where there are so many.

    Returns:
        The scans in an order whose every beginning is such a sample too, and how they were drawn, for the reader.
    """
    labels = sorted({row.label for row in pool.rows})
    random = np.random.default_rng(seed)
    share = -(-scans // len(labels))
    columns = [
        _of_class([row for row in pool.rows if row.label == label], pool.said, pool.masks, share, random)
        for label in labels
    ]
    order = in_turn([column[:share] for column in columns])[:scans]
    wrong = _wrong(pool.said)
    drawn = (
        f"the same number of each class as far as there are so many, {sum(row.path in wrong for row in order)} of them "
        "wrong for one of the models (half of a class where that can be), those with a known tumour before others, "
        f"drawn with seed {seed}. So shares over all of them are not those of the data; right and wrong are told apart."
    )
    return pool.chosen(order), f"{pool.told(order)}, {drawn}"


def choose_wide(pool: Pool, *, scans: int, seed: int) -> tuple[list[Chosen], str]:
    """From all alike, so that shares over them are the data's; and how, for the reader."""
    order = [pool.rows[i] for i in np.random.default_rng(seed).permutation(len(pool.rows))[:scans]]
    drawn = "all that there are" if len(order) == len(pool.rows) else f"drawn from all alike with seed {seed}"
    return pool.chosen(order), f"{pool.told(order)}, {drawn}: shares over them are those of the data."


def _distinct(pool: Sequence[SplitRow], masks: set[str]) -> list[SplitRow]:
    """Of scans with the same pixels one, if possible one whose tumour is known: twice the same is no second case."""
    first: dict[str, SplitRow] = {}
    for row in sorted(pool, key=lambda row: row.path not in masks):
        first.setdefault(row.content, row)
    kept = {row.path for row in first.values()}
    return [row for row in pool if row.path in kept]


def _unseen(
    run: Run, rows: Sequence[SplitRow], models: Sequence[str]
) -> tuple[str, list[SplitRow], Sequence[Predictions]]:
    """Where the scans come from, the scans, and what the models said of them."""
    by_path = {row.path: row for row in rows}
    where = OUT_OF_FOLD if all(folds.known(run, name) for name in models) else HELD_OUT
    said = [(folds.predictions if where == OUT_OF_FOLD else Run.predictions)(run, name) for name in models]
    known = set(said[0].paths).intersection(*(each.paths for each in said))
    pool = [by_path[path] for path in said[0].paths if path in known and path in by_path]
    if where == HELD_OUT:
        pool = [row for row in pool if row.split in ("validation", "holdout", "test") and not row.leaked]
    return where, pool, said


def _of_class(
    rows: Sequence[SplitRow],
    said: Sequence[Predictions],
    masks: set[str],
    share: int,
    random: np.random.Generator,
) -> list[SplitRow]:
    """Scans with a known tumour first; wrong and right ones in turn, so that any beginning is balanced."""
    wrong = _wrong(said)
    drawn = [rows[i] for i in random.permutation(len(rows))]
    drawn.sort(key=lambda row: row.path not in masks)
    sides = [[row for row in drawn if (row.path in wrong) == is_wrong] for is_wrong in (True, False)]
    fewest = min(len(sides[0]), int(WRONG_SHARE * share))
    turns = [row for pair in zip(sides[0][:fewest], sides[1], strict=False) for row in pair]
    taken = {row.path for row in turns}
    rest = [row for row in (*sides[1], *sides[0]) if row.path not in taken]
    return [*turns, *rest][:share]


def _wrong(said: Sequence[Predictions]) -> set[str]:
    """Paths of the scans that one of the models gets wrong."""
    return {
        path
        for each in said
        for path, label, p in zip(each.paths, each.labels, each.probabilities, strict=True)
        if int(p.argmax()) != label
    }


def _speakers(
    run: Run, rows: Sequence[SplitRow], where: str, name: str, lent: Classifier | None
) -> Callable[[str], Speaker]:
    """Who of a model speaks about the scan of a path."""
    if where == OUT_OF_FOLD:
        of = folds.out_of_fold(run, name)
        numbers = {path: fold.number for path, fold in of.items()}
        seed = split_seed(run, None)
        speakers = {
            fold: Speaker(fold, f"{name} fold {fold.number}", partial(fold_rows, rows, numbers, fold.number, seed=seed))
            for fold in set(of.values())
        }
        return lambda path: speakers[of[path]]
    open_ = partial(checkpoint.load, run.model_folder(name)) if lent is None else lambda: lent
    only = Speaker(open_, name, lambda: rows)
    return lambda _: only
