"""What several test files need: system programs, and params.yaml at small size."""

import os
import shutil

import pytest


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
