"""Localisation and tissue of a whole case: every metric of the tables, with a real explanation of a phantom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyscan.data.head import find_head
from whyscan.data.phantom import phantom
from whyscan.explain.explain import explain
from whyscan.models.backbones import build
from whyscan.trust import localisation, tissue
from whyscan.trust.case import Case
from whyscan.trust.inside import MEASURES

CLASSES = ("glioma", "meningioma", "no_tumor", "pituitary")


@pytest.fixture(scope="module")
def case() -> Case:
    scan = phantom("meningioma", size=96, seed=3)
    classifier = build("test_efficientnet", "none", CLASSES, input_size=48, seed=0)
    attribution = explain(classifier, scan, "saliency", "predicted")
    return Case(classifier, scan, attribution, attribution.predicted, lambda *_: attribution, head=find_head(scan).head)


def test_every_metric_answers_and_has_a_title(case: Case) -> None:
    for name, metric in {**localisation.METRICS, **tissue.METRICS}.items():
        assert metric.__doc__ and len(metric.__doc__.splitlines()[0]) < 115
        found = metric(case)
        assert (found.value is not None and 0 <= found.value <= 1) or name == "negative in lesion", name
    assert localisation.METRICS["negative in lesion"](case).status in ("measured", "skipped")


def test_tissues_of_a_case_add_up_to_one(case: Case) -> None:
    assert sum(metric(case).value or 0 for metric in tissue.METRICS.values()) == pytest.approx(1)
    blind = replace(case, scan=replace(case.scan, region=None))
    assert tissue.METRICS["tissue: tumour"](blind).status == "skipped"
    assert sum(metric(blind).value or 0 for metric in tissue.METRICS.values()) == pytest.approx(1)


def test_the_cases_own_head_is_the_head(case: Case) -> None:
    everywhere = replace(case, head=np.ones(case.values.shape, bool))
    assert tissue.METRICS["tissue: background"](everywhere).value == 0


@pytest.mark.parametrize("name", MEASURES)
def test_inside_the_head_is_another_question(case: Case, name: str) -> None:
    assert localisation.in_head(case, name).status == localisation.localise(name, case.values, case.scan.region).status
    assert localisation.in_head(replace(case, head=None), name).reason == "it is not known where the head is"
