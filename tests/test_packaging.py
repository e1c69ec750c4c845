"""One version everywhere, and a tested version for everything that is installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import whyscan

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    requirement
    for text in [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    if (requirement := Requirement(text)).name != "whyscan"
]


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([\w.-]+)==([\w.!]+)", line) for line in lines]
    assert all(pairs), "constraints.txt holds exact versions without local build tags, and nothing else"
    return {canonicalize_name(pair[1]): pair[2] for pair in pairs if pair}


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert PROJECT["version"] == whyscan.__version__ == cited[1]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_requirement_has_a_tested_version(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_torch_and_torchvision_are_the_pair_that_was_tested() -> None:
    assert (pins()["torch"], pins()["torchvision"]) == ("2.13.0", "0.28.0")


def test_nothing_of_cuda_is_pinned() -> None:
    assert [name for name in pins() if re.match(r"nvidia|cuda|triton", name)] == []


def test_the_licence_is_what_the_project_says() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()
