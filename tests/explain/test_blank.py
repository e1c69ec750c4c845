from __future__ import annotations

import torch

from whyscan.explain.blank import EPS, WORDS, diagnose, diagnose_guided, diagnose_product, diagnose_recipe

ONE, NONE = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
RAMP = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])


def test_every_reason_for_a_blank_map_has_its_word() -> None:
    assert diagnose(ONE[0], ONE, ONE) == "there"
    assert diagnose(-ONE[0], ONE, ONE) == "negative everywhere"
    assert diagnose(NONE[0], NONE, ONE) == "dead activation"
    assert diagnose(NONE[0], ONE, NONE) == "no gradient"
    assert diagnose(NONE[0] + 1e-40, ONE, ONE) == "below float resolution"
    # LayerCAM and its like drop negative gradients before they sum, so that nothing negative is left to be seen
    assert diagnose(NONE[0], ONE, -ONE) == "negative everywhere"


def test_without_a_gradient() -> None:
    assert diagnose(NONE[0], NONE) == "dead activation"
    assert diagnose(NONE[0], ONE) == "constant activation"
    assert diagnose(NONE[0], RAMP) == "below float resolution"


def test_products_that_cancel_leave_rounding_only() -> None:
    activation, gradient = torch.cat([ONE, ONE]), torch.cat([ONE, -ONE])
    assert diagnose_product(1e-7 * ONE[0], activation, gradient) == "below float resolution"
    assert diagnose_product(1e-2 * ONE[0], activation, gradient) == "there"
    assert diagnose_product(-ONE[0], activation, gradient) == "negative everywhere"


def test_the_recipes_sum_is_there_if_it_has_a_range_whatever_its_sign() -> None:
    assert diagnose_guided(RAMP[0] - 9, ONE, ONE) == "there"
    assert diagnose_guided(NONE[0], -ONE, ONE) == "dead activation"  # nothing is active: A > 0 nowhere
    assert diagnose_guided(NONE[0], ONE, NONE) == "no gradient"
    assert diagnose_guided(NONE[0], ONE, -ONE) == "negative everywhere"


def test_what_the_recipes_scaling_leaves() -> None:
    assert diagnose_recipe("there", span=1.0, factor=0.2) == "there"
    assert diagnose_recipe("there", span=1.0, factor=EPS) == "there"  # exactly eps: half as bright as it should be
    assert diagnose_recipe("there", span=1.0, factor=EPS / 2) == "softmax saturated"
    assert diagnose_recipe("there", span=1.0, factor=0.0) == "softmax saturated"
    assert diagnose_recipe("there", span=EPS / 2, factor=0.2) == "below eps"
    assert diagnose_recipe("dead activation", span=0.0, factor=0.2) == "dead activation"


def test_the_words_are_all_different() -> None:
    assert len(set(WORDS)) == len(WORDS)
