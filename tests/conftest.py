"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from whyscan.data.phantom import write_phantoms
from whyscan.models import torchvision_shim

torchvision_shim.ensure()
# a shared machine pauses when it likes: how long one example took says nothing about the code
hypothesis.settings.register_profile("whyscan", deadline=None)
hypothesis.settings.load_profile("whyscan")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real scans and weights that lie beside the checkout of a developer and of CI, not of a user."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"the real scans are not here: no folder {folder.name!r} beside the checkout")
    return folder


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set on disk: four classes, 14 training and 4 test phantoms of each at 64 pixels, with lesion masks."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(folder, per_class=14, test_per_class=4, size=64, seed=0)
    return folder
