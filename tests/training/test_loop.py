from __future__ import annotations

import math

import pytest
import torch

from whyscan.training.curves import EpochRow
from whyscan.training.loop import class_weights, generator, measure, schedule, stalled
from whyscan.training.settings import TrainSettings


def test_the_rate_climbs_in_a_line_and_falls_along_a_cosine() -> None:
    settings = TrainSettings(warmup=0.2)
    shares = [schedule(step, 10, settings) for step in range(10)]
    assert shares[:2] == [0.5, 1.0]
    # eight steps left: 0.01 + 0.99 (1 + cos(pi i / 8)) / 2, i = 1..8
    assert shares[2:] == pytest.approx([0.01 + 0.495 * (1 + math.cos(math.pi * i / 8)) for i in range(1, 9)])
    assert shares[-1] == pytest.approx(0.01)


def test_without_cosine_the_rate_stays() -> None:
    settings = TrainSettings(warmup=0.0, cosine=False)
    assert [schedule(step, 4, settings) for step in range(4)] == [1.0] * 4


def test_class_weights_by_hand() -> None:
    # 6 scans, 3 classes: 6 / (3 * 3), 6 / (3 * 2), 6 / (3 * 1)
    weights = class_weights(torch.tensor([0, 0, 0, 1, 1, 2]), 3)
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 1.0, 2.0]))


def _row(accuracy: float, loss: float) -> EpochRow:
    return EpochRow(1, "finetune", 0.0, 0.0, loss, accuracy, 0.0, 0.0, 1)


def test_patience_counts_from_the_best_epoch() -> None:
    rows = [_row(0.8, 0.5), _row(0.9, 0.6), _row(0.9, 0.5), _row(0.9, 0.5), _row(0.7, 0.1)]
    assert [stalled(rows[:n], 2) for n in range(6)] == [False, False, False, False, False, True]
    assert not stalled(rows, 3)
    assert not stalled(rows * 9, None)


def test_generators_differ_by_every_number() -> None:
    marks = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 1, 2)]
    draws = {tuple(torch.rand(4, generator=generator(*mark)).tolist()) for mark in marks}
    assert len(draws) == len(marks)
    assert torch.equal(torch.rand(4, generator=generator(3, 4)), torch.rand(4, generator=generator(3, 4)))


def test_measure_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
    loss, accuracy = measure(logits, torch.tensor([0, 2]))
    assert loss == pytest.approx((math.log(2) + math.log(10)) / 2, rel=1e-6)
    assert accuracy == 0.5
