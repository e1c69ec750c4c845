"""How fast explanations are beside lime, shap, captum, pytorch-grad-cam and Keras: one command, one table.

    pip install "whyscan[bench]"                                          # the peers; whyscan[fast] for the fast engine
    python benchmarks/speed.py --model RUN/models/xception --scans DATA   # all jobs; hours with 1,000 samples
    python benchmarks/speed.py --model ... --jobs a1,c,e3 --samples 100   # some of them, or fewer evaluations
    python benchmarks/speed.py --resume ...                               # go on after a kill
    python benchmarks/speed.py --table                                    # the table of what the record holds
    python benchmarks/speed.py --write docs/explanation/speed.md          # put it into a page, between its marks

Jobs: a1, b1: Grad-CAM of all layers, one class and all; a2, b2: beside loops; c: of the last layer; d: over a folder;
e1, e2: LIME beside bare forwards; e3: LIME beside its peers; f1-f5: SHAP beside its peers; g: LIME, SHAP and Grad-CAM
together. A letter alone means all of its jobs. Take a trained model: a random one's outputs are nearly flat.

Contestants take turns within each repeat, and a ratio is made within a repeat. Peers get what we get: memory kept
between batches, the same superpixels and fill, the same threads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

RECORD = Path("runs/speed.jsonl")


def main() -> None:
    options = _options()
    if not (options.table or options.write):
        _measure(options)
    from speed_table import table, write

    text = table(options.record)
    if options.write:
        write(options.write, text)
    else:
        print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder, or any file that whyscan loads")
    parser.add_argument("--scans", type=Path, help="a folder of scans; phantoms without it")
    parser.add_argument("--images", type=int, default=32, help="scans of job d")
    parser.add_argument("--jobs", default="", help="a,b,c,d,e,f,g or parts of them such as e3")
    parser.add_argument("--samples", type=int, default=1000, help="evaluations of LIME; SHAP's are in proportion")
    parser.add_argument("--repeats", type=int, default=5, help="some times as many of jobs that take milliseconds")
    parser.add_argument("--threads", type=int, help="all cores by default")
    parser.add_argument("--keras", metavar="PYTHON", help="an interpreter with TensorFlow, for jobs a and b")
    parser.add_argument("--record", type=Path, default=RECORD, help="JSON lines; %(default)s")
    parser.add_argument("--resume", action="store_true", help="do not measure again what the record has")
    parser.add_argument("--table", action="store_true", help="measure nothing, print the table")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="measure nothing, put the table into a page")
    options = parser.parse_args()
    if options.model is None and not (options.table or options.write):
        parser.error("--model is needed")
    if min(options.samples, options.repeats, options.images) < 1:
        parser.error("--samples, --repeats and --images are 1 or more")
    return options


def _measure(options: argparse.Namespace) -> None:
    import speed_gradcam
    import speed_perturb
    from speed_record import measure
    from speed_setting import facts, make_setting

    if options.threads:
        torch.set_num_threads(options.threads)
    setting = make_setting(options.model, options.scans, options.images, options.samples, options.keras)
    wanted = tuple(filter(None, options.jobs.split(",")))
    jobs = [*speed_gradcam.jobs(setting), *speed_perturb.jobs(setting)]
    chosen = [job for job in jobs if not wanted or job.key.startswith(wanted)]
    if not chosen:
        raise SystemExit(f"no job {options.jobs}; there are {', '.join(job.key for job in jobs)}")
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    for job in chosen:
        measure(job, options.repeats, options.record, facts(setting), resume=options.resume, say=say)


if __name__ == "__main__":
    main()
