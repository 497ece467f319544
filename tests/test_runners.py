"""Spreading work: order, bounds, errors, and no process left behind."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from wizard import devices
from wizard.console import BadSetting
from wizard.records import Unusable
from wizard.runners import local, plain


def slow_first(item: int) -> int:
    time.sleep(0.05 if item == 0 else 0)
    return item * item


def pid(_) -> int:
    return os.getpid()


def threads_wanted(_) -> str:
    return os.environ["OMP_NUM_THREADS"]


class Sleeper:
    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"


@pytest.mark.parametrize("processes", [True, False])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_items(workers, processes):
    assert list(local.run(slow_first, range(20), workers, processes)) == [n * n for n in range(20)]


def test_processes_are_really_used():
    assert os.getpid() not in set(local.run(pid, range(4), 2))


def test_items_are_drawn_no_faster_than_results_are_taken():
    drawn = []
    items = (drawn.append(n) or n for n in range(10_000))
    results = local.run(slow_first, items, 2, processes=False)
    next(results)
    assert len(drawn) <= 9
    results.close()


def test_an_error_arrives_in_its_items_turn():
    def check(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    taken = []
    with pytest.raises(ValueError, match="five"):
        for result in local.run(check, range(10), 3, processes=False):
            taken.append(result)
    assert taken == [0, 1, 2, 3, 4]


def kill_itself(_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_line_that_says_what_to_do():
    with pytest.raises(ChildProcessError, match="was killed.*lower runtime.workers"):
        list(local.run(kill_itself, range(20), workers=2))


def test_leaving_early_ends_the_threads():
    before = threading.active_count()
    results = local.run(slow_first, range(1000), 3, processes=False)
    next(results)
    results.close()
    assert threading.active_count() == before


PARENT = """
import time
from wizard.runners import local
if __name__ == "__main__":
    from test_runners import pid
    for worker in local.run(pid, iter(int, 1), 2):
        print(worker, flush=True)
        time.sleep(0.01)
"""


def test_one_thread_per_worker_process_and_the_parents_environment_as_it_was(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert set(local.run(threads_wanted, range(4), 2)) == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_system_that_counts_cores_and_memory_otherwise(monkeypatch):
    """macOS knows no affinity and no /proc, and counts the peak of memory in bytes."""
    here = devices.peak_memory()
    monkeypatch.delattr(os, "sched_getaffinity")
    assert local.cores("auto") == os.cpu_count()

    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr(Path, "write_text", absent)
    assert devices.peak_memory() > here / 2  # in KiB here, turned into bytes
    monkeypatch.setattr(sys, "platform", "darwin")
    assert devices.peak_memory() * 1024 > here / 2
    devices.start_over()


def test_what_a_call_cost_is_told_with_its_answer():
    worker = local.Worker(lambda: Sleeper())
    (answer, cost), nothing = worker.map("sleep", [(0.05,), None])
    assert answer == "slept" and nothing is None
    assert 0.05 <= cost["seconds"] < 1 and cost["peak_memory_mb"] > 10 and cost["machine"]


def test_workers_die_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = os.pathsep.join(["stages", os.path.dirname(__file__)])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        workers = {int(parent.stdout.readline()) for _ in range(20)}
        parent.send_signal(signal.SIGKILL)
    assert workers
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


COST = {"seconds": 0.5, "peak_memory_mb": 7, "machine": "m"}


def test_answers_travel_as_plain_bytes():
    image = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    (one, reason, other), cost = plain.unpack(
        plain.pack([image, Unusable("no\nmemory"), image[:2]], COST)
    )
    assert np.array_equal(one, image) and np.array_equal(other, image[:2])
    assert isinstance(reason, Unusable) and str(reason) == "no\nmemory" and cost == COST
    assert plain.read(plain.pack_facts({"a": [1]}))[0]["facts"] == {"a": [1]}


@pytest.mark.parametrize(
    "message",
    [
        pickle.dumps("x"),
        "text",
        b"[1]\n",
        b'{"items": [[2, 2, 3]], "cost": {}}\n123',
        b'{"items": [[-1, -1, 3]], "cost": {}}\n123',
        b'{"items": [[1000000, 1000000, 3]], "cost": {}}\n123',
        b'{"items": [], "cost": {}}\n123',
    ],
)
def test_an_answer_that_is_none_is_refused(message):
    with pytest.raises(ValueError):
        plain.unpack(message)


def test_what_a_worker_raised_is_raised_here():
    with pytest.raises(BadSetting, match="no such device"):
        plain.read(b'{"raised": "BadSetting", "text": "no such device"}\n')
    with pytest.raises(Unusable, match="sizes differ"):
        plain.read(b'{"raised": "Unusable", "text": "sizes differ"}\n')
    with pytest.raises(RuntimeError, match="bug"):
        plain.read(b'{"raised": "ValueError", "text": "a bug"}\n')
    with pytest.raises(RuntimeError, match="KeyError"):
        plain.read(b'{"raised": "KeyError", "text": "KeyError: 1"}\n')
