"""Spread work over the cores of this machine, in order and with bounded memory."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores(workers: int | str = "auto") -> int:
    """Number of workers for ``runtime.workers``; "auto" is one for each core we may use."""
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


def run(
    fn: Callable[[T], R], items: Iterable[T], workers: int | str = "auto", processes: bool = True
) -> Iterator[R]:
    """Yield ``fn(item)`` for each item, in the order of the items.

    At most a few items a worker are in flight, so memory does not grow with their number, and
    ``items`` may be an endless generator. With ``processes`` the function and items must be
    picklable; threads suit functions that spend their time in code that releases the
    interpreter lock (PNG, OpenCV). An exception of ``fn`` is raised here, in its item's turn.
    """
    count = cores(workers)
    if count == 1:
        yield from map(fn, items)
        return
    with _pool(count, processes) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(fn, item))
                if len(waiting) >= 4 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Worker:
    """One object that does its work in this process, with the interface of ``on_ray.Workers``.

    ``make()`` gives the object. ``threads`` above 1 suits objects whose methods may run side by
    side and release the interpreter lock.
    """

    def __init__(self, make: Callable[[], object], threads: int | str = 1):
        self._object, self._threads = make(), threads

    def about(self) -> dict:
        """What the object tells of itself."""
        return self._object.about()

    def map(self, method: str, calls: Iterable[tuple]) -> Iterator[tuple[object, float]]:
        """Yield for each tuple of arguments, in order, the method's answer and its seconds."""
        return run(partial(timed, getattr(self._object, method)), calls, self._threads, False)


def timed(function: Callable, arguments: tuple) -> tuple[object, float]:
    """The function's answer, and the seconds that it took."""
    start = time.monotonic()
    answer = function(*arguments)
    return answer, time.monotonic() - start


def _pool(count: int, processes: bool) -> Executor:
    if not processes:
        return ThreadPoolExecutor(count)
    # One thread a worker, or the numeric libraries would start cores² of them. They read this
    # when they are loaded, so it must be in the environment that the workers inherit.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(name, "1")
    # Forking a process that runs threads can deadlock; a spawned one starts clean.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_leave_with_parent)


def _leave_with_parent() -> None:
    """Let a worker die when its parent is killed: it would wait for work for ever."""

    def watch() -> None:
        wait([parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
