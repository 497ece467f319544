"""The whole way as a user walks it: real DVC in fresh clones, at small size."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from clones import outputs, setting, sh
from PIL import Image

from wizard import records


def test_one_command_makes_every_output(clone):
    files = ("quality.json", "scores.csv", "ranking.md", "speed.json", "cost.md")
    for name in (*files, "figures", "review/index.html"):
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


def test_manifests_tell_dvc_of_every_changed_file(clone):
    """Stages depend on manifests instead of folders, so these have the digest of each file."""
    for name in ("images", "masks", "inpainted"):
        rows = records.usable(records.read(clone / "data" / f"{name}.jsonl"))
        files = {row["file"]: row["md5"] for row in rows}
        found = (path for path in (clone / "data" / name).rglob("*") if path.is_file())
        digests = {path: hashlib.md5(path.read_bytes()).hexdigest() for path in found}
        assert files == {
            path.relative_to(clone / "data").as_posix(): md5 for path, md5 in digests.items()
        }


def test_every_mask_meets_the_ratio(clone):
    fractions = [row["hole_fraction"] for row in records.read(clone / "data" / "masks.jsonl")]
    assert max(abs(fraction - 0.25) for fraction in fractions) <= 0.005


def test_scores_have_a_row_for_every_mask_and_method(clone):
    with open(clone / "metrics" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    methods = {row["run"] for row in records.read(clone / "data" / "inpainted.jsonl")}
    assert {"model", "baseline"} <= methods == {row["method"] for row in rows}
    for method in methods:
        ids = [row["id"] for row in rows if row["method"] == method]
        assert ids == [row["id"] for row in records.read(clone / "data" / "masks.jsonl")]


def test_another_clone_makes_the_same_bytes_and_leaves_git_clean(clone, tmp_path):
    sh(clone, "git", "clone", "-q", str(clone), str(tmp_path / "other"))
    printed = sh(tmp_path / "other", "dvc", "repro")
    assert "Running stage 'inpaint'" in printed  # nothing came from a cache
    assert outputs(tmp_path / "other") == outputs(clone)
    assert sh(tmp_path / "other", "git", "status", "--porcelain") == ""


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


def test_going_back_costs_no_filling_and_brings_the_ranking_back(clone, wider):
    rankings = [f"ranking.{kind}" for kind in ("json", "csv", "md")]
    small, large = (
        [(at / "metrics" / one).read_bytes() for one in rankings] for at in (clone, wider)
    )
    assert not set(small) & set(large)
    setting(wider, "ratio: 0.5", "ratio: 0.25")
    sh(wider, "dvc", "repro")
    assert [(wider / "metrics" / one).read_bytes() for one in rankings] == small
    # By itself DVC would bring back the whole stage, and tell nothing of the result cache.
    (wider / "metrics" / "speed.json").unlink()
    sh(wider, "dvc", "repro", "--no-run-cache", "--single-item", "--force", "inpaint")
    speed = json.loads((wider / "metrics" / "speed.json").read_text())
    assert len(speed) == 5 and {one["images"] for one in speed.values()} == {6}
    assert {one["filled"] for one in speed.values()} == {0}


def test_another_side_makes_other_photographs_with_a_warm_run_cache(wider):
    sh(wider, "git", "checkout", "-q", "--", ".")
    for side in (96, 64, 96):
        setting(wider, "side:", f"side: {side}")
        sh(wider, "dvc", "repro", "fetch")
        with Image.open(wider / "data" / "images" / "astronaut.png") as photo:
            assert photo.size == (side, side)


HOSTILE = "<img src=x onerror=alert(1)>.png"


def test_new_photographs_are_noticed_and_cost_only_themselves(clone, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(clone, folder, symlinks=True)
    photos = folder / "data" / "own" / "photos"
    photos.mkdir()
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
    assert json.loads((folder / "metrics" / "speed.json").read_text())["model"]["filled"] == 3
    assert HOSTILE not in (folder / "metrics" / "review" / "index.html").read_text()
    assert sh(folder, "git", "status", "--porcelain", "data/own") == ""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
