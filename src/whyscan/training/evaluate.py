"""What a classifier says about every scan that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whyscan.data.catalogue import Catalogue
from whyscan.data.read import read_entry
from whyscan.data.split import SplitRow
from whyscan.errors import BadData
from whyscan.models.classifier import Classifier, Pixels, softmax
from whyscan.progress import Progress, quiet
from whyscan.records.predictions import Predictions
from whyscan.training.pixels import entries_of, open_pixels

JUDGED = ("validation", "holdout", "test")


def evaluate(
    classifier: Classifier,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    *,
    splits: Sequence[str] = JUDGED,
    cache: Path | None = None,
    batch: int = 16,
    progress: Progress = quiet,
) -> Predictions:
    """Predict in the classifier's own precision, in the order of `rows`.

    Args:
        splits: which rows are judged; the training scans and the excluded ones are not, by default.
        cache: a folder for pixels at the model's size, worthwhile where several models see the same scans. Its
            16 bits a value move a probability by some 1e-5.

    Raises:
        BadData: no row is left to judge, a label that the classifier does not know, or a scan that is not there.
        BadScan: a file cannot be read.
        BadModel: the network answers with NaN.
    """
    judged = [row for row in rows if row.split in splits]
    if not judged:
        raise BadData(f"no scan in {', '.join(splits)}", "at least one", "check the split")
    for row in judged:
        if row.label not in classifier.classes:
            raise BadData(
                f"{row.path} is filed under {row.label!r}, which {classifier.name} does not know",
                f"one of {', '.join(classifier.classes)}",
                "give the model's classes in the data's names, or exclude that class",
            )
    probabilities = _predict(classifier, catalogue, rows, judged, cache, batch, progress)
    return Predictions(
        classifier.name,
        classifier.classes,
        tuple(row.path for row in judged),
        np.array([classifier.classes.index(row.label) for row in judged], np.int64),
        tuple(row.group for row in judged),
        tuple(row.split for row in judged),
        np.array([row.leaked for row in judged], bool),
        np.stack([probabilities[row.content] for row in judged]).astype(np.float64),
    )


def _predict(
    classifier: Classifier,
    catalogue: Catalogue,
    rows: Sequence[SplitRow],
    judged: Sequence[SplitRow],
    cache: Path | None,
    batch: int,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Content hash -> (k,). Scans with the same pixels are judged once."""
    entries = entries_of(catalogue, judged)
    kept = [row for row in rows if row.split != "excluded"]  # all of them, so that training uses the same cache
    stored = (
        None
        if cache is None
        else open_pixels(catalogue, kept, classifier.input_size, classifier.fit, cache, progress=progress)
    )

    def pixels(contents: Sequence[str]) -> Pixels:
        if stored is None:
            return np.concatenate([classifier.prepare(read_entry(entries[content]))[0] for content in contents])
        values = stored.batch(contents).expand(-1, 3, -1, -1).contiguous()
        return np.asarray(values.numpy(), np.float32)

    contents = list(entries)
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(contents), batch):
        part = contents[start : start + batch]
        found.update(zip(part, softmax(classifier.logits(pixels(part), batch=batch)), strict=True))
        progress(f"{classifier.name}: judging", min(start + batch, len(contents)), len(contents))
    return found
