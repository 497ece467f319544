"""Spread work over the cores of this machine, in order and with bounded memory."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, TypeVar

from wizard import devices

T = TypeVar("T")
R = TypeVar("R")


def cores(workers: int | str = "auto") -> int:
    """Number of workers for ``runtime.workers``; "auto" is one for each core we may use."""
    if workers != "auto":
        return int(workers)
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    fn: Callable[[T], R], items: Iterable[T], workers: int | str = "auto", processes: bool = True
) -> Iterator[R]:
    """Yield ``fn(item)`` for each item, in the order of the items.

    A worker has one item at work and one waiting, so memory does not grow with their number, and
    ``items`` may be an endless generator. With ``processes`` the function and items must be
    picklable; threads suit functions that spend their time in code that releases the
    interpreter lock (PNG, OpenCV). An exception of ``fn`` is raised here, in its item's turn;
    ChildProcessError when a process was killed.
    """
    count = cores(workers)
    if count == 1:
        yield from map(fn, items)
        return
    with _single_threaded(processes), _pool(count, processes) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(fn, item))
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenExecutor:
            raise ChildProcessError(
                "a worker process was killed, as a rule for lack of memory; lower runtime.workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Worker:
    """One object that does its work in this process, with the interface of ``on_ray.Workers``.

    ``make()`` gives the object. ``threads`` above 1 suits objects whose methods may run side by
    side and release the interpreter lock.
    """

    def __init__(self, make: Callable[[], Any], threads: int | str = 1):
        devices.start_over()
        self._object, self._threads = make(), threads

    def about(self) -> dict:
        """What the object tells of itself."""
        return self._object.about()

    def map(self, method: str, calls: Iterable[tuple | None]) -> Iterator[tuple[Any, dict] | None]:
        """Yield for each tuple of arguments, in order, the method's answer and what it cost.

        None, in the place of arguments, is passed through in its turn.
        """
        return run(partial(measured, getattr(self._object, method)), calls, self._threads, False)

    def close(self) -> None:
        """Let go of the object and its memory."""
        self._object = None
        devices.free_memory()


def measured(function: Callable, arguments: tuple | None) -> tuple[Any, dict] | None:
    """The function's answer, and its cost: ``seconds``, ``peak_memory_mb`` and ``machine``."""
    if arguments is None:
        return None
    start = time.monotonic()
    answer = function(*arguments)
    seconds = time.monotonic() - start
    memory = round(devices.peak_memory() / 2**20)
    return answer, {"seconds": seconds, "peak_memory_mb": memory, "machine": devices.machine()}


@contextmanager
def _single_threaded(processes: bool) -> Iterator[None]:
    """One thread per worker process, or the numeric libraries would start cores² of them.

    They read this when they are loaded, so it must be in the environment that workers inherit.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    ours = [name for name in names if processes and name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _pool(count: int, processes: bool) -> Executor:
    if not processes:
        return ThreadPoolExecutor(count)
    # Forking a process that runs threads can deadlock; a spawned one starts clean.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=_leave_with_parent)


def _leave_with_parent() -> None:
    """Let a worker die when its parent is killed: it would wait for work for ever."""
    parent = parent_process()
    assert parent is not None  # only a worker calls this

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
