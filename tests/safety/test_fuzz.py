"""A mutated file ends in a named error or in something that works: never in a crash, a hang or a full memory."""

from __future__ import annotations

from pathlib import Path

import fuzz
import mutations
import numpy as np
import pytest
import seeds

pytestmark = pytest.mark.timeout(900)


@pytest.mark.slow
def test_a_thousand_mutated_files_are_refused_or_opened() -> None:
    outcomes = fuzz.run(1000, seed=20261124)
    failures = [each for each in outcomes if each.failed]
    assert not failures, "\n".join(f"{each.word} {each.kind} {each.number}: {each.detail}" for each in failures)
    words = {(each.kind, each.word) for each in outcomes}
    assert {kind for kind, word in words if word == "refused"} == set(seeds.KINDS), fuzz.summary(outcomes)


def test_every_valid_file_opens(tmp_path: Path) -> None:
    folder = tmp_path
    for kind, path in seeds.make(folder).items():
        assert seeds.open_file(kind, path) == "opened", kind


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("crashed", "import os; os.abort()"),
        pytest.param("hung", "import time; time.sleep(900)", marks=pytest.mark.slow),
        pytest.param("hung", "while True: pass", marks=pytest.mark.slow),
        ("raised", "raise KeyError('not an error of ours')"),
        ("memory", "import numpy; data = numpy.ones(150_000_000)"),
        ("refused", "from whyscan.errors import BadModel; raise BadModel('a', 'b', 'c')"),
    ],
)
def test_the_fuzzer_sees_a_reader_that_fails(
    word: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    stand_in = folder / "worker.py"
    original = Path(fuzz.__file__).with_name("worker.py").read_text()
    # the worker as it is, with a reader that does what the name says
    patched = original.replace(
        "import seeds\n", f"import sys; sys.path.insert(0, {str(Path(fuzz.__file__).parent)!r}); import seeds\n"
    )
    patched = patched.replace(
        'answer["outcome"] = seeds.open_file(kind, Path(path))', f'exec({code!r}); answer["outcome"] = "opened"'
    )
    stand_in.write_text(patched)
    monkeypatch.setattr(fuzz, "__file__", str(folder / "fuzz.py"))
    monkeypatch.setattr(fuzz, "WALL_S", 30.0)
    monkeypatch.setattr(fuzz, "LIMIT_S", 10.0)
    valid = seeds.make(folder / "valid", ["png"])
    worker = fuzz.Worker(folder / "valid")
    try:
        assert worker.ask("png", 0, valid["png"]).word == word
    finally:
        worker.stop()


def test_a_mutation_is_the_same_for_the_same_seed_and_another_for_another(tmp_path: Path) -> None:
    valid = seeds.make(tmp_path, ["keras"])["keras"]
    found = [fuzz.mutated(valid, "keras", number, 1) for number in range(20)]
    assert found == [fuzz.mutated(valid, "keras", number, 1) for number in range(20)]
    assert len(set(found)) == 20
    assert all(each != valid.read_bytes() for each in found)


def test_members_of_archives_are_mutated_behind_right_checksums(tmp_path: Path) -> None:
    import io
    import zipfile

    data = seeds.make(tmp_path, ["keras"])["keras"].read_bytes()
    whole = 0
    for number in range(60):
        try:
            with zipfile.ZipFile(io.BytesIO(mutations.mutate(data, np.random.default_rng(number)))) as archive:
                whole += archive.testzip() is None
        except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError):
            continue
    assert whole >= 20
