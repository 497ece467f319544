"""What a person sees: progress, one-line errors, exit codes."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from wizard import console

ROOT = Path(__file__).parents[1]
SCRIPT = r"""
'''A stage that does what its first argument says.'''
import sys, time
from wizard import console, records
def main(params):
    what = str(params)
    if what == "work":
        for _ in console.progress(range(40), 40, "inpaint"):
            time.sleep(0.01)
    if what == "setting":
        raise console.BadSetting("params.yaml: mask.ratio = 2:\n  allowed: less")
    if what == "hostile":
        console.say("failed: a\x1b[2J\u202e\x9b1m\ud800\tb")
        raise console.BadSetting("no \x1b]0;title\x07 such file")
    if what == "data":
        raise records.Unusable("data/ratings.csv:2: value '6'")
    if what == "bug":
        word = "5e" + "cret"
        raise ValueError(f"\x1b[2Jdivision of https://alice:{word}@host/x.png")
    if what == "memory":
        raise MemoryError
    if what == "disk":
        raise OSError(28, "No space left on device", "data/x.png")
    if what == "sleep":
        print("ready", flush=True)
        time.sleep(60)
console.stage(main, __doc__)
"""


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "stage.py"
    path.write_text(SCRIPT.lstrip())
    return path


def run(script: Path, what: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": "stages"}
    command = [sys.executable, script, "--params", what]
    return subprocess.run(command, env=environment, text=True, **options)


def test_a_terminal_shows_done_total_average_and_remaining(script):
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    run(script, "work", stderr=follower, check=True)
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
    last = shown.decode().strip().split("\r")[-1]
    assert last.startswith("inpaint: 100%") and "40/40" in last
    assert "s/image" in last and "<00:00" in last


def test_a_log_gets_one_plain_line(script):
    answer = run(script, "work", stderr=subprocess.PIPE, check=True)
    assert answer.stderr.count("\n") == 1 and "\r" not in answer.stderr
    assert answer.stderr.startswith("inpaint: 40 images in ") and "s/image" in answer.stderr


def test_a_long_run_tells_a_log_how_far_it_is(capsys, monkeypatch):
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    assert list(console.progress(range(6), 6, "inpaint")) == list(range(6))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "inpaint: 3/6 images, 4.00 s/image, 12 s left"
    assert lines[-1].startswith("inpaint: 6 images in 28.0 s")


def test_one_is_no_plural_and_nothing_is_not_worth_a_line(capsys):
    list(console.progress(range(1), 1, "mask"))
    assert capsys.readouterr().err.startswith("mask: 1 image in ")
    list(console.progress(range(0), 0, "mask"))
    assert capsys.readouterr().err == ""


def test_a_url_is_shown_without_its_secrets():
    text = "at 'https://alice:5ecret@host/x.png?sig=5ecret#5ecret', then s3://key:5ecret@b/k"
    assert console.plain(text) == "at 'https://host/x.png', then s3://b/k"
    assert console.plain("is it a@b? yes: a/b?c") == "is it a@b? yes: a/b?c"
    text = "url='https://al:it'5ecret@host/it's.zip?sig=a'5ecret', status='403'"
    assert console.plain(text) == "url='https://host/it's.zip', status='403'"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://host/my photos.zip?X-Amz-Signature=5ecret", "https://host/my photos.zip"),
        ("https://host/it's.zip?sig=5ecret#5ecret", "https://host/it's.zip"),
        ("https://alice:pa'5ecret@host:8/a@b.zip", "https://host:8/a@b.zip"),
        ("https://host?sig=5ecret@5ecret/5ecret", "https://host"),
        ("zip://a b.png::s3://key:5ecret@b/k.zip?5ecret", "zip://a b.png::s3://b/k.zip"),
        ("/photos/is it a@b?/#1", "/photos/is it a@b?/#1"),
    ],
)
def test_a_source_is_shown_without_its_secrets_whatever_its_path_holds(source, shown):
    assert console.bare(source) == shown


@pytest.mark.parametrize(
    ("what", "code"), [("setting", 2), ("data", 1), ("disk", 1), ("memory", 1)]
)
def test_an_error_is_one_line_and_an_exit_code(script, what, code):
    answer = run(script, what, stderr=subprocess.PIPE)
    assert answer.returncode == code
    assert answer.stderr.count("\n") == 1 and answer.stderr.startswith("stage.py: ")
    assert "Traceback" not in answer.stderr


def test_a_bug_shows_its_traceback(script):
    answer = run(script, "bug", stderr=subprocess.PIPE)
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert answer.stderr.endswith("ValueError: \\x1b[2Jdivision of https://host/x.png\n")
    assert "5ecret" not in answer.stderr and "\x1b" not in answer.stderr


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_stage_never_exits_0(script, signum, code):
    environment = os.environ | {"PYTHONPATH": "stages"}
    command = [sys.executable, script, "--params", "sleep"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        time.sleep(0.1)
        child.send_signal(signum)
        child.stderr.read()
    assert child.returncode == code


def test_failures_are_told_and_counted(capsys):
    rows = [{"id": f"p{n}", "status": "failed", "error": "broken"} for n in range(25)]
    console.report_failures(rows, max_failures=25)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "failed: p0: broken" and told[-1].startswith("… and 5 more")
    with pytest.raises(console.TooManyFailures, match="25 failed, runtime.max_failures allows 24"):
        console.report_failures(rows, max_failures=24)


def test_what_others_wrote_cannot_steer_the_terminal(script):
    told = run(script, "hostile", stderr=subprocess.PIPE).stderr
    assert told == (
        r"failed: a\x1b[2J\u202e\x9b1m\ud800\tb" + "\n"
        r"stage.py: no \x1b]0;title\x07 such file" + "\n"
    )


def test_what_prints_beside_the_console_knows_how_to_make_text_plain():
    """Exceptions: those that print names and numbers of ours alone."""
    for file in (ROOT / "stages").rglob("*.py"):
        code = file.read_text()
        if file.name not in ("preset.py", "train.py") and "plain(" not in code:
            assert not re.search(r"\bprint\(|sys\.std(out|err)\.write", code), file
