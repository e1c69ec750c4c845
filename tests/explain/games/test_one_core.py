from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from whyscan.explain.games.one_core import one_core


def threads() -> set[int]:
    np.linalg.inv(np.eye(2))  # so that a BLAS is there
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two():
    with threadpool_limits(2, user_api="blas"):
        yield


def test_blas_has_one_thread_inside_and_as_many_as_before_after_it() -> None:
    with one_core():
        assert threads() == {1}
        with one_core():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_also_after_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), one_core():
        raise KeyboardInterrupt
    assert threads() == {2}


def test_two_at_a_time_take_turns() -> None:
    """OpenBLAS tells only the main thread its number, so what is seen here is who is inside, and the number after."""
    inside, leave, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with one_core():
            inside.set()
            leave.wait(10)
            order.append("first")

    def second() -> None:
        inside.wait(10)
        with one_core():
            order.append("second")

    both = [threading.Thread(target=each) for each in (first, second)]
    for thread in both:
        thread.start()
    inside.wait(10)
    leave.set()
    for thread in both:
        thread.join(10)
    assert (order, threads()) == (["first", "second"], {2})


def test_whoever_is_first_finds_the_blas_of_numpy_and_of_scipy() -> None:
    """Were they looked for before anybody needs scipy, its BLAS would be left out of every later fit."""
    code = (
        "import sys, numpy as np\n"
        "from whyscan.explain.games.one_core import one_core\n"
        "assert 'scipy' not in sys.modules\n"
        "with one_core(): pass\n"
        "import scipy.linalg\n"
        "from threadpoolctl import threadpool_info, threadpool_limits\n"
        "with threadpool_limits(2, user_api='blas'), one_core():\n"
        "    print({each['num_threads'] for each in threadpool_info() if each['user_api'] == 'blas'})\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "{1}\n"
