"""The documentation says what is there: examples run, options are described, links and paths lead somewhere."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from whyscan.cli.main import app
from whyscan.explain.methods import METHODS
from whyscan.models import checkpoint
from whyscan.models.backbones import build

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language, also those that are indented in a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def section(page: Path, heading: str) -> str:
    """What stands between `## heading` and the next heading of that level; "" if there is no such heading."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.DOTALL | re.MULTILINE)
    return found.group(1) if found else ""


def test_the_readme_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks(ROOT / "README.md", "python")
    (folder,) = re.findall(r'load\("(.+?)"\)', example)
    (image,) = re.findall(r'read_scan\("(.+?)"', example)
    classes = ("glioma", "meningioma", "no_tumor", "pituitary")
    checkpoint.save(build("mobilenetv2_035", "none", classes, input_size=32, seed=1), tmp_path / folder)
    (tmp_path / image).parent.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48), np.uint8)).save(tmp_path / image)

    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})

    assert (tmp_path / "lime.png").stat().st_size > 0
    assert (tmp_path / "lime.npz").stat().st_size > 0
    said = capsys.readouterr().out
    assert "True: glioma, predicted: " in said
    assert "(1, 40, 48)" in said
    assert len([line for line in example.splitlines() if line and not line.startswith("#")]) <= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert answer.output.startswith(f"Usage: whyscan {command}") or f"{command} [OPTIONS]" in answer.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_its_place_in_the_docs(command: str) -> None:
    text = section(ROOT / "docs/reference/cli.md", command)
    assert text, f"docs/reference/cli.md has no section '## {command}'"
    assert f"whyscan {command}" in text
    parameters = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    options = {name for parameter in parameters for name in parameter.opts if name.startswith("--")}
    missing = sorted(
        name for name in options if f"`{name}" not in text and f"{name}]" not in text and f"{name} " not in text
    )
    assert not missing, f"the section of {command} does not mention {', '.join(missing)}"


def test_the_docs_describe_no_command_that_is_gone() -> None:
    described = re.findall(r"^## ([a-z]+)$", (ROOT / "docs/reference/cli.md").read_text(), re.MULTILINE)
    assert sorted(described) == COMMANDS


def relative_links(page: Path) -> Iterator[str]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    broken = [target for target in relative_links(page) if not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_examples_are_python(page: Path) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)


@pytest.mark.parametrize(
    "page",
    [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/contributing").glob("*.md"))],
    ids=lambda page: page.stem,
)
def test_the_pages_for_contributors_name_files_that_exist(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_make_targets_that_the_docs_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_ci_can_be_started() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_design_lists_the_modules_that_exist() -> None:
    tree = re.search(r"^src/whyscan/\n(.*?)^tests/", (ROOT / "docs/design.md").read_text(), re.DOTALL | re.MULTILINE)
    assert tree is not None
    listed, folder, planned = set(), "", False
    for line in tree[1].splitlines():
        start = re.match(r"  (\w+/|\w+\.py)\s", line)
        if start and start[1].endswith(".py"):
            listed.add(start[1])
            continue
        if start:
            folder, planned, line = start[1], False, line[start.end() :]
        for word in line.split():
            planned = planned or word == "planned:"
            if word.endswith(".py") and not planned:
                listed.add(folder + word)
    source = ROOT / "src/whyscan"
    there = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert listed - there == set(), "listed as if they were there"
    assert {path for path in there - listed if not path.endswith("/__init__.py")} == set(), "there, but not listed"


@pytest.mark.parametrize("method", [*METHODS, "consensus"])
def test_every_method_has_its_page(method: str) -> None:
    page = ROOT / f"docs/methods/{method}.md"
    title = METHODS[method].title if method in METHODS else "Consensus"
    assert page.read_text().startswith(f"# {title}\n")
    for heading in ("Equation", "Cost", "Picture", "When not to use it"):
        assert len(section(page, heading).split()) > 5, heading
    assert (f"--method {method} " if method in METHODS else "--consensus ") in page.read_text()
    for picture in re.findall(r"!\[.+?\]\((.+?)\)", section(page, "Picture")):
        assert 0 < (page.parent / picture).stat().st_size < 60 * 1024
    overview = (page.parent / "index.md").read_text()
    assert f"| [{method}]({method}.md)" in overview


def test_no_method_has_a_page_that_is_gone() -> None:
    pages = {page.stem for page in (ROOT / "docs/methods").glob("*.md")} - {"index"}
    assert pages == {*METHODS, "consensus"}


def test_the_overview_names_every_method_for_a_service_that_only_answers() -> None:
    (row,) = (line for line in (ROOT / "docs/methods/index.md").read_text().splitlines() if "a service" in line[:40])
    assert set(re.findall(r"\[(\w+)\]", row)) == {name for name, method in METHODS.items() if not method.white_box}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    sorted([*(ROOT / "docs/methods").glob("*.md"), *(ROOT / "docs/migrate").glob("*.md")]),
    ids=lambda page: f"{page.parent.name}/{page.stem}",
)
def test_the_examples_of_the_methods_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n".join(blocks(page, "python"))
    small = build("mobilenetv2_035", "none", ("glioma", "meningioma", "no_tumor", "pituitary"), input_size=64, seed=1)
    checkpoint.save(small, tmp_path / "runs/first/models/mobilenetv2_100")
    for seed, name in enumerate(("slice.png", "healthy.png")):
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 48), np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {})
