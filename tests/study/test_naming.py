from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyscan.errors import BadData
from whyscan.study.naming import in_the_datas_names

OURS = ("glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor")


@pytest.mark.parametrize(
    "theirs",
    [
        ("glioma", "meningioma", "notumor", "pituitary"),
        ("Glioma Tumour", "Meningioma Tumour", "Healthy", "Pituitary Tumour"),
        ("GLIOMA", "méningioma", "normal", "pituitary-tumor"),
        OURS,
    ],
)
def test_one_class_by_two_names(theirs: tuple[str, ...]) -> None:
    for order in itertools.permutations(range(4)):
        found = in_the_datas_names([theirs[i] for i in order], OURS, "m")
        assert found == tuple(OURS[i] for i in order)


def test_a_tumor_is_not_no_tumor() -> None:
    assert in_the_datas_names(("tumor", "no"), ("no_tumor", "tumor"), "m") == ("tumor", "no_tumor")
    assert in_the_datas_names(("yes", "no"), ("no", "yes"), "m") == ("yes", "no")
    with pytest.raises(BadData, match="tumor"):
        in_the_datas_names(("tumor", "healthy"), ("yes", "no"), "m")


@pytest.mark.parametrize(
    "theirs",
    [
        ("glioma", "meningioma", "notumor"),
        ("glioma", "meningioma", "notumor", "pituitary", "other"),
        ("glioma", "meningioma", "notumor", "metastasis"),
        ("glioma", "Glioma", "notumor", "pituitary"),
        ("normal", "meningioma", "notumor", "pituitary"),
    ],
)
def test_other_classes_are_refused_with_both_lists(theirs: tuple[str, ...]) -> None:
    with pytest.raises(BadData) as caught:
        in_the_datas_names(theirs, OURS, "mine")
    assert ", ".join(theirs) in caught.value.came and "mine" in caught.value.came
    assert ", ".join(OURS) in caught.value.expected


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=5, unique=True))
def test_names_that_are_the_same_stay_whatever_they_are(names: list[str]) -> None:
    assert in_the_datas_names(names[::-1], names, "m") == tuple(names[::-1])
