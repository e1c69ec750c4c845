from __future__ import annotations

import numpy as np
import pytest

from whyscan.data.scan import Scan, content_hash
from whyscan.errors import BadInput, BadScan
from whyscan.explain.explain import explain
from whyscan.explain.games.occlusion import Occlusion, cover, leave_one_out, spread
from whyscan.models.blackbox import black_box
from whyscan.models.classifier import Classifier

NOISE = np.random.default_rng(0).random((1, 12, 12), np.float32)
SCAN = Scan(NOISE, content_hash(NOISE), label="left")


def halves(pixels: np.ndarray) -> np.ndarray:
    """Logits: the sum over the left half, and over the right half."""
    return np.stack([pixels[:, 0, :, :6].sum((1, 2)), pixels[:, 0, :, 6:].sum((1, 2))], 1)


def box(predict=halves) -> Classifier:
    return black_box(predict, ("left", "right"), 12, scores="logit")


def brute_force(window: int, stride: int, fill: float) -> np.ndarray:
    """The definition, window by window."""
    total, count = np.zeros((2, 12, 12)), np.zeros((12, 12))
    for top in range(0, 12, stride):
        for left in range(0, 12, stride):
            covered = np.repeat(NOISE[None], 3, 1)
            covered[..., top : top + window, left : left + window] = fill
            fall = halves(np.repeat(NOISE[None], 3, 1)) - halves(covered)
            total[:, top : top + window, left : left + window] += fall[0][:, None, None]
            count[top : top + window, left : left + window] += 1
            if left + window >= 12:
                break
        if top + window >= 12:
            break
    return total / count


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (4, 2), (5, 2), (5, 3), (3, 1), (12, 12), (7, 7)])
def test_it_is_what_a_loop_would_do(window: int, stride: int) -> None:
    (found,) = Occlusion(window, stride, fill=0.0)(box(), [SCAN])
    assert found.maps is not None
    np.testing.assert_allclose(found.maps, brute_force(window, stride, 0.0), atol=1e-4)
    assert found.targets == ("left", "right")
    assert found.signed


def test_a_contrast_is_the_difference_and_the_prediction_is_the_classifiers() -> None:
    (found,) = Occlusion(4, 2)(box(), [SCAN], ["left", "right", "left-right"])
    np.testing.assert_allclose(found.maps[2], found.maps[0] - found.maps[1], atol=1e-4)
    assert found.score == "logit"


def test_shares_are_of_the_shorter_side() -> None:
    (shares,) = Occlusion(1 / 3, 1 / 6)(box(), [SCAN])
    (whole,) = Occlusion(4, 2)(box(), [SCAN])
    np.testing.assert_array_equal(shares.maps, whole.maps)
    assert (shares.settings["window"], shares.settings["stride"]) == (4, 2)


def test_the_fall_of_the_probability() -> None:
    (found,) = Occlusion(6, 6, fill=0.0, score="probability")(box(lambda x: halves(x) / 20), [SCAN], "left")
    whole = box(lambda x: halves(x) / 20).predict(SCAN)[0]
    covered = NOISE.copy()
    covered[:, :6, :6] = 0
    fall = whole - box(lambda x: halves(x) / 20).predict(Scan(covered, ""))[0]
    np.testing.assert_allclose(found.maps[0, :6, :6], fall, atol=1e-6)


def test_black_windows_are_not_asked_about() -> None:
    pixels = NOISE.copy()
    pixels[:, :6] = 0
    asked = []

    def predict(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return halves(x)

    (found,) = Occlusion(3, 3, fill=0.0, engine="float32")(box(predict), [Scan(pixels, "")])
    assert found.evaluations == 1 + 8
    assert sum(asked) == 1 + 8
    assert not found.maps[:, :6].any()


@pytest.mark.parametrize("fill", ["mean", "blur", "noise", "inpaint"])
def test_every_fill_covers_each_window_by_itself(fill) -> None:
    pixels = np.repeat(NOISE, 3, 0)
    boards, coverage = cover(pixels, 4, 2, fill)
    assert len(boards) == 4
    assert sum(board.players for board in boards) == 25
    assert coverage.max() == 4
    assert coverage[0, 0] == 1
    scores = leave_one_out(halves, boards, {})
    falls = [halves(pixels[None]) - each for each in scores]
    first = pixels[None].copy()
    first[..., :4, :4] = boards[0].hidden[:, :4, :4]
    np.testing.assert_allclose(falls[0][0], (halves(pixels[None]) - halves(first))[0], atol=1e-4)
    assert spread(falls, boards, coverage).shape == (2, 12, 12)


def test_noise_is_another_with_another_seed(toy, scan) -> None:
    maps = [explain(toy, scan, Occlusion(fill="noise"), "glioma", seed=seed).maps for seed in (0, 0, 5)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert not np.allclose(maps[0], maps[2])


def test_progress_counts_all_windows() -> None:
    heard: list[tuple[int, int]] = []
    Occlusion(4, 4)(box(), [SCAN], progress=lambda what, done, total: heard.append((done, total)))
    assert heard[-1] == (9, 9)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_blank_scan_is_refused() -> None:
    with pytest.raises(BadScan, match="leaves the scan as it is"):
        Occlusion()(box(), [Scan(np.full((1, 12, 12), 0.5, np.float32), "")])


def test_a_score_that_does_not_move_is_said_to() -> None:
    (found,) = Occlusion(4, 4)(box(lambda x: np.tile([1.0, 2.0], (len(x), 1))), [SCAN])
    assert found.diagnosis == ("score hardly moves",) * 2
    assert not found.values.any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 0}, "window 0"),
        ({"window": 13}, "1 to 12 pixels"),
        ({"window": 1.5}, "window 1.5"),
        ({"window": 2, "stride": 3}, "without gaps"),
        ({"stride": True}, "stride True"),
        ({"fill": "grey"}, "fill 'grey'"),
    ],
)
def test_sizes_that_do_not_fit(settings, says) -> None:
    with pytest.raises(BadInput, match=says):
        Occlusion(**settings)(box(), [SCAN])


def test_the_door_passes_its_options_on() -> None:
    found = explain(box(), SCAN, "occlusion", fill=0.0, score="probability", engine="float32")
    assert (found.settings["fill"], found.score, found.engine) == (0.0, "probability", "torch float32")
