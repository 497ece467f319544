"""Runs that are killed, and disks that are full: nothing finished is lost, nothing wrong stays."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_inpaint import ROOT, configure, digests, stage

CLASSICAL = {"backend": "biharmonic", "side": "96", "per_image": "6", "workers": "2"}
# The stage itself, with a dot in a file for each filling that it starts.
COUNTED = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
from wizard.models import classical
fill = classical.METHODS["biharmonic"]
def counted(image, mask):
    with open("fills", "a") as log:
        log.write(".")
    return fill(image, mask)
classical.METHODS["biharmonic"] = counted
sys.argv = ["inpaint.py"]
runpy.run_path(sys.path[0] + "/inpaint.py", run_name="__main__")
"""


def kill_after(folder: Path, name: str, seconds: float) -> None:
    """Start a stage and kill it, unless it was faster."""
    command = [sys.executable, ROOT / "stages" / f"{name}.py"]
    if name == "inpaint":
        command = [sys.executable, "-c", COUNTED, ROOT / "stages"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as child:
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)


def test_twenty_kills_at_random_moments_change_no_byte(tmp_path):
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    for folder in (calm, rough):
        folder.mkdir()
        configure(folder, **CLASSICAL | {"per_image": "12"})
    took = {}
    for name in ("fetch", "mask", "inpaint"):
        start = time.monotonic()
        stage(calm, name)
        took[name] = time.monotonic() - start

    moments = random.Random(0)
    cache = rough / ".work" / "inpaint"
    for _ in range(5):
        kill_after(rough, "fetch", moments.uniform(0.2, took["fetch"]))
    stage(rough, "fetch")
    stage(rough, "mask")
    kept = 0
    for _ in range(15):
        kill_after(rough, "inpaint", moments.uniform(0.3, took["inpaint"]))
        found = len(list(cache.glob("*/*.png")))
        assert found >= kept, "a finished result got lost"
        kept = found
    assert kept, "no run got as far as a result: the kills came too early to mean anything"
    subprocess.run([sys.executable, "-c", COUNTED, ROOT / "stages"], cwd=rough, check=True)
    assert digests(rough) == digests(calm)
    assert not list((rough / "data").rglob(".part-*"))
    fills, in_flight = len((rough / "fills").read_text()), 4 * int(CLASSICAL["workers"])
    assert 24 <= fills <= 24 + 15 * in_flight


@pytest.fixture
def filled(tmp_path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    configure(folder, **CLASSICAL)
    for name in ("fetch", "mask", "inpaint"):
        stage(folder, name)
    return folder


@pytest.mark.system
@pytest.mark.parametrize(
    ("options", "reason"), [("size=100k", "No space left"), ("ro", "Read-only file system")]
)
def test_a_full_or_read_only_disk_is_one_line_and_the_next_run_goes_on(
    filled, program, options, reason
):
    unshare = program("unshare", "util-linux")
    expected = digests(filled)
    shutil.rmtree(filled / "data" / "inpainted")
    (filled / "data" / "inpainted").mkdir()
    mount = f"mount -t tmpfs -o {options} none data/inpainted"
    run = f"{mount} && exec {sys.executable} {ROOT / 'stages' / 'inpaint.py'}"
    answer = subprocess.run(
        [unshare, "--map-root-user", "--mount", "sh", "-c", run],
        cwd=filled,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith("inpaint.py: ") and reason in last and "Traceback" not in answer.stderr
    stage(filled, "inpaint")
    assert digests(filled) == expected


def test_a_cache_removed_in_the_middle_of_a_run_costs_only_time(filled):
    expected = digests(filled)
    shutil.rmtree(filled / ".work")
    command = [sys.executable, ROOT / "stages" / "inpaint.py"]
    with subprocess.Popen(command, cwd=filled, stderr=subprocess.DEVNULL) as child:
        while child.poll() is None:
            shutil.rmtree(filled / ".work", ignore_errors=True)
            time.sleep(0.01)
    assert child.returncode == 0
    assert digests(filled) == expected
