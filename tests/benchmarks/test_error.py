"""The benchmark of error: its references are right, its peers are judged by what they estimate, its tables add up."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from whyscan.explain.games.hierarchy import hierarchy
from whyscan.explain.games.lime import LIME, kernel, lime_weights
from whyscan.explain.games.perturb import game
from whyscan.explain.games.sampling import draw
from whyscan.explain.games.segments import Superpixels, segment
from whyscan.explain.games.shap import SHAP
from whyscan.records import files

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PLAYERS = 12


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import error_reference

    return error_reference


@pytest.fixture
def scan(reference: ModuleType):
    """Twelve superpixels, two classes, every pair of superpixels interacts a little."""
    random = np.random.default_rng(0)
    pixels = random.random((3, 24, 32), np.float32)
    board = game(pixels, segment(pixels, Superpixels("grid", PLAYERS)))
    assert board.players == PLAYERS
    filters = random.normal(size=(2, 3, 24, 32)).astype(np.float32)

    def predict(images: np.ndarray) -> np.ndarray:
        return np.tanh(np.einsum("mchw,tchw->mt", images**2, filters) / 6).astype(np.float32)

    plan = draw(PLAYERS, measures(), 3000, 1)
    assert not plan.complete
    return reference.Judged(board, hierarchy(board.pixels, board.segments), plan, predict, {})


def measures() -> list[np.ndarray]:
    return [LIME().sizes(PLAYERS), SHAP().sizes(PLAYERS)]


def test_the_reference_agrees_with_all_coalitions(reference: ModuleType, scan) -> None:
    found = reference.truth(scan, "logit")
    whole = draw(PLAYERS, measures(), 2**PLAYERS, 0)
    assert whole.complete
    scores = scan.scores(whole.coalitions, "logit")
    for name, method in (("lime", LIME()), ("shap", SHAP())):
        exact, half = method.regress(whole, scores).weights, found[f"{name}, half width"]
        assert half.max() < 0.1 * np.abs(exact).max()
        assert (np.abs(found[name] - exact) <= half).mean() > 0.85
    nearness = kernel(whole.coalitions.sum(1).astype(float), PLAYERS, 0.25) / 2**PLAYERS
    everybody = whole.coalitions.all(1)
    for name, weights in (("lime of 100", 99 * nearness + everybody), ("captum of 100", 100 * nearness)):
        exact = lime_weights(whole.coalitions, scores, weights)
        np.testing.assert_allclose(found[name], exact, atol=0.03 * np.abs(exact).max())
    # the game's Owen values add up as its Shapley values do
    np.testing.assert_allclose(found["owen"].sum(1), scores[0] - scores[1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["lime", "captum Lime", "shap Kernel", "captum KernelShap", "shap Partition"])
def test_each_peer_nears_what_it_is_judged_against(reference: ModuleType, scan, name: str) -> None:
    pytest.importorskip(name.split()[0], reason="extra: oracles")
    import error_measure

    truth = reference.truth(scan, "probability")
    peer = error_measure.PEERS[name]
    judge = partial(scan.scores, score="probability")
    np.random.seed(3)  # noqa: NPY002 - the peers must not move the global generator
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    found = peer.run(judge, scan.tree, 1000, 0)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    for mine, true in zip(found, truth[peer.estimand.format(n=1000)], strict=True):
        beside = error_measure.beside(mine, true)
        assert beside["error"] < 0.2
        assert beside["spearman"] > 0.8


def test_ways_of_drawing_are_laid_side_by_side(reference: ModuleType, scan, monkeypatch: pytest.MonkeyPatch) -> None:
    import error_sampling

    assert reference
    monkeypatch.setattr(error_sampling, "BUDGETS", (50, 100))
    monkeypatch.setattr(error_sampling, "SEEDS", (0,))
    found = error_sampling.errors(scan)
    key = ("regression", error_sampling.KERNEL)
    other = {(*key, n): found[*key, n] * 2 for n in (50, 100)}
    medians, ratios = error_sampling.tables([found, {**found, **other}]).split("\n\n")
    assert len(medians.splitlines()) == 2 + sum(map(len, error_sampling.WAYS.values()))
    assert len(ratios.splitlines()) == 2 + len(error_sampling.PAIRS)
    own = np.log(found["regression", error_sampling.LEVERAGE, 100] / found[*key, 100]).mean()
    assert f"{np.exp(own - np.log(2) / 2):.2f} [" in ratios.splitlines()[2]  # halved in one of two scans


def test_what_was_judged_is_kept_and_found_again(reference: ModuleType, scan, tmp_path: Path) -> None:
    planned = {row.tobytes() for row in scan.plan.coalitions}
    coalitions = np.random.default_rng(1).random((50, PLAYERS)) < 0.5
    coalitions = np.array([row for row in coalitions if row.tobytes() not in planned])
    assert len(coalitions) > 5
    scores = scan.scores(coalitions, "logit")
    reference.keep(tmp_path / "more.npz", scan)

    def refuse(images: np.ndarray) -> np.ndarray:
        raise AssertionError("judged twice")

    again = reference.Judged(scan.board, scan.tree, scan.plan, refuse, {})
    reference.remember(tmp_path / "more.npz", again)
    np.testing.assert_array_equal(again.scores(coalitions, "logit"), scores)


def test_where_a_curve_comes_down_to_an_error(reference: ModuleType) -> None:
    import error_stats

    # the error halves where evaluations are doubled or so: 0.8, 0.4, ..., 0.025
    curve = {n: [np.array([0.8 / 2**i])] for i, n in enumerate(error_stats.BUDGETS)}
    assert error_stats.needed(curve, 0.2) == (pytest.approx(200), 0)
    assert error_stats.needed(curve, 0.8 / 2**0.5) == (pytest.approx((50 * 100) ** 0.5), 0)
    assert error_stats.needed(curve, 0.9) == (50, -1)
    assert error_stats.needed(curve, 0.001) == (2000, 1)


def test_tables_are_put_between_their_marks(reference: ModuleType, tmp_path: Path) -> None:
    import error_summary

    page = tmp_path / "page.md"
    begin, end = (f"<!-- {word}: benchmarks/error.py, auto -->" for word in ("begin", "end"))
    files.write_text(page, f"before\n{begin}\nold\n{end}\nafter\n")
    error_summary._put(page, "auto", "new")
    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"


def test_sure_signs_and_tied_superpixels(reference: ModuleType) -> None:
    import error_auto

    from whyscan.explain.games.estimate import TOGETHER, Fitted

    def fitted(weights: list[float], half: float) -> Fitted:
        array = np.array([weights])
        return Fitted(array, np.stack([array - half, array + half], -1), {TOGETHER: (2.0,)})

    first = fitted([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, -1.0], 0.4)
    second = fitted([9.0, 8.0, 7.0, 6.0, 4.0, 5.0, -1.0], 0.4)
    # 4 of 5 are the same; the fifth misses the other's by 1, and sqrt(2) * 0.4 < 1: no tie
    found = error_auto._overlap(first, second, 0)
    assert found == {"top5": 0.8, "top5_ties": 0.8, "top5_near": 0.8}
    wide = fitted([9.0, 8.0, 7.0, 6.0, 4.0, 5.0, -1.0], 0.8)
    assert error_auto._overlap(first, wide, 0)["top5_ties"] == 1.0
    # widened by 2, the interval of -1 +- 0.8 holds 0
    assert error_auto._excludes_zero(first).tolist() == [[True] * 7]
    assert error_auto._excludes_zero(wide).tolist() == [[True] * 6 + [False]]
