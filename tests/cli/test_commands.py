"""The command line: help, one JSON document, named errors, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from whyscan.cli.main import COMMANDS, app
from whyscan.errors import BadInput

runner = CliRunner()


@pytest.mark.parametrize("command", [command.__name__ for command in COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys\nfrom whyscan.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert 'torch' not in sys.modules, 'help loads torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_version_is_the_packages() -> None:
    import whyscan

    assert runner.invoke(app, ["--version"]).stdout.strip() == whyscan.__version__


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["audit", "{tmp}/nowhere", "--out", "{tmp}/run"], "BadData"),
        (["report", "{tmp}/nowhere"], "BadRun"),
        (["compare", "{tmp}/nowhere"], "BadRun"),
        (["train", "{phantoms}", "--out", "{tmp}/run"], "BadInput"),
        (
            ["train", "{phantoms}", "--out", "{tmp}/run", "--backbone", "mobilenetv2_035", "--epochs", "soon"],
            "BadInput",
        ),
        (["study", "{phantoms}", "--out", "{tmp}/run", "--model", "best"], "BadInput"),
        (["explain", "{tmp}/nowhere", "{tmp}/x.png", "--out", "{tmp}/o"], "BadModel"),
        (["explain", "{tmp}/nowhere", "{tmp}/x.png", "--out", "{tmp}/o", "--method", "tarot"], "BadTarget"),
    ],
)
def test_bad_input_is_a_named_error_with_an_exit_code(
    arguments: list[str], error: str, tmp_path: Path, phantoms: Path
) -> None:
    filled = [each.format(tmp=tmp_path, phantoms=phantoms) for each in arguments]
    result = runner.invoke(app, [*filled, "--json"])
    assert result.exit_code in (2, 3), result.output
    document = json.loads(result.stdout)
    assert document["error"] == error
    assert document["came"] and document["expected"] and document["mend"]
    assert error in result.stderr
    assert not (tmp_path / "run" / "models").exists()


def test_audit_prints_one_json_document_and_nothing_else(phantoms: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["audit", str(phantoms), "--out", str(tmp_path / "run"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "run" / "audit" / "audit.json").read_text())
    assert (tmp_path / "run" / "splits.csv").is_file()


def test_a_run_folder_is_not_overwritten_by_mistake(phantoms: Path, tmp_path: Path) -> None:
    arguments = ["audit", str(phantoms), "--out", str(tmp_path / "run")]
    assert runner.invoke(app, arguments).exit_code == 0
    again = runner.invoke(app, arguments)
    assert again.exit_code == 3
    assert "--resume" in again.stderr
    assert runner.invoke(app, [*arguments, "--resume"]).exit_code == 0


@pytest.mark.parametrize("command", ["audit", "train", "compare", "study", "demo", "explain"])
def test_a_negative_seed_is_refused(command: str, tmp_path: Path) -> None:
    place = [] if command in ("compare", "demo") else ["--out", str(tmp_path / "o")]
    words = {"demo": [], "explain": ["m", "x.png"]}.get(command, ["d"])
    result = runner.invoke(app, [command, *words, *place, "--seed", "-1"])
    assert result.exit_code == 2 and "--seed" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse or translate such names")
def test_an_audit_of_names_that_are_not_utf8_ends_well(phantoms: Path, tmp_path: Path) -> None:
    data = tmp_path / os.fsdecode(b"se\xf1al")
    shutil.copytree(phantoms, data)
    scan = next(data.rglob("Training/glioma/*.png"))
    scan.rename(scan.with_name(os.fsdecode(b"\xff.png")))
    scan.with_name(os.fsdecode(b"\xfe.png")).write_bytes(b"")
    result = runner.invoke(app, ["audit", str(data), "--out", str(tmp_path / "run"), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["name"] == "se\\udcf1al"
    assert [each["path"] for each in found["unreadable"]] == ["Training/glioma/\\udcfe.png"]
    assert "Training/glioma/\\udcff.png," in (tmp_path / "run" / "splits.csv").read_text()


def test_the_doctor_asks_a_service_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Authorization"])
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
            content = json.dumps({"predictions": [[0.25, 0.75]] * len(rows)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MODEL_KEY", "Bearer s3cret")
    try:
        url = f"http://127.0.0.1:{server.server_port}/predict"
        told = ["--classes", "a,b", "--input-size", "8", "--protocol", "tf-serving"]
        key = ["--header-from-env", "Authorization=MODEL_KEY"]
        result = runner.invoke(app, ["doctor", url, *told, *key, "--out", str(tmp_path), "--json"])
    finally:
        server.shutdown()
        server.server_close()
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["model"]
    assert found["name"] == "127.0.0.1" and found["blank_answer"] == pytest.approx([0.25, 0.75], abs=1e-4)
    assert set(keys) == {"Bearer s3cret"}
    assert "s3cret" not in result.output + "".join(path.read_text() for path in tmp_path.iterdir())


def test_an_error_of_a_file_names_the_shells_option_and_has_no_double_dot(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(2, 3)}, tmp_path / "r.safetensors")
    result = runner.invoke(app, ["doctor", str(tmp_path / "r.safetensors")])
    assert result.exit_code == 2 and "(--backbone resnet50;" in result.stderr and ".." not in result.stderr
    result = runner.invoke(app, ["doctor", "http://127.0.0.1:9/predict"])
    assert result.exit_code == 2 and "(--classes a,b)" in result.stderr and ".." not in result.stderr
    assert str(BadInput("x...", "y", "z.")) == "x... Expected: y. To mend it: z."
