"""A model behind an HTTP address as a black box. Only the standard library, no redirects, answers read as data."""

from __future__ import annotations

import http.client
import io
import json
import math
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from whyscan.errors import BadInput, BadModel
from whyscan.models.blackbox import Answers, black_box
from whyscan.models.classifier import Classifier, Pixels
from whyscan.records.geometry import Fit

Protocol = Literal["npy", "tf-serving"]
_LIMIT = 64 * 2**20
_BUSY = (429, 502, 503, 504)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """None: scans are sent to the address that was given and to no other."""


def http_box(
    url: str,
    classes: Sequence[str],
    input_size: int | tuple[int, int],
    *,
    scores: Answers = "probability",
    protocol: Protocol = "npy",
    timeout: float = 30.0,
    retries: int = 3,
    headers_from_env: Mapping[str, str] | None = None,
    name: str | None = None,
    fit: Fit = "stretch",
) -> Classifier:
    """A classifier that asks a service. Scans leave this machine, without their file names or tags.

    "npy": the body is a .npy file, float32 (n, 3, h, w) in [0, 1]; the answer a .npy file (n, k), or JSON: the rows,
    or {"predictions": rows}. "tf-serving": {"instances": n x h x w x 3} and {"predictions": rows}.

    Args:
        url: http or https.
        classes: the k class names, in the order of the scores.
        input_size: pixels a side, or (height, width).
        scores: whether it answers with probabilities or logits.
        protocol: see above.
        timeout: seconds for one answer.
        retries: how often it is asked again where it is busy (429, 502, 503, 504), after 0.2, 0.4, ... seconds.
        headers_from_env: header -> environment variable that holds its value, for keys that belong in no file.
        name: what it is called in tables; the host by default.
        fit: how scans are brought to that size.

    Raises:
        BadInput: an address or setting that cannot be used.
        BadModel: at a call: it cannot be reached, or answers with something else.
    """
    parts = _parts(url)
    if protocol not in ("npy", "tf-serving") or not (0 < timeout < math.inf) or retries < 0:
        raise BadInput(f"protocol {protocol!r}, timeout {timeout}, retries {retries}",
                       "npy or tf-serving, a positive time, 0 or more", "correct them")  # fmt: skip
    headers = {key: _value(key, variable) for key, variable in (headers_from_env or {}).items()}
    headers["Content-Type"] = "application/x-npy" if protocol == "npy" else "application/json"
    shown = name or str(parts.hostname)

    def predict(pixels: Pixels) -> np.ndarray:
        request = urllib.request.Request(url, _body(pixels, protocol), headers, method="POST")
        return _answer(_ask(request, timeout, retries, shown), shown)

    box = black_box(predict, classes, input_size, name=shown, scores=scores, fit=fit)
    return replace(box, about={**box.about, "framework": "a service", "origin": f"a service at {parts.hostname}"})


def _parts(url: str) -> urllib.parse.SplitResult:
    """Raises BadInput for what is no address, or holds a user and a password, which would come up in errors."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise BadInput("url with a user or password", "an address without", "give them as a header: headers_from_env "
                       "(--header-from-env Authorization=VARIABLE)")  # fmt: skip
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if not usable:
        raise BadInput(f"url {url!r}", "http://HOST/PATH or https://HOST/PATH", "give the whole address")
    return parts


def _value(header: str, variable: str) -> str:
    """What the variable holds. No error repeats it, nor the variable's name: some take it for the key's own place."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", header):
        raise BadInput(f"header {header!r}", "a header's name, such as Authorization", "correct it")
    if not variable or "=" in variable or "\0" in variable or variable not in os.environ:
        raise BadInput(
            f"the environment variable that shall hold the header {header} is not set",
            "the name of a variable that holds it, not the value itself",
            "export it under that name in the shell that runs whyscan",
        )
    if not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]+", os.environ[variable]):
        raise BadInput(f"the variable with the header {header} is empty, or has a line break or control character",
                       "one line of plain text", "export it again")  # fmt: skip
    return os.environ[variable]


def _body(pixels: Pixels, protocol: Protocol) -> bytes:
    if protocol == "tf-serving":
        return json.dumps({"instances": pixels.transpose(0, 2, 3, 1).tolist()}).encode()
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels), allow_pickle=False)
    return buffer.getvalue()


def _ask(request: urllib.request.Request, timeout: float, retries: int, name: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    for attempt in range(retries + 1):
        try:
            with opener.open(request, timeout=timeout) as response:
                content: bytes = response.read(_LIMIT + 1)
            if len(content) > _LIMIT:
                raise BadModel(f"{name} answered with more than {_LIMIT} bytes", "scores", "check the address")
            return content
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _BUSY or attempt == retries:
                mend = "check the address: redirects are not followed" if 300 <= error.code < 400 else "see its log"
                raise BadModel(f"{name} answered with status {error.code}", "200 and scores", mend) from error
            time.sleep(0.2 * 2**attempt)
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise BadModel(
                f"{name} cannot be asked ({reason})", "an answer", "check the address and timeout"
            ) from error
    raise BadModel(f"{name} was busy {retries + 1} times", "an answer", "try later")


def _answer(content: bytes, name: str) -> np.ndarray:
    """A .npy file without pickles, or JSON."""
    try:
        if content.startswith(b"\x93NUMPY"):
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
        found = json.loads(content)
        found = found["predictions"] if isinstance(found, dict) else found
        return np.asarray(found, np.float32)
    except (ValueError, KeyError, TypeError, EOFError, MemoryError, RecursionError) as error:
        raise BadModel(f"{name} answered with what is neither .npy nor JSON scores ({type(error).__name__})",
                       '(n, k) as .npy, or {"predictions": [[...]]}', "check the protocol") from error  # fmt: skip
