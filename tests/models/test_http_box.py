"""A model behind an address: a real server on this machine, well behaved and not."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from whyscan.errors import BadInput, BadModel
from whyscan.models.http_box import http_box
from whyscan.models.load import load

Serve = Callable[[Callable[[Any, bytes], None]], str]
PIXELS = np.linspace(0, 1, 2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers with a function of the handler and the body; gives its address."""
    started: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[Any, bytes], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_arguments: Any) -> None:
                """Quiet."""

        started.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_port}/predict"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def reply(handler: Any, content: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def scores(pixels: np.ndarray) -> np.ndarray:
    """Of two classes, from pixels (n, c, h, w)."""
    bright = pixels.mean((1, 2, 3))
    return np.stack([bright, 1 - bright], 1)


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def test_npy_both_ways_with_a_key_from_the_environment(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def answer(handler: Any, body: bytes) -> None:
        keys.append(handler.headers["Authorization"])
        reply(handler, npy(scores(np.load(io.BytesIO(body), allow_pickle=False))))

    monkeypatch.setenv("MODEL_KEY", "Bearer x")
    box = http_box(serve(answer), ["a", "b"], (4, 5), headers_from_env={"Authorization": "MODEL_KEY"})
    assert np.allclose(box.predict(PIXELS), scores(PIXELS), atol=1e-6) and set(keys) == {"Bearer x"}
    assert not box.white_box and "x" not in box.about.values()


def test_tf_serving_and_a_busy_server_that_recovers(serve: Serve) -> None:
    asked: list[int] = []

    def answer(handler: Any, body: bytes) -> None:
        asked.append(1)
        if len(asked) == 1:
            return reply(handler, b"", 503)
        given = np.array(json.loads(body)["instances"]).transpose(0, 3, 1, 2)
        return reply(handler, json.dumps({"predictions": scores(given).tolist()}).encode())

    box = http_box(serve(answer), ["a", "b"], (4, 5), protocol="tf-serving")
    assert np.allclose(box.predict(PIXELS), scores(PIXELS), atol=1e-6) and len(asked) == 2


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    reached: list[int] = []
    other = serve(lambda handler, _body: (reached.append(1), reply(handler, b"[]"))[1])
    box = http_box(serve(lambda handler, _body: reply(handler, b"", 302, Location=other)), ["a", "b"], (4, 5))
    with pytest.raises(BadModel, match="302"):
        box.predict(PIXELS)
    assert not reached


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b'{"scores": []}', b"[" * 10_000, npy(np.array([print], object), pickled=True)]
)
def test_answers_that_are_no_scores(serve: Serve, content: bytes) -> None:
    box = http_box(serve(lambda handler, _body: reply(handler, content)), ["a", "b"], (4, 5))
    with pytest.raises(BadModel, match=r"neither \.npy nor JSON"):
        box.predict(PIXELS)


def test_errors_are_named(serve: Serve) -> None:
    box = http_box(serve(lambda handler, _body: reply(handler, b"", 500)), ["a", "b"], (4, 5))
    with pytest.raises(BadModel, match="status 500"):
        box.predict(PIXELS)
    with pytest.raises(BadModel, match="cannot be asked"):
        http_box("http://127.0.0.1:9/", ["a", "b"], (4, 5), timeout=2).predict(PIXELS)
    for url in ("file:///etc/passwd", "ftp://host/x", "host", "http://host:port/", "http://["):
        with pytest.raises(BadInput, match="url"):
            http_box(url, ["a", "b"], 4)
    with pytest.raises(BadInput, match="is not set"):
        http_box("http://host", ["a", "b"], 4, headers_from_env={"X": "WHYSCAN_NO_SUCH_VARIABLE"})


def test_a_key_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("s3cret\n", "s3cret\r\nX: y", "s3cret\u2026"):
        monkeypatch.setenv("MODEL_KEY", broken)
        with pytest.raises(BadInput, match="one line of plain text") as error:
            http_box("http://host", ["a", "b"], 4, headers_from_env={"Authorization": "MODEL_KEY"})
        assert "s3cret" not in str(error.value)
    for url, headers in (("http://host", {"X": "s3cret"}), ("http://me:s3cret@host", {}), ("http://a:s3cret@b:c/", {})):
        with pytest.raises(BadInput) as error:
            http_box(url, ["a", "b"], 4, headers_from_env=headers)
        assert "s3cret" not in str(error.value)
    with pytest.raises(BadInput, match="header"):
        http_box("http://host", ["a", "b"], 4, headers_from_env={"X y": "PATH"})


def test_the_one_door_passes_the_key_and_the_protocol_on(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def answer(handler: Any, body: bytes) -> None:
        keys.append(handler.headers["Authorization"])
        given = np.array(json.loads(body)["instances"]).transpose(0, 3, 1, 2)
        reply(handler, json.dumps({"predictions": scores(given).tolist()}).encode())

    monkeypatch.setenv("MODEL_KEY", "Bearer x")
    told: dict[str, Any] = {"protocol": "tf-serving", "headers_from_env": {"Authorization": "MODEL_KEY"}}
    box = load(serve(answer), classes=["a", "b"], input_size=(4, 5), **told)
    assert np.allclose(box.predict(PIXELS), scores(PIXELS), atol=1e-6) and set(keys) == {"Bearer x"}
    for key, value in told.items():
        with pytest.raises(BadInput, match=f"{key} of a model that is no service"):
            load("model.onnx", **{key: value})
