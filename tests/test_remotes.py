"""Remotes on real servers: the commands of docs/remotes.md are run as they stand there."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import servers
from clones import ENVIRONMENT, ROOT, commit, setting, sh

pytestmark = pytest.mark.remote
PAGE = (ROOT / "docs" / "remotes.md").read_text(encoding="utf-8")


@pytest.fixture
def serve(tmp_path, program):
    """Starts a kind of remote as the page's table calls it; it stops when the block ends."""

    @contextmanager
    def start(kind: str):
        folder = tmp_path / "server"
        folder.mkdir()
        if kind == "folder":
            yield servers.Remote(str(folder / "store"), folder=folder / "store")
            return
        programs = ()
        if kind == "SSH":
            programs = program("sshd", "openssh-server"), program("ssh-keygen", "openssh-client")
        with getattr(servers, {"SSH": "sshd"}.get(kind, kind.lower()))(folder, *programs) as remote:
            yield remote

    return start


def in_page(command: str) -> list[str]:
    assert f"`{command}`" in PAGE or f"\n{command}\n" in PAGE, f"not on the page: {command}"
    return command.split()


def of_kind(kind: str) -> list[list[str]]:
    """The commands in the page's row about this kind of remote."""
    row = re.search(rf"^\| {kind} \|.*$", PAGE, re.M)[0]
    return [command.split() for command in re.findall(r"`(dvc [^`]+)`", row)]


def connect(folder: Path, kind: str, remote: servers.Remote) -> None:
    """The page's commands, with this server's address and secrets for the examples'."""
    secret = dict(remote.credentials)
    for *command, example in of_kind(kind):
        if command[1:3] == ["remote", "add"]:
            sh(folder, *command, remote.url)
        else:
            assert "--local" in command
            sh(folder, *command, secret.pop(command[-1]))
            assert example
    assert not secret, f"the page forgets {sorted(secret)}"
    for name, value in remote.options.items():
        sh(folder, "dvc", "remote", "modify", "store", name, value)
    sh(folder, *in_page("dvc remote modify store verify true"))
    commit(folder, "Add a remote")


def write_config(folder: Path, remote: servers.Remote) -> None:
    """What those commands write, at once and all of it local, for tests of something else."""
    options = {"url": remote.url, "verify": "true"} | remote.credentials | remote.options
    lines = [f"    {name} = {value}\n" for name, value in options.items()]
    text = "[core]\n    remote = store\n['remote \"store\"']\n" + "".join(lines)
    (folder / ".dvc" / "config.local").write_text(text)


def clone_of(folder: Path, to: Path) -> Path:
    sh(folder, "git", "clone", "-q", str(folder), str(to))
    if (folder / ".dvc" / "config.local").exists():
        shutil.copyfile(folder / ".dvc" / "config.local", to / ".dvc" / "config.local")
    return to


# What the last run measured of its machine; it belongs to no commit.
OF_THIS_MACHINE = {"speed.json", "cost.md", "cost.png", "cost.pdf"}


def digests(folder: Path, *tops: str) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for top in tops
        for path in servers.files(folder / top)
        if path.name not in OF_THIS_MACHINE
    }


def test_the_drivers_are_pinned_as_the_tests_have_them():
    pins = re.findall(r"`pip install ([^`]+)`", PAGE)
    assert len(pins) == 3
    assert set(pins) <= set((ROOT / "requirements-dev.txt").read_text().splitlines())


@pytest.mark.parametrize(
    "kind", ["folder", pytest.param("SSH", marks=pytest.mark.system), "S3", "WebDAV"]
)
def test_another_clone_pulls_the_same_bytes(clone, serve, tmp_path, kind):
    here = Path(shutil.copytree(clone, tmp_path / "here", symlinks=True))
    with serve(kind) as remote:
        connect(here, kind, remote)
        sh(here, *in_page("dvc push"))
        assert len(remote.objects()) > 40
        there = clone_of(here, tmp_path / "there")
        sh(there, *in_page("dvc pull"))
    assert digests(there, "data", "metrics") == digests(here, "data", "metrics")
    assert "Data and pipelines are up to date." in sh(there, "dvc", "repro")
    assert not (there / ".work").exists(), "something was computed again"
    assert sh(here, "git", "status", "--porcelain") == ""
    tracked = b"".join((here / name).read_bytes() for name in sh(here, "git", "ls-files").split())
    for name, secret in remote.credentials.items():
        assert name == "user" or secret.encode() not in tracked, name


def test_older_runs_come_back_in_another_clone(clone, serve, tmp_path):
    here = Path(shutil.copytree(clone, tmp_path / "here", symlinks=True))
    with serve("folder") as remote:
        write_config(here, remote)
        older = set(re.findall(r"md5: (\w{32})$", (here / "dvc.lock").read_text(), re.M))
        setting(here, "ratio: 0.25", "ratio: 0.1")
        sh(here, "dvc", "repro", "inpaint")
        commit(here, "Small holes")
        sh(here, "dvc", "push", "--run-cache")
        some = remote.objects()
        sh(here, *in_page("dvc push --all-commits --run-cache"))
        assert (remote.objects() - some) & older, "only now the older commit's objects went over"

        there = clone_of(here, tmp_path / "there")
        setting(there, "ratio: 0.1", "ratio: 0.25")
        said = sh(there, *in_page("dvc repro --pull"), "inpaint")
        for stage in ("mask", "inpaint"):
            assert f"Stage '{stage}' is cached - skipping run" in said
        assert digests(there, "data/inpainted") == digests(clone, "data/inpainted")

        sh(there, "git", "checkout", "-qf", "HEAD~1")
        sh(there, "dvc", "pull")
        assert digests(there, "data", "metrics") == digests(clone, "data", "metrics")
        assert not (there / ".work").exists()


def test_a_changed_stage_pulls_only_what_it_needs(clone, serve, tmp_path):
    here = Path(shutil.copytree(clone, tmp_path / "here", symlinks=True))
    with serve("folder") as remote:
        write_config(here, remote)
        sh(here, "dvc", "push")
        there = clone_of(here, tmp_path / "there")
        setting(there, "ratio: 0.25", "ratio: 0.1")
        said = sh(there, *in_page("dvc repro --pull"), "mask")
    assert re.findall(r"Running stage '(\w+)'", said) == ["check", "mask"]
    assert (there / "data" / "images").exists() and not (there / "data" / "inpainted").exists()


def tracked(folder: Path, count: int) -> Path:
    """A small repository of DVC's with so many files of 20 kB in one folder."""
    (folder / "data").mkdir(parents=True)
    for number in range(count):
        content = hashlib.shake_128(str(number).encode()).digest(20_000)
        (folder / "data" / f"{number}.bin").write_bytes(content)
    sh(folder, "git", "init", "-q")
    sh(folder, "dvc", "init", "-q")
    sh(folder, "dvc", "add", "-q", "data")
    commit(folder, "Data")
    return folder


def test_damaged_objects_are_named_and_mended(serve, tmp_path):
    here = tracked(tmp_path / "here", 20)
    with serve("WebDAV") as remote:
        write_config(here, remote)
        sh(here, "dvc", "push")
        flipped, short = (stored(here / "data" / name) for name in ("7.bin", "9.bin"))
        content = (remote.folder / flipped).read_bytes()
        (remote.folder / flipped).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.truncate(remote.folder / short, 9000)

        there = clone_of(here, tmp_path / "there")
        told = sh(there, *in_page("dvc pull --verbose"), check=False)
        assert "failed to pull" in told and not (there / "data").exists()
        named = re.findall(r"corrupted cache file '.*/(files/md5/\w\w/\w{30})'", told)
        assert sorted(named) == sorted([flipped, short])
        told = sh(there, *in_page("dvc status --cloud"))
        assert sorted(re.findall(r"deleted: +(.+)", told)) == ["data/7.bin", "data/9.bin"]

        for path in (flipped, short):
            shutil.copyfile(here / ".dvc" / "cache" / path, remote.folder / path)
        sh(there, "dvc", "pull")
    assert digests(there, "data") == digests(here, "data")


def stored(file: Path) -> str:
    """Where cache and store keep the file's content."""
    name = hashlib.md5(file.read_bytes()).hexdigest()
    return f"files/md5/{name[:2]}/{name[2:]}"


@pytest.mark.parametrize("kind", [pytest.param("SSH", marks=pytest.mark.system), "S3"])
def test_a_push_that_is_killed_goes_on_where_it_was(serve, tmp_path, kind):
    here = tracked(tmp_path / "here", 149)
    with serve(kind) as remote:
        write_config(here, remote)
        killed = kill_push(here, remote, objects=20)
        assert 20 <= len(killed) < 150, "the kill came too late to mean anything"
        told = sh(here, *in_page("dvc push --jobs 32"))
        assert f"{150 - len(killed)} files pushed" in told
        assert len(remote.objects()) == 150
        there = clone_of(here, tmp_path / "there")
        sh(there, "dvc", "pull")
    assert digests(there, "data") == digests(here, "data")


def kill_push(folder: Path, remote: servers.Remote, objects: int) -> set[str]:
    """Kill `dvc push` once the store holds so many objects; those it holds in the end."""
    push = subprocess.Popen(["dvc", "push"], cwd=folder, env=ENVIRONMENT)
    while push.poll() is None and len(remote.objects()) < objects:
        time.sleep(0.05)
    push.send_signal(signal.SIGKILL)
    push.wait()
    before = None
    while before != (after := remote.objects()):  # what had arrived may still be stored
        before = after
        time.sleep(0.2)
    return after
