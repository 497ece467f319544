"""Manifests, seeds, fingerprints, atomic writes, result cache."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wizard import images, records


def test_manifest_bytes_do_not_depend_on_the_order_of_rows(tmp_path):
    rows = [{"id": name, "run": run} for name in "cab" for run in ("model", "baseline")]
    records.write(tmp_path / "a", rows)
    records.write(tmp_path / "b", reversed(rows))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert [row["id"] for row in records.read(tmp_path / "a")] == list("aabbcc")


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"no": "id"}', b'{"id": "\xff"}', b"!!python/object:os.system"]
)
def test_a_damaged_manifest_names_its_line(tmp_path, line):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + line + b"\n")
    with pytest.raises(records.Unusable, match="m.jsonl:2"):
        records.read(path)


@pytest.mark.parametrize("content", [b"<<<<<<< HEAD\n{}", b"[1]", b'{"a": "\xff"}', b""])
def test_a_damaged_json_file_is_named(tmp_path, content):
    path = tmp_path / "quality.json"
    path.write_bytes(content)
    with pytest.raises(records.Unusable, match="quality.json: not "):
        records.read_json(path)
    path.write_bytes(b'{"a": 1}')
    assert records.read_json(path) == {"a": 1}


def test_seeds_depend_on_each_part_and_on_nothing_else():
    assert records.seed(1, "mask", "a") == records.seed(1, "mask", "a")
    others = [(2, "mask", "a"), (1, "inpaint", "a"), (1, "mask", "b"), (1, "maska", "")]
    assert len({records.seed(1, "mask", "a"), *(records.seed(*other) for other in others)}) == 5


def test_seed_is_the_same_in_another_process():
    code = "from wizard import records; print(records.seed(1, 'mask', 'a'))"
    environment = os.environ | {"PYTHONPATH": "stages", "PYTHONHASHSEED": "7"}
    answer = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert int(answer) == records.seed(1, "mask", "a")


def test_fingerprint_ignores_the_order_of_keys_but_no_value():
    assert records.fingerprint(a=1, b=2.0) == records.fingerprint(b=2.0, a=1)
    assert records.fingerprint(a=1) != records.fingerprint(a=2)
    with pytest.raises(ValueError):
        records.fingerprint(a=float("nan"))


def test_a_kill_while_writing_leaves_the_old_file_or_the_new_one(tmp_path):
    code = (
        "from wizard import records\n"
        "import sys\n"
        "print('started', flush=True)\n"
        "while True:\n"
        "    for letter in (b'a', b'b'):\n"
        "        records.write_atomic(sys.argv[1], letter * 3_000_000)\n"
    )
    for delay in (0.02, 0.05, 0.11):
        path = tmp_path / f"file{delay}"
        command = [sys.executable, "-c", code, path]
        environment = os.environ | {"PYTHONPATH": "stages"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        content = path.read_bytes() if path.exists() else b""
        assert content in (b"", b"a" * 3_000_000, b"b" * 3_000_000)


def test_the_cache_keeps_what_it_is_given_and_survives_removal(tmp_path):
    cache = records.ResultCache(tmp_path / "w", "inpaint", max_bytes=1000)
    assert cache.get("ab12") is None
    cache.put("ab12", b"x\ny", {"seconds": 0.5})
    assert cache.get("ab12") == records.Entry(b"x\ny", {"seconds": 0.5})
    cache.trim()
    assert cache.get("ab12").data == b"x\ny"
    shutil.rmtree(tmp_path / "w")
    assert cache.get("ab12") is None


def test_the_cache_serves_nothing_that_it_did_not_put_there_itself(tmp_path):
    """Neither a valid picture laid there by others nor its own under another fingerprint."""
    cache = records.ResultCache(tmp_path, "inpaint", max_bytes=10**6)
    own, foreign = (images.encode(np.full((8, 8, 3), level, np.uint8)) for level in (50, 200))
    cache.put("ab12", own)
    path = tmp_path / "inpaint" / "ab" / "ab12.png"
    assert np.array_equal(images.load(path), images.load(io.BytesIO(own)))  # still a picture
    shutil.copyfile(path, path.with_name("ab13.png"))
    assert cache.get("ab13") is None
    path.write_bytes(foreign)
    assert cache.get("ab12") is None


def test_one_cap_for_the_results_of_all_stages(tmp_path):
    """What was used longest ago goes first, whichever stage it belongs to."""
    fetch, inpaint = (records.ResultCache(tmp_path, name, 500) for name in ("fetch", "inpaint"))
    for age, (cache, key) in enumerate([(fetch, "aa"), (inpaint, "bb"), (fetch, "cc")]):
        cache.put(key, b"x" * 200)
        os.utime(cache.folder / key / f"{key}.png", ns=(age, age))
    assert fetch.get("aa")  # now the most recently used
    inpaint.trim()
    assert inpaint.get("bb") is None
    assert fetch.get("aa") and fetch.get("cc")


KILLED = """
import os, sys
from wizard import records
os.replace = lambda *_: os._exit(9)
records.write_atomic(sys.argv[1], b"half")
"""


def test_the_next_write_overwrites_what_a_killed_one_left(tmp_path):
    path = tmp_path / "images.jsonl"
    environment = os.environ | {"PYTHONPATH": "stages"}
    killed = subprocess.run([sys.executable, "-c", KILLED, path], env=environment)
    assert killed.returncode == 9 and len(list(tmp_path.iterdir())) == 1
    records.write_atomic(path, b"whole")
    assert [found.name for found in tmp_path.iterdir()] == ["images.jsonl"]
    assert path.read_bytes() == b"whole"


def test_only_leftovers_of_long_ago_are_deleted(tmp_path):
    cache = records.ResultCache(tmp_path, "inpaint", 10**6)
    cache.put("aa", b"x")
    fresh, old = (cache.folder / "aa" / f".part-{name}" for name in ("fresh", "old"))
    for part in (fresh, old):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cache.trim()
    assert fresh.exists() and not old.exists()


BESIDE = """
import sys
from wizard import records
cache = records.ResultCache(sys.argv[1], sys.argv[2], int(sys.argv[3]))
for n in range(400):
    key = records.fingerprint(stage=sys.argv[2], n=n)
    cache.put(key, b"x" * 20_000)
    cache.get(key)
    cache.trim()
"""


def test_two_processes_share_a_cache_while_both_write_and_trim(tmp_path):
    environment = os.environ | {"PYTHONPATH": "stages"}
    command = [sys.executable, "-c", BESIDE, tmp_path]
    both = [
        subprocess.Popen([*command, name, "100000"], env=environment, stderr=subprocess.PIPE)
        for name in ("inpaint", "inpaint")
    ]
    for process in both:
        said = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 0, said
    left = list(tmp_path.glob("*/*/*"))
    assert left and sum(path.stat().st_size for path in left) <= 100_000


def test_queued_experiments_share_the_cache_of_the_true_root(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert records.result_cache("inpaint", 1).folder == tmp_path / ".work" / "inpaint"


def test_output_folder_sweeps_what_this_run_did_not_write(tmp_path):
    (tmp_path / "old.png").write_bytes(b"")
    (tmp_path / ".part-killed").write_bytes(b"")
    (tmp_path / "old_run").mkdir()
    folder = records.Folder(tmp_path)
    assert folder.publish("new.png", b"new") == hashlib.md5(b"new").hexdigest()
    folder.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["new.png"]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/b.png", "..", ".hidden", ""])
def test_no_name_leaves_its_folder(tmp_path, name):
    with pytest.raises(ValueError, match="plain file name"):
        records.Folder(tmp_path / "out").publish(name, b"")
    assert not list(tmp_path.glob("*.png"))
