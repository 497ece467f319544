"""The whole way as a user walks it: real DVC in fresh clones, at small size."""

import csv
import getpass
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from wizard import records

ROOT = Path(__file__).parents[1]
SMALL = {
    "size": "64",
    "per_image: auto": "per_image: 3",
    "num_inference_steps": "2",
    "strength": "1.0",
    "review_images": "4",
    "bootstrap": "200",
}


def sh(folder: Path, *command: str, check: bool = True) -> str:
    """Run a command as a user in that folder would; its output, both streams."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}"
    return done.stdout


def setting(folder: Path, line: str, new: str) -> None:
    path = folder / "params.yaml"
    text, count = re.subn(rf"^  {line}.*$", f"  {new}", path.read_text(), count=1, flags=re.M)
    assert count == 1, line
    path.write_text(text)


def commit(folder: Path, message: str) -> None:
    sh(folder, "git", "add", "-A")
    sh(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)


def outputs(folder: Path) -> dict[str, str]:
    """Path → hash of every output in dvc.lock, except the timing."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    outs = [out for stage in stages.values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs if out["path"] != "metrics/speed.json"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The files of this repository, as they are now, committed in a repository of their own."""
    folder = tmp_path_factory.mktemp("source") / "repo"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for file in ("quality.json", "ratings.json", "speed.json"):
        (folder / "metrics" / file).unlink(missing_ok=True)
    for line, new in SMALL.items():
        setting(folder, line, new if ":" in new else f"{line}: {new}")
    sh(folder, "git", "init", "-q", "-b", "main")
    commit(folder, "Start")
    return folder


@pytest.fixture(scope="module")
def clone(source, tmp_path_factory) -> Path:
    """A clone in which `dvc repro` has run once and everything is committed."""
    folder = tmp_path_factory.mktemp("clone") / "repo"
    sh(source, "git", "clone", "-q", str(source), str(folder))
    sh(folder, "dvc", "repro")
    commit(folder, "Run")
    return folder


def test_one_command_makes_every_output(clone):
    for name in ("quality.json", "scores.csv", "speed.json", "figures", "review/index.html"):
        assert (clone / "metrics" / name).exists(), name
    quality = json.loads((clone / "metrics" / "quality.json").read_text())
    assert quality["count"] == 6 and quality["failed"] == 0
    assert -1 < quality["ssim"]["mean"] < 1 and 0 < quality["psnr"]["mean"] < 60


def test_nothing_is_left_to_do_afterwards(clone):
    assert "up to date" in sh(clone, "dvc", "status")
    assert "Data and pipelines are up to date." in sh(clone, "dvc", "repro")
    assert sh(clone, "git", "status", "--porcelain") == ""


def test_git_holds_no_picture_of_the_run(clone):
    tracked = sh(clone, "git", "ls-files", "data", "metrics").splitlines()
    assert not [name for name in tracked if re.match(r"data/(images|masks|inpainted)", name)]
    assert "metrics/quality.json" in tracked and "metrics/scores.csv" not in tracked


def test_every_mask_meets_the_ratio(clone):
    fractions = [row["hole_fraction"] for row in records.read(clone / "data" / "masks.jsonl")]
    assert max(abs(fraction - 0.25) for fraction in fractions) <= 0.005


def test_scores_have_a_row_for_every_mask(clone):
    with open(clone / "metrics" / "scores.csv", newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    assert ids == [row["id"] for row in records.read(clone / "data" / "masks.jsonl")]


def test_another_clone_makes_the_same_bytes(source, clone, tmp_path):
    sh(source, "git", "clone", "-q", str(source), str(tmp_path / "other"))
    sh(tmp_path / "other", "dvc", "repro")
    assert outputs(tmp_path / "other") == outputs(clone)


@pytest.fixture(scope="module")
def wider(clone, tmp_path_factory) -> Path:
    """Another clone of the same run, with wider holes; the first one stays as it is."""
    folder = tmp_path_factory.mktemp("wider") / "repo"
    shutil.copytree(clone, folder, symlinks=True)
    setting(folder, "ratio: 0.25", "ratio: 0.5")
    sh(folder, "dvc", "repro")
    return folder


def test_metrics_diff_tells_what_wider_holes_do(wider):
    diff = json.loads(sh(wider, "dvc", "metrics", "diff", "--json", "HEAD"))
    quality = diff[str(Path("metrics/quality.json"))] if "metrics/quality.json" in diff else diff
    assert quality["ssim.mean"]["diff"] < 0
    table = sh(wider, "dvc", "metrics", "diff", "--md")
    assert "| metrics/quality.json" in table.replace("\\", "") and "ssim.mean" in table


def test_params_diff_names_the_one_change(wider):
    diff = json.loads(sh(wider, "dvc", "params", "diff", "--json", "HEAD"))
    assert diff == {"params.yaml": {"mask.ratio": {"old": 0.25, "new": 0.5, "diff": 0.25}}}


def test_plots_diff_overlays_two_revisions(wider):
    sh(wider, "dvc", "plots", "diff", "HEAD", "-o", "page")
    page = (wider / "page" / "index.html").read_text()
    assert "workspace" in page and "HEAD" in page


def test_going_back_costs_no_filling(wider):
    setting(wider, "ratio: 0.5", "ratio: 0.25")
    sh(wider, "dvc", "repro")
    speed = json.loads((wider / "metrics" / "speed.json").read_text())
    assert speed["filled"] in (0, 6)  # DVC's run cache may bring back the whole stage instead
    assert "seconds_per_image" not in speed or speed["filled"] == 6


def test_experiments_run_and_queue(wider):
    sh(wider, "git", "checkout", "-q", "--", ".")
    sh(wider, "dvc", "exp", "run", "-n", "thin", "-S", "mask.ratio=0.1")
    sh(wider, "dvc", "exp", "run", "--queue", "-S", "mask.ratio=0.15,0.2")
    sh(wider, "dvc", "exp", "run", "--run-all", "--jobs", "1")
    shown = json.loads(sh(wider, "dvc", "exp", "show", "--json"))
    experiments = [one for branch in shown for one in branch.get("experiments") or []]
    ratios = {
        one["revs"][0]["data"]["params"]["params.yaml"]["data"]["mask"]["ratio"]
        for one in experiments
    }
    assert ratios == {0.1, 0.15, 0.2}


def pull_into(folder: Path, url: str, clone: Path, *options: tuple[str, str]) -> None:
    """Push from one clone and pull in another; nothing may be computed there."""
    sh(clone, "dvc", "remote", "add", "--force", "--local", "--default", "store", url)
    for name, value in options:
        sh(clone, "dvc", "remote", "modify", "--local", "store", name, value)
    sh(clone, "dvc", "push")
    sh(clone, "git", "clone", "-q", str(clone), str(folder))
    shutil.copyfile(clone / ".dvc" / "config.local", folder / ".dvc" / "config.local")
    sh(folder, "dvc", "pull")
    assert "Data and pipelines are up to date." in sh(folder, "dvc", "repro")
    assert not (folder / ".work").exists()
    for name in outputs(clone):
        assert (folder / name).exists(), name


def test_a_clone_pulls_everything_from_a_folder(clone, tmp_path):
    pull_into(tmp_path / "other", str(tmp_path / "store"), clone)


@pytest.mark.system
def test_a_clone_pulls_everything_over_ssh(clone, tmp_path, program):
    server = program("sshd", "openssh-server")
    keygen = program("ssh-keygen", "openssh-client")
    for name in ("host", "user"):
        sh(tmp_path, keygen, "-q", "-t", "ed25519", "-N", "", "-f", name)
    (tmp_path / "authorized").write_text((tmp_path / "user.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {tmp_path}/host\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen([server, "-D", "-e", "-f", tmp_path / "config"])
    try:
        wait_for(port)
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/store"
        pull_into(tmp_path / "other", url, clone, ("keyfile", str(tmp_path / "user")))
        assert len(list((tmp_path / "store").rglob("*"))) > 10
    finally:
        daemon.terminate()
        daemon.wait()


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


HOSTILE = "<img src=x onerror=alert(1)>.png"


def test_new_photographs_are_noticed_and_cost_only_themselves(clone, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(clone, folder, symlinks=True)
    photos = folder / "data" / "own" / "photos"
    for name in ("astronaut", "grace_hopper"):
        shutil.copyfile(clone / "data" / "images" / f"{name}.png", photos / f"{name}.png")
    setting(folder, "source:", "source: data/own/photos")
    sh(folder, "dvc", "repro")
    before = {path.name: digest(path) for path in (folder / "data/inpainted/model").iterdir()}
    assert "up to date" in sh(folder, "dvc", "repro")

    with Image.open(photos / "astronaut.png") as portrait:
        portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / HOSTILE)
    sh(folder, "dvc", "repro")
    after = {path.name: digest(path) for path in (folder / "data/inpainted/model").iterdir()}
    assert before.items() < after.items() and len(after) == len(before) + 3
    assert json.loads((folder / "metrics" / "speed.json").read_text())["filled"] == 3
    assert HOSTILE not in (folder / "metrics" / "review" / "index.html").read_text()
    assert sh(folder, "git", "status", "--porcelain", "data/own") == ""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_ratings_put_in_place_are_summarised(clone, tmp_path):
    folder = tmp_path / "rated"
    shutil.copytree(clone, folder, symlinks=True)
    path = folder / "data" / "ratings.csv"
    header = path.read_text()
    lines = [
        f"{rater},{hole},{run},seamlessness,{value},\n"
        for rater, shift in (("ann", 0), ("bob", 1))
        for hole, run, value in (
            ("astronaut_mask000", "model", 3 + shift),
            ("astronaut_mask001", "model", 1 + shift),
            ("astronaut_mask000", "baseline", 2),
        )
    ]
    lines += [
        "ann,astronaut_mask000,,preference,model,\n",
        "bob,astronaut_mask000,,preference,baseline,\n",
    ]
    path.write_text(header + "".join(lines))
    sh(folder, "dvc", "repro")
    ratings = json.loads((folder / "metrics" / "ratings.json").read_text())
    assert ratings["ratings"] == 8 and ratings["raters"] == 2
    assert ratings["seamlessness"]["model"]["mean"] == 2.5
    assert 0 < ratings["seamlessness"]["agreement"] < 1
    assert ratings["preference"]["model"] == 0.5
    assert ratings["preference"]["low"] < 0.1 and ratings["preference"]["high"] > 0.9
    assert (folder / "metrics" / "figures" / "ratings.png").is_file()
