"""What several test files need: system programs, and one finished run of the whole pipeline."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from clones import ROOT, SMALL, commit, setting, sh

# What to run after every change: `pytest -m fast`. A file is here while all its tests are quick.
FAST = {"console", "images", "layout", "masks", "metrics", "names", "params", "readme", "records",
        "windows"}  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in FAST:
            item.add_marker("fast")


@pytest.fixture(scope="session")
def program():
    """Path of a system program; without it the test is skipped, or fails where CI forbids that."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/openssh")
        if path is None:
            text = f"{name} is missing; on Debian: apt-get install {package}"
            (pytest.fail if os.environ.get("WIZARD_NO_SKIP") else pytest.skip)(text)
        return path

    return find


@pytest.fixture
def browser(program):
    """Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    chromium = program("chromium", "chromium")
    with sync_playwright() as driver:
        # A container's root may not use the sandbox; the only pages opened are our own.
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def clone(source, tmp_path_factory) -> Path:
    """A clone in which `dvc repro` has run once and everything is committed."""
    folder = tmp_path_factory.mktemp("clone") / "repo"
    sh(source, "git", "clone", "-q", str(source), str(folder))
    sh(folder, "dvc", "repro")
    commit(folder, "Run")
    return folder
