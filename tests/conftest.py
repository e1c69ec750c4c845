"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyscan.models import torchvision_shim

torchvision_shim.ensure()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real scans and weights that lie beside the checkout of a developer and of CI, not of a user."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"the real scans are not here: no folder {folder.name!r} beside the checkout")
    return folder
