import subprocess
import sys

import pytest
import torch

from whyscan.errors import BadInput
from whyscan.models import process

_FAULTS = """
import resource, torch
from whyscan.models import process
if {keep}:
    assert process.keep_allocations() and process.keep_allocations()
def use():
    for _ in range(20):
        torch.ones(16 * 2**20 // 4 * 4)  # 64 MiB, freed at once
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(keep: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(keep=keep)], capture_output=True, text=True, timeout=120, check=True
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_kept_memory_is_not_asked_of_the_kernel_again():
    assert _faults(keep=True) < _faults(keep=False) / 5


def test_elsewhere_it_says_that_nothing_was_done(monkeypatch):
    monkeypatch.setattr(process.sys, "platform", "darwin")
    assert process.keep_allocations() is False


def test_without_glibc_it_says_so(monkeypatch):
    monkeypatch.setattr(process.sys, "platform", "linux")
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: object())
    assert process.keep_allocations() is False


def test_threads():
    before = torch.get_num_threads()
    try:
        process.set_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(BadInput, match="0 threads"):
        process.set_threads(0)
