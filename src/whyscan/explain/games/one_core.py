"""Linear algebra on one core, for matrices of some hundred rows: the fits of LIME and SHAP.

numpy and scipy each bring an OpenBLAS with threads of its own, which wait by spinning. On matrices this small they
spend their time on each other, and on torch's: on two cores an emulator of 400 coalitions took 0.8 s with all threads,
0.06 s with one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_TURN = threading.RLock()


@contextmanager
def one_core() -> Iterator[None]:
    """BLAS has one thread inside, and as many as before after it.

    The number is the whole process's. So one fit waits for another: else the first to end would set it for both.
    """
    with _TURN, _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    # looking for them takes milliseconds, so they are looked for once: both have to be there by then
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()
