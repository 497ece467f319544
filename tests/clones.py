"""What a test needs to walk the whole way in clones: commands, settings, hashes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SMALL = {
    "side": "64",
    "per_image: auto": "per_image: 3",
    "num_inference_steps": "2",
    "strength": "1.0",
    "review_images": "4",
    "bootstrap": "200",
}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_"))}
ENVIRONMENT["PATH"] = f"{Path(sys.executable).parent}:{ENVIRONMENT['PATH']}"
ENVIRONMENT |= {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


def sh(folder: Path, *command: str, check: bool = True) -> str:
    """Run a command as a user in that folder would; its output, both streams."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}"
    return done.stdout


def pretend_version(folder: Path, library: str, version: str) -> Path:
    """A folder that, first in PYTHONPATH, makes the installed library another version's."""
    about = folder / f"{library.replace('-', '_')}-{version}.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n")
    return folder


def setting(folder: Path, line: str, new: str) -> None:
    path = folder / "params.yaml"
    text, count = re.subn(rf"^  {line}.*$", f"  {new}", path.read_text(), count=1, flags=re.M)
    assert count == 1, line
    path.write_text(text)


def commit(folder: Path, message: str) -> None:
    sh(folder, "git", "add", "-A")
    sh(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)


def outputs(folder: Path) -> dict[str, str]:
    """Path → hash of every output in dvc.lock."""
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    outs = [out for stage in stages.values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs}
