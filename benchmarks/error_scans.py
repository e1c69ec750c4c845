"""What benchmarks of variants of whyscan's own estimators share: which scans they judge, and how two are compared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from error_reference import Judged, choose, float32, judged
from scipy import stats

import whyscan
from whyscan.models import process

R = TypeVar("R")


def measured(doc: str | None, measure: Callable[[Path, Callable[[], Judged]], R]) -> list[R]:
    """What is measured of every scan that the command line asks for.

    Args:
        doc: the script's own, for --help.
        measure: is given a path under OUT that is the scan's own, without suffix, and how its reference is judged.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a model folder, or any file that whyscan loads")
    parser.add_argument("--data", type=Path, required=True, help="the folder that the splits' paths are relative to")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv: scans of validation and clean test")
    parser.add_argument("--scans", type=int, default=8)
    parser.add_argument("--samples", type=int, default=12_000, help="of the reference; %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="a folder for references")
    asked = parser.parse_args()
    process.keep_allocations()
    classifier = whyscan.load(asked.model)
    predict, found = float32(classifier), []
    for i, row in enumerate(choose(asked.splits, asked.scans)):
        stem = f"{asked.model.stem}.{i:02d}"

        def game(row: dict[str, str] = row, stem: str = stem) -> Judged:
            scan = whyscan.read_scan(asked.data / row["path"], label=row["label"])
            return judged(asked.out / "pool" / f"{stem}.npz", classifier, predict, scan, asked.samples)

        found.append(measure(asked.out / stem, game))
        sys.stderr.write(f"{i + 1} of {asked.scans}\n")
    return found


def ratio(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> str:
    """Errors beside errors, one array a scan: the geometric mean over scans with a 95 % t interval."""
    logs = np.array([np.log(one / other).mean() for one, other in zip(ones, others, strict=True)])
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
    low, middle, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"
