"""Photographs and masks of one's own under DVC: in experiments, in other clones, by mistake."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from clones import commit, outputs, setting, sh
from PIL import Image

ADD = "dvc add data/own/photos data/own/masks"


@pytest.fixture(scope="module")
def own(source, tmp_path_factory) -> Path:
    """A repository with two photographs and masks of its own that only this disk has."""
    folder = tmp_path_factory.mktemp("own") / "repo"
    sh(source, "git", "clone", "-q", str(source), str(folder))
    for name, top in (("cat", 10), ("dog", 20)):
        pixels = np.random.default_rng(top).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        save(folder / f"data/own/photos/{name}.png", pixels)
        save(folder / f"data/own/masks/{name}.png", np.eye(64, k=top, dtype=bool))
    setting(folder, "source:", "source: data/own/photos")
    setting(folder, "shape:", "shape: files")
    setting(folder, "backend:", "backend: mean")
    assert sh(folder, "git", "status", "--porcelain", "data") == ""
    sh(folder, "dvc", "repro", "mask")
    sh(folder, "dvc", "remote", "add", "--default", "store", str(folder.parent / "store"))
    commit(folder, "Own photographs")
    return folder


@pytest.fixture(scope="module")
def added(own) -> Path:
    """The same, with photographs and masks added to DVC."""
    folder = own.parent / "added"
    shutil.copytree(own, folder, symlinks=True)
    sh(folder, *ADD.split())
    status = sh(folder, "git", "status", "--porcelain")
    assert status.split() == ["A", "data/own/masks.dvc", "A", "data/own/photos.dvc"]
    sh(folder, "dvc", "repro", "mask")
    commit(folder, "Share them")
    return folder


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert("RGB").save(path)


def ran(said: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", said)


def test_a_bad_setting_deletes_nothing(own):
    before = outputs(own)
    setting(own, "ratio:", "ratio: 1.5")
    said = sh(own, "dvc", "repro", "mask", check=False)
    assert ran(said) == ["check"] and "mask.ratio = 1.5: allowed" in said
    assert len(list((own / "data" / "masks").iterdir())) == 2
    sh(own, "git", "reset", "-q", "--hard")
    assert ran(sh(own, "dvc", "repro", "mask")) == []
    assert outputs(own) == before


def test_a_setting_of_the_runtime_costs_the_check_alone(own):
    setting(own, "max_failures:", "max_failures: 1")
    assert ran(sh(own, "dvc", "repro", "mask")) == ["check"]
    sh(own, "git", "reset", "-q", "--hard")


def test_a_clone_without_the_photographs_says_so_and_keeps_the_images(own):
    sh(own, "dvc", "push")
    there = own.parent / "there"
    sh(own, "git", "clone", "-q", str(own), str(there))
    sh(there, "dvc", "pull", "fetch", "mask")
    images = sorted((there / "data" / "images").iterdir())
    said = sh(there, "dvc", "repro", "mask", check=False)
    assert ran(said) == ["check"]
    assert "fetch.source = 'data/own/photos': no files there" in said and "dvc add" in said
    assert len(images) == 2 and sorted((there / "data" / "images").iterdir()) == images


def test_a_clone_pulls_what_was_added(added):
    sh(added, "dvc", "push")
    there = added.parent / "pulled"
    sh(added, "git", "clone", "-q", str(added), str(there))
    said = sh(there, "dvc", "repro", "mask", check=False)
    assert "missing data 'source': data/own/" in said
    sh(there, "dvc", "pull", "data/own/photos", "data/own/masks", "mask", "fetch", "check")
    assert ran(sh(there, "dvc", "repro", "mask")) == []
    # A further photograph is noticed, recorded and costs itself.
    shutil.copyfile(there / "data/own/photos/cat.png", there / "data/own/photos/owl.png")
    shutil.copyfile(there / "data/own/masks/cat.png", there / "data/own/masks/owl.png")
    assert ran(sh(there, "dvc", "repro", "mask")) == ["check", "fetch", "mask"]
    assert "M data/own/photos.dvc" in sh(there, "git", "status", "--porcelain").replace("  ", " ")


def test_queued_and_temporary_experiments_see_what_was_added(added):
    sh(added, "dvc", "exp", "run", "--queue", "-n", "queued", "-S", "mask.seed=1", "mask")
    sh(added, "dvc", "exp", "run", "--run-all")
    sh(added, "dvc", "exp", "run", "--temp", "-n", "apart", "-S", "mask.seed=2", "mask")
    assert set(sh(added, "dvc", "exp", "list", "--name-only").split()) == {"queued", "apart"}
    assert sh(added, "git", "status", "--porcelain") == ""
