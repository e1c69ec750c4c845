"""How many evaluations an answer costs: lime, shap, captum and whyscan beside a reference of 50,000.

    pip install "whyscan[bench]"
    python benchmarks/error.py --model RUN/models/NAME --data DATA --splits RUN/splits.csv --scans 20 --out OUT
    python benchmarks/error.py --out OUT --write docs/explanation     # tables, figures and CSV of what is there

Everything is kept under OUT, scan by scan, the evaluations of the model too: run the same line again after a kill and
it goes on; with --stages ours --again it measures whyscan anew after its code was changed, without the model. Several
models can share OUT. The reference of one scan takes 50,000 evaluations, the estimators some 35,000 more.

Each estimator is judged against its own estimand (LIME's weights at its own penalty, Shapley values, Owen values), on
the same superpixels, the same fill and the same float32 model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from error_reference import Judged, Truth

SAMPLES = 50_000
STAGES = ("peers", "ours")


def main() -> None:
    options = _options()
    if options.model:
        _measure(options)
    if options.write:
        from error_summary import write

        write(options.out, options.write)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder, or any file that whyscan loads")
    parser.add_argument("--data", type=Path, help="the folder that the paths of the splits are relative to")
    parser.add_argument("--splits", type=Path, help="splits.csv: scans are taken from validation and clean test")
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of the reference; %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="a folder for references and results")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="both by default")
    parser.add_argument("--again", action="store_true", help="measure these stages again where they are done")
    parser.add_argument("--threads", type=int, help="all cores by default")
    parser.add_argument("--write", type=Path, metavar="DOCS", help="write tables, figures and CSV into this folder")
    options = parser.parse_args()
    if options.model and not (options.data and options.splits):
        parser.error("--data and --splits are needed with --model")
    return options


def _measure(options: argparse.Namespace) -> None:
    import error_reference as reference
    import torch

    import whyscan
    from whyscan.models import process
    from whyscan.records import files

    process.keep_allocations()
    if options.threads:
        torch.set_num_threads(options.threads)
    classifier, name = whyscan.load(options.model), options.model.stem
    predict = reference.float32(classifier)
    with files.locked(options.out / name):
        for i, row in enumerate(reference.choose(options.splits, options.scans)):
            stem = options.out / name / f"{i:02d}"
            left = [
                stage for stage in options.stages if options.again or not stem.with_suffix(f".{stage}.json").exists()
            ]
            if not left:
                continue
            scan = whyscan.read_scan(options.data / row["path"], label=row["label"])
            pool = options.out / "pool" / f"{name}.{i:02d}.npz"
            game = reference.judged(pool, classifier, predict, scan, options.samples)
            _say(f"{name} {i}: {game.players} superpixels")
            for stage in left:
                _stage(stage, stem, game)


def _stage(stage: str, stem: Path, game: Judged) -> None:
    """The peers' rows, or ours; the evaluations that they took are kept for the next time."""
    from error_auto import measure_auto
    from error_measure import measure_ours, measure_peers
    from error_reference import keep, kept_truths, remember

    from whyscan.records import files

    start, more = time.monotonic(), stem.with_suffix(".more.npz")
    remember(more, game)
    known = len(game.memory)
    truths = kept_truths(stem.with_suffix(".truth.npz"), game)
    found: dict[str, Any] = {"players": game.players, "reference_error": _doubt(truths)}
    if stage == "peers":
        found["rows"] = measure_peers(game, truths)
    else:
        found |= {"rows": measure_ours(game, truths), "auto": measure_auto(game, truths)}
    keep(more, game)
    files.write_json(stem.with_suffix(f".{stage}.json"), found)
    _say(f"  {stage}: {time.monotonic() - start:.0f} s, {len(game.memory) - known} more evaluations")


def _doubt(truths: Mapping[str, Truth]) -> dict[str, float]:
    """The standard error of the reference in units of its values, the median over classes."""
    return {
        f"{score} {name}": float(np.median(_rms(found[f"{name}, half width"]) / 1.96 / _rms(found[name])))
        for score, found in truths.items()
        for name in ("lime", "shap")
    }


def _rms(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(values**2, axis=-1))


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
