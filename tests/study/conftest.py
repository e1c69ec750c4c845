"""One small study that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyscan import api
from whyscan.records.run import Run


@pytest.fixture(scope="session")
def tiny_plans() -> tuple[api.Plan, ...]:
    """Two tiny networks: one with a head on frozen random features, one that learns a little."""
    base = api.TrainSettings(recipe="frozen", epochs=3, batch=16, input_size=64, weak_target=0.3)
    return api.plans(
        ["test_resnet=none", "test_efficientnet=none"], base, overrides={"test_efficientnet": {"epochs": 1}}
    )


@pytest.fixture(scope="session")
def quick_settings() -> api.StudySettings:
    return api.StudySettings(evaluations=60, located=6)


@pytest.fixture(scope="session")
def studied(
    phantoms: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_plans: tuple[api.Plan, ...],
    quick_settings: api.StudySettings,
) -> Run:
    return api.study(phantoms, tmp_path_factory.mktemp("runs") / "run", chosen=tiny_plans, settings=quick_settings)
