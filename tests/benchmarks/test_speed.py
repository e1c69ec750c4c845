"""The speed benchmark: its record survives a kill, its ratios are right, and its jobs run on a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from whyscan.models import checkpoint
from whyscan.models.backbones import build

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ABOUT = {"model": "00ff", "shown": "toy", "cpu": "abacus", "threads": "1 thread", "allocations": "", "versions": ""}


@pytest.fixture
def record_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import speed_record

    return speed_record


@pytest.fixture
def table_module(record_module: ModuleType) -> ModuleType:
    import speed_table

    return speed_table


def rows_of(record: ModuleType, path: Path, seconds: dict[str, list[float]], claims: list) -> None:
    """A record of one job in which a contestant took these seconds in each repeat; "bound" is the bound."""
    roles = {"ours": "ours", "fast": "ours", "bound": "bound"}
    contestants = [{"name": name, "role": roles.get(name, "peer")} for name in seconds]
    head = {"kind": "job", "job": "a", "samples": 0, "title": "work", "about": ABOUT, "contestants": contestants}
    record.append(path, {**head, "claims": claims, "notes": [], "run": "1", "replaces": True})
    for name, times in seconds.items():
        for repeat, each in enumerate(times):
            row = {"kind": "time", "job": "a", "samples": 0, "run": "1", "repeat": repeat, "model": "00ff"}
            record.append(path, {**row, "contestant": name, "seconds": each, "facts": {}})


def test_a_ratio_is_made_within_a_repeat(record_module: ModuleType, table_module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    # the machine was ten times slower in the second repeat: 30/10, 3/1 and 2/1, not a ratio of medians (3/1 = 3)
    claims = [
        {"ours": "ours", "other": "peer", "factor": 4.0},
        {"ours": "ours", "other": "bound", "factor": 1 / 1.1},
        {"ours": "ours", "other": "", "factor": 20.0},
    ]
    rows_of(record_module, path, {"ours": [1, 10, 1], "bound": [1, 8, 1], "peer": [3, 30, 2]}, claims)
    _, full = table_module.table(path).split(table_module.MEASURED)
    lines = [line for line in full.splitlines() if line.startswith("| ")]
    ours, bound, peer = (line.split(" | ") for line in lines[2:])
    assert "n = 3" in ours[0] and ours[2].startswith("1.00 [1.00, 10.00]")
    assert ours[4:] == ["≤ 20 s", "yes |"]
    # ours over the bound: 1, 1.25, 1
    assert bound[3] == "1.00 [1.00, 1.25] of it" and bound[4:] == ["≤ 1.1 of it", "yes |"]
    assert peer[3] == "3.00 [2.00, 3.00] × as fast" and peer[4:] == ["≥ 4 ×", "NO |"]


def test_many_repeats_have_an_interval_that_strays_do_not_widen(record_module: ModuleType) -> None:
    """The median of 20 lies between the 6th and the 15th with 95.9 % (Conover, table A3: 0.0207 below and above)."""
    assert record_module.Spread.of([*range(1, 20), 1000]) == record_module.Spread(10.5, 6, 15)
    assert record_module.Spread.of([5, 1, 3, 2, 4]) == record_module.Spread(3, 1, 5)


def test_the_short_table_says_what_was_missed_and_every_row_has_one_target(
    record_module: ModuleType, table_module: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "record.jsonl"
    claims = [{"ours": "ours", "other": "peer", "factor": 2.5}, {"ours": "fast", "other": "peer", "factor": 10.0}]
    rows_of(record_module, path, {"ours": [2], "fast": [1], "peer": [6]}, claims)
    short, full = table_module.table(path).split(table_module.MEASURED)
    assert short.strip().splitlines()[-1] == "| **a** work | 1 of 2 | peer: fast: 6.00 × as fast, asked ≥ 10 × |"
    assert [line for line in full.splitlines() if "peer" in line or line.startswith("|  |  |  |")] == [
        "|  | peer | 6.00 | ours: 3.00 × as fast | ≥ 2.5 × | yes |",
        "|  |  |  | fast: 6.00 × as fast | ≥ 10 × | NO |",
    ]


def test_a_killed_run_goes_on_and_a_failing_peer_is_a_result(
    record_module: ModuleType, table_module: ModuleType, tmp_path: Path
) -> None:
    calls: list[str] = []

    def killed() -> None:
        calls.append("ours")
        if len(calls) == 4:
            raise KeyboardInterrupt

    def broken() -> None:
        raise RuntimeError("additivity is violated | by 3")

    path = tmp_path / "record.jsonl"
    contestants = [
        record_module.Contestant("ours", killed, "ours", lambda: None),
        record_module.Contestant("peer", broken),
    ]
    job = record_module.Job("f", "SHAP", contestants, [record_module.Claim("ours", "peer", 3.0)], 100)
    with pytest.raises(KeyboardInterrupt):
        record_module.measure(job, 5, path, ABOUT, resume=False, say=lambda _: None)
    path.write_text(path.read_text() + '{"kind": "ti')  # a line that was cut short
    path.write_text(path.read_text() + "\n")
    record_module.measure(job, 5, path, ABOUT, resume=True, say=lambda _: None)
    whole = record_module.whole_repeats(record_module.read(path), "f", 100, ["ours", "peer"], "00ff")
    assert len(whole) == 5
    assert len(calls) == 6  # three whole repeats, the one that was killed, and the two that were missing
    said: list[str] = []
    record_module.measure(job, 5, path, ABOUT, resume=True, say=said.append)
    assert said == ["f: measured already, 5 repeats"]
    drawn = table_module.table(path)
    assert "RuntimeError: additivity is violated \\| by 3" in drawn
    assert "yes" not in drawn and "NO" not in drawn  # what could not be measured is neither


def test_our_own_failure_stops_the_benchmark(record_module: ModuleType, tmp_path: Path) -> None:
    def broken() -> None:
        raise RuntimeError("ours")

    job = record_module.Job("a", "work", [record_module.Contestant("ours", broken, "ours")])
    with pytest.raises(RuntimeError, match="ours"):
        record_module.measure(job, 1, tmp_path / "record.jsonl", ABOUT, resume=False, say=lambda _: None)


def test_the_table_goes_between_the_pages_marks(table_module: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table_module.BEGIN}\nold\n{table_module.END}\nafter\n")
    table_module.write(page, "new")
    assert page.read_text() == f"before\n{table_module.BEGIN}\nnew\n{table_module.END}\nafter\n"


def test_the_bound_differentiates_down_to_its_layer_and_no_further(
    record_module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import speed_gradcam

    first, second = torch.nn.Conv2d(3, 2, 1), torch.nn.Conv2d(2, 2, 1)
    network = torch.nn.Sequential(first, second, torch.nn.Flatten(), torch.nn.Linear(32, 2)).requires_grad_(False)
    seen: list[tuple[torch.Size, bool]] = []
    grad = torch.autograd.grad

    def watched(score: torch.Tensor, inputs: list[torch.Tensor], retain_graph: bool) -> object:
        found = grad(score, inputs, retain_graph=retain_graph)
        seen.append((found[0].shape, inputs[0].is_leaf))
        return found

    monkeypatch.setattr(torch.autograd, "grad", watched)
    speed_gradcam.bare_backward(network, second, torch.rand(1, 3, 4, 4), [0, 1])
    assert seen == [(torch.Size([1, 2, 4, 4]), True)] * 2
    assert not second._forward_hooks


@pytest.mark.slow
def test_every_job_runs(tmp_path: Path) -> None:
    for peer in ("captum", "pytorch_grad_cam", "lime", "shap"):
        pytest.importorskip(peer, reason=f"{peer} is not installed (extra: bench)")
    checkpoint.save(build("mobilenetv2_035", "none", ("a", "b", "c"), input_size=32, seed=1), tmp_path / "model")
    command = [
        sys.executable, str(BENCHMARKS / "speed.py"), "--model", str(tmp_path / "model"), "--images", "3",
        "--samples", "16", "--repeats", "1", "--threads", "1", "--record", str(tmp_path / "record.jsonl"),
        "--jobs", "a,b,c,d,e0,e1,e2,e3,f2,f3,f4,f5",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for job in ("a1", "a2", "b1", "b2", "c", "d", "e0", "e1", "e3", "f2", "f3", "f4", "f5"):
        assert f"| **{job}** " in done.stdout
    assert str(tmp_path) not in done.stdout
