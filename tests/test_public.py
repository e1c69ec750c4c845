"""What `import whyscan` gives: every public name, whatever was imported before, and nothing more than asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

import whyscan


def run(code: str) -> None:
    """In a process of its own, because what is asked for is what the first import does."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_import_alone_loads_neither_torch_nor_the_api() -> None:
    run("import sys, whyscan; assert not {'torch', 'numpy', 'matplotlib', 'whyscan.api'} & set(sys.modules)")


def test_a_command_does_not_wait_for_what_only_some_commands_need() -> None:
    heavy = "{'matplotlib', 'scipy.stats', 'jinja2', 'torchvision', 'timm', 'openvino', 'onnx', 'highdicom'}"
    run(f"import sys, whyscan.cli.main, whyscan.api; assert not {heavy} & set(sys.modules)")


@pytest.mark.parametrize("first", ["", "whyscan.explain.cams.gradcam, whyscan.report.page, whyscan.study.run"])
def test_verbs_are_functions_whatever_was_imported_first(first: str) -> None:
    before = f"import {first}\n" if first else ""
    run(
        f"{before}import whyscan, types\n"
        "for _ in range(2):\n"
        "    for verb in ('audit', 'train', 'compare', 'explain', 'report', 'study', 'demo', 'load', 'read_scan'):\n"
        "        assert isinstance(getattr(whyscan, verb), types.FunctionType), verb\n"
        "from whyscan.explain.cams import gradcam\n"
        "assert isinstance(gradcam, types.ModuleType)\n"
    )


def test_every_public_name_is_there() -> None:
    from whyscan import api

    assert {name for name in api.__all__ if getattr(whyscan, name) is not getattr(api, name)} == set()
    assert set(dir(whyscan)) == {"__version__", *api.__all__}


@pytest.mark.parametrize("name", ["explian", "_hidden"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(whyscan, name)


def test_the_settings_of_every_method_are_public() -> None:
    from whyscan.explain.methods import METHODS

    for method in METHODS.values():
        assert getattr(whyscan, method.explainer.__name__) is method.explainer


def test_every_public_name_has_its_reference() -> None:
    from whyscan import api

    page = (Path(__file__).parents[1] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    listed = {resolve_name(f"{path.rpartition('.')[0]}:{path.rpartition('.')[2]}") for path in
              re.findall(r"^::: (whyscan\.[\w.]+\.\w+)$", page, re.MULTILINE) if path != "whyscan.errors"}  # fmt: skip
    assert {name for name in api.__all__ if getattr(api, name) not in listed} == set()
