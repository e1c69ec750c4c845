from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from whyscan.errors import BadInput, BadModel, BadScan
from whyscan.explain.games.perturb import Game, game, play

PIXELS = np.random.default_rng(0).random((3, 4, 4), np.float32)
QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((2, 2), int)).astype(np.int32)


def four() -> Game:
    return game(PIXELS, QUARTERS, 0.0)


def brightness(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean((2, 3))


@pytest.mark.parametrize("grey", [True, False])
def test_masking_is_what_a_loop_would_do(grey) -> None:
    segments = QUARTERS.copy()
    segments[0, 0] = -1
    pixels = np.broadcast_to(PIXELS[:1], PIXELS.shape) if grey else PIXELS
    board = game(pixels, segments, "mean")
    coalitions = np.random.default_rng(1).random((6, 4)) < 0.5
    masked = board.mask(coalitions)
    for m, coalition in enumerate(coalitions):
        for y in range(4):
            for x in range(4):
                label = segments[y, x]
                shown = label < 0 or coalition[label]
                expected = pixels[:, y, x] if shown else pixels[:, segments == label].mean(1)
                np.testing.assert_allclose(masked[m, :, y, x], expected, rtol=1e-6)
    assert masked.dtype == np.float32
    assert masked.flags.c_contiguous and masked.flags.writeable
    shown = np.where(segments < 0, True, coalitions[:, segments])[:, None]
    np.testing.assert_array_equal(masked, np.where(shown, pixels, board.hidden))


def test_a_grey_scan_behind_a_coloured_fill_is_masked_channel_by_channel() -> None:
    pixels = np.ascontiguousarray(np.broadcast_to(PIXELS[:1], PIXELS.shape))
    board = Game(pixels, 1 - PIXELS, QUARTERS)
    np.testing.assert_array_equal(board.mask(np.zeros((1, 4), bool))[0], 1 - PIXELS)
    np.testing.assert_array_equal(board.mask(np.ones((1, 4), bool))[0], pixels)


def test_what_the_fill_leaves_as_it_is_does_not_play() -> None:
    pixels = PIXELS.copy()
    pixels[:, :2, :2] = 0.001  # a black corner, with a trace of noise
    board = game(pixels, QUARTERS, 0.0)
    assert board.players == 3
    np.testing.assert_array_equal(board.segments[:2, :2], -1)
    np.testing.assert_array_equal(board.segments[2:, 2:], 2)
    pixels[0, 0, 0] = 1  # a marker in that corner
    assert game(pixels, QUARTERS, 0.0).players == 4


def test_a_blank_scan_has_nothing_to_hide() -> None:
    with pytest.raises(BadScan, match="something to hide"):
        game(np.full((3, 4, 4), 0.5, np.float32), QUARTERS, "mean")
    assert game(np.full((3, 4, 4), 0.5, np.float32), QUARTERS, 0.0).players == 4


def test_blur_keeps_the_mean_and_loses_detail() -> None:
    pixels = np.random.default_rng(0).random((3, 64, 64), np.float32)
    board = game(pixels, np.zeros((64, 64), np.int32), "blur")
    assert board.hidden.mean() == pytest.approx(pixels.mean(), rel=1e-2)
    assert board.hidden.std() < 0.3 * pixels.std()


@pytest.mark.parametrize("fill", ["nose", 2.0, -0.1])
def test_an_unknown_fill_is_refused(fill) -> None:
    with pytest.raises(BadInput, match="mean"):
        game(PIXELS, QUARTERS, fill)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_black_box_is_asked_once_for_each_coalition(batch) -> None:
    board, asked, heard = four(), [], []

    def predict(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return brightness(pixels)

    coalitions = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    memory: dict[bytes, np.ndarray] = {}
    scores = play(predict, board, coalitions, memory=memory, batch=batch, progress=lambda *said: heard.append(said[1:]))
    np.testing.assert_allclose(scores, brightness(board.mask(coalitions)), rtol=1e-6)
    assert sum(asked) == len(memory) == 3
    assert max(asked) <= batch
    assert heard[-1] == (3, 3)
    play(predict, board, ~coalitions, memory=memory, batch=batch)
    assert sum(asked) == len(memory) == 4  # only [1, 0, 1, 0] is new
    np.testing.assert_array_equal(play(predict, board, coalitions[::-1], memory=memory), scores[::-1])
    assert sum(asked) == 4


@pytest.mark.parametrize(
    "answer", [lambda pixels: brightness(pixels) * np.nan, lambda pixels: brightness(pixels)[:1], lambda pixels: 3.0]
)
def test_a_model_that_answers_nonsense_is_named(answer) -> None:
    with pytest.raises(BadModel, match="perturbed scans"):
        play(answer, four(), np.eye(4, dtype=bool))


def test_an_interruption_keeps_what_was_judged() -> None:
    memory: dict[bytes, np.ndarray] = {}

    def predict(pixels: np.ndarray) -> np.ndarray:
        if len(memory) == 2:
            raise KeyboardInterrupt
        return brightness(pixels)

    with pytest.raises(KeyboardInterrupt):
        play(predict, four(), np.eye(4, dtype=bool), memory=memory, batch=2)
    assert len(memory) == 2


def test_nothing_is_left_running_after_an_interruption() -> None:
    before, asked = threading.active_count(), []

    def predict(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        play(predict, four(), np.eye(4, dtype=bool), batch=1)
    # even while the traceback, and with it every frame, is still held on to
    assert caught.tb is not None
    assert (asked, threading.active_count()) == ([1], before)


_PRESSED = """
import os, signal, sys, threading, time
import numpy as np
from whyscan.explain.games.perturb import game, play

judged = 0
def predict(pixels):
    global judged
    judged += 1
    time.sleep(0.02)
    return pixels.mean((2, 3))

segments = np.arange(4096, dtype=np.int32).reshape(64, 64) // 128
board = game(np.random.default_rng(0).random((3, 64, 64), np.float32), segments, 0.0)
# what is started in the background ignores Ctrl-C, and so do its children
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
memory = {}
try:
    play(predict, board, np.random.default_rng(0).random((20000, board.players)) < 0.5, memory=memory, batch=2)
except KeyboardInterrupt:
    assert judged < 1000 and 2 * (judged - 1) <= len(memory) <= 2 * judged
    assert all(scores.shape == (3,) for scores in memory.values())
    sys.exit(7)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_stops_at_once_and_the_process_ends() -> None:
    done = subprocess.run([sys.executable, "-c", _PRESSED], timeout=60, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
