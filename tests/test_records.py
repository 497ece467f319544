"""Manifests, seeds, fingerprints, atomic writes, journal."""

import os
import signal
import subprocess
import sys
import time

import pytest

from wizard import records


def test_manifest_bytes_do_not_depend_on_the_order_of_rows(tmp_path):
    rows = [{"id": name, "run": run} for name in "cab" for run in ("model", "baseline")]
    records.write(tmp_path / "a", rows)
    records.write(tmp_path / "b", reversed(rows))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert [row["id"] for row in records.read(tmp_path / "a")] == list("aabbcc")


@pytest.mark.parametrize("line", ["{", "[1]", '{"no": "id"}', "!!python/object:os.system"])
def test_a_damaged_manifest_names_its_line(tmp_path, line):
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "a"}\n' + line + "\n")
    with pytest.raises(ValueError, match="m.jsonl:2"):
        records.read(path)


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


def test_journal_keeps_what_it_is_given_and_survives_removal(tmp_path):
    journal = records.Journal(tmp_path / "j", max_bytes=100)
    assert journal.get("ab12") is None
    journal.put("ab12", b"x")
    assert journal.get("ab12") == b"x"
    journal.trim()
    assert journal.get("ab12") == b"x"


def test_journal_drops_what_was_used_longest_ago(tmp_path):
    journal = records.Journal(tmp_path, max_bytes=250)
    for age, key in enumerate(["aa", "bb", "cc"]):
        journal.put(key, b"x" * 100)
        os.utime(tmp_path / key / f"{key}.png", ns=(age, age))
    assert journal.get("aa")  # now the most recently used
    leftover = tmp_path / "aa" / ".part-killed"
    leftover.write_bytes(b"half")
    journal.trim()
    assert journal.get("bb") is None
    assert journal.get("aa") and journal.get("cc")
    assert not leftover.exists()


def test_queued_experiments_share_the_journal_of_the_true_root(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert records.journal("inpaint", 1).folder == tmp_path / ".work" / "inpaint"


def test_output_folder_sweeps_what_this_run_did_not_write(tmp_path):
    (tmp_path / "old.png").write_bytes(b"")
    (tmp_path / ".part-killed").write_bytes(b"")
    (tmp_path / "old_run").mkdir()
    folder = records.Folder(tmp_path)
    folder.publish("new.png", b"new")
    folder.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["new.png"]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/b.png", "..", ".hidden", ""])
def test_no_name_leaves_its_folder(tmp_path, name):
    with pytest.raises(ValueError, match="plain file name"):
        records.Folder(tmp_path / "out").publish(name, b"")
    assert not list(tmp_path.glob("*.png"))
