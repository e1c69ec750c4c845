"""Models that a run does not hold: a function and a service are lent to `trust` again, and known by their answers."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whyscan import api
from whyscan.cli.main import app
from whyscan.data.catalogue import open_catalogue
from whyscan.errors import BadInput, BadModel
from whyscan.models.classifier import Classifier
from whyscan.records.run import Run
from whyscan.study.given import Given
from whyscan.study.lending import read_lent

SETTINGS = api.StudySettings(evaluations=50, located=2)
QUICK = {"scans": 4, "layered": 2, "faithful": 1, "sturdy": 1, "wide": 4, "evaluations": 50}


def answers(pixels: np.ndarray, tilt: float = 0.0) -> np.ndarray:
    """By how bright each of four bands of the scan is."""
    bands = pixels[:, 0].reshape(len(pixels), 4, -1).mean(2) + 0.05
    bands[:, 0] += tilt
    return np.asarray(bands / bands.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            pixels = np.load(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
            content = io.BytesIO()
            np.save(content, answers(pixels).astype(np.float32))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content.getvalue())))
            self.end_headers()
            self.wfile.write(content.getvalue())

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/predict"
    server.shutdown()
    server.server_close()


def box(classes: tuple[str, ...], tilt: float = 0.0) -> Classifier:
    return api.black_box(lambda pixels: answers(pixels, tilt), classes, 64)


@pytest.fixture(scope="module")
def run(phantoms: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    classes = open_catalogue(phantoms).classes
    assert len(classes) == 4
    models = {"function": box(classes, 0.02), "service": Given(address, {"input_size": 64, "protocol": "npy"})}
    return api.study(phantoms, tmp_path_factory.mktemp("lent") / "run", models=models, settings=SETTINGS)


@pytest.mark.slow
def test_a_function_and_a_service_are_judged(run: Run, phantoms: Path, address: str) -> None:
    """What needs the network is refused with the reason; the service is opened as it was, by its address alone."""
    kept = run.model("service")["options"]
    assert kept == {"input_size": 64, "protocol": "npy", "classes": list(open_catalogue(phantoms).classes)}
    classes = open_catalogue(phantoms).classes
    settings = api.TrustSettings(**QUICK, methods=("gradcam", "lime", "occlusion"))
    lent = {"function": box(classes, 0.02), "service": address}
    told = api.trust(run.folder, phantoms, settings, models=["service", "function"], lent=lent)
    judged = {(each["model"], each["method"]) for each in told["methods"]}
    assert judged == {(model, method) for model in lent for method in ("lime", "occlusion")}
    assert told["best"] == "service" and told["questions"][4]["verdict"] != "not measured"
    done = CliRunner().invoke(
        app,
        ["trust", str(run.folder), "--data", str(phantoms), "--model", f"service={address}", "--method", "lime",
         "--scans", "2", "--layered", "0", "--faithful", "0", "--sturdy", "0", "--wide", "0", "--samples", "50"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_another_model_is_not_taken_for_the_one_that_was_lent(run: Run, phantoms: Path) -> None:
    classes = open_catalogue(phantoms).classes
    settings = api.TrustSettings(**QUICK, methods=("lime",))
    with pytest.raises(BadModel, match="function answers otherwise than when the run was made"):
        api.trust(run.folder, phantoms, settings, models=["function"], lent={"function": box(classes, 0.2)})
    with pytest.raises(BadModel, match="lent to its run in memory"):
        api.trust(run.folder, phantoms, settings, models=["function"])
    with pytest.raises(BadInput, match="functoin"):
        api.trust(run.folder, phantoms, settings, lent={"functoin": box(classes)})


def test_addresses_are_told_from_names() -> None:
    names, addresses = read_lent(["weak", "best=https://a.b/predict?key=1"])
    assert names == ["weak", "best"] and addresses == {"best": "https://a.b/predict?key=1"}
    for text in ("best=best.h5", "=https://a.b/c"):
        with pytest.raises(BadInput, match="NAME=http"):
            read_lent([text])
