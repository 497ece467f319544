"""Every command in README and docs/ is run by a test, or its settings are checked by one.

Here, in the order of a journey, or in a named test.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from clones import ROOT, commit, setting, sh
from PIL import Image
from skimage.data import cat

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TOOLS = "chromium|curl|dvc|export|git|hf|mkdir|pip|pytest|python|python3|ray|rm|touch"

# What runs here, in this order.
EXPERIMENTS = [
    "dvc dag",
    "dvc exp run --temp --name larger -S mask.ratio=0.4",
    "dvc metrics diff --no-path HEAD larger",
    "dvc exp run --queue -S mask.ratio=0.1,0.2",
    "dvc exp run --run-all",
    'dvc exp show --drop ".*" --keep "Experiment|mask.ratio|ssim.mean|psnr.mean|gain.hole_psnr"',
    "dvc exp apply larger",
    "dvc params diff",
    "dvc metrics show",
    "dvc metrics diff --no-path HEAD~1",
    "dvc plots diff HEAD~1",
    "git restore . && dvc checkout",
    "dvc exp remove larger",
    "dvc repro -f -s fetch && dvc repro",
]
PROMISE = [
    "mkdir -p data/own/photos && cp ~/Pictures/*.jpg data/own/photos/",
    "dvc exp run -S fetch.source=data/own/photos "
    "-S '+inpaint.contenders.steps8={num_inference_steps: 8}'",
    "cat metrics/ranking.md",
]
TRAPS = [
    "rm .dvc/tmp/rwlock",
    r"(cd .dvc/cache/files/md5 && find . -type f "
    r"| sed 's|./\(..\)/\(.*\)|\1\2  &|; s|\.dir  |  |' | md5sum --check --quiet)",
    "dvc repro --force",
    "dvc gc -w",
]


def shown(page: str, start: str, end: str | None = None) -> list[str]:
    """The commands in the shell blocks of docs/<page> from one text to another, in their order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    part = text[text.index(start) : text.index(end) if end else None]
    blocks = re.findall(r"```sh\n(.*?)```", part, re.S)
    return [line for block in blocks for line in block.splitlines()]


RESTORE = shown("photographs.md", "**Restore a scratched", "**Remove an object.")
REMOVE = shown("photographs.md", "**Remove an object.", "**Edit by prompt.")
PICTURE = shown("review.md", "The screenshot above")
RUN_HERE = EXPERIMENTS + PROMISE + TRAPS + RESTORE + REMOVE + PICTURE
# What no test runs, since it needs the internet.
ONLINE = [
    "hf download",
    "hf download ID",
    "hf download gaunernst/ffhq-1024-wds --repo-type dataset "
    "--revision d74f1f1f59e3bbe975bee29872b9bef827314577",
    "pip install torch",
    "pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
]
# What runs in another test, or has its settings checked there.
ELSEWHERE = {
    r"python3 -m venv|pip install -r requirements(-dev)?.txt": ".ci/run",
    r"dvc (repro|repro mask|pull|push|checkout|metrics|exp run)$": "tests/test_own.py",
    r"dvc add|mkdir": "tests/test_own.py",
    r"dvc (remote|push|pull|status|repro --pull)": "tests/test_remotes.py",
    r"git checkout|pip install dvc-": "tests/test_remotes.py",
    r"git status": "tests/test_pipeline.py",
    r"ray |export RAY|pip install -r requirements-ray": "tests/test_on_ray.py",
    r"python stages/preset.py": "tests/test_preset.py",
    r"python tests/benchmarks/": "tests/test_benchmarks.py",
    r"python stages/compare.py": "tests/test_compare.py",
    r"python stages/\w+.py --help": "tests/test_layout.py",
    r"python stages/(fill|finish).py": "tests/test_fill.py, tests/test_finishing.py",
    r"dvc exp run .*-S ": "tests/test_readme.py",
    r"pytest": ".ci/run",
}  # fmt: skip


def commands(page: Path) -> list[str]:
    """Lines of shell blocks and commands within the text."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.split("\n")
    ]
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    lines += re.findall(rf"`((?:{TOOLS}) [^`\n]*)`", prose)
    return [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_run_or_checked_somewhere(page):
    for command in commands(page):
        known = command in RUN_HERE + ONLINE or any(re.match(one, command) for one in ELSEWHERE)
        assert known, f"{page.name}: no test runs or checks {command!r}"


def test_the_tests_named_for_commands_exist():
    for names in ELSEWHERE.values():
        for name in names.split(", "):
            assert (ROOT / name).is_file(), name


def test_what_is_run_here_is_what_the_pages_say():
    written = {command for page in PAGES for command in commands(page)}
    assert set(RUN_HERE + ONLINE) <= written


@pytest.fixture(scope="module")
def quick(source, tmp_path_factory) -> Path:
    """A run by the fastest method, committed twice, with nothing of the user's own."""
    folder = tmp_path_factory.mktemp("quick") / "repo"
    sh(source, "git", "clone", "-q", str(source), str(folder))
    setting(folder, "backend:", "backend: mean")
    setting(folder, "per_image:", "per_image: 1")
    for message in ("First", "Second"):
        sh(folder, "dvc", "repro")
        commit(folder, message)
        setting(folder, "dpi:", "dpi: 100")
    sh(folder, "git", "restore", ".")
    return folder


def shell(folder: Path, command: str, check: bool = True) -> str:
    return sh(folder, "sh", "-c", command, check=check)


def test_experiments_do_not_touch_the_workspace_until_applied(quick):
    told = {}
    for command in EXPERIMENTS:
        told[command] = shell(quick, command)
        if "exp run" in command:
            assert sh(quick, "git", "status", "--porcelain") == "", command
    shown = told[EXPERIMENTS[5]]
    assert {"0.4", "0.1", "0.2"} <= set(re.findall(r"0\.\d", shown))
    assert max(len(line) for line in shown.splitlines()) <= 100
    assert "ssim.mean" in told["dvc metrics diff --no-path HEAD larger"]
    assert "mask.ratio" in told["dvc params diff"]
    assert "larger" not in sh(quick, "dvc", "exp", "list", "--name-only").split()


def test_three_lines_lead_from_photographs_to_which_method_is_best(source, tmp_path):
    sh(source, "git", "clone", "-q", str(source), str(tmp_path / "repo"))
    (tmp_path / "Pictures").mkdir()
    for number in range(7):
        crop = cat()[20 * number : 20 * number + 160, 30 * number : 30 * number + 160]
        Image.fromarray(crop).save(tmp_path / f"Pictures/cat{number}.jpg")
    told = [
        shell(tmp_path / "repo", command.replace("~/Pictures", str(tmp_path / "Pictures")))
        for command in PROMISE
    ]
    (first,) = re.findall(
        r"^PSNR in the hole: (\S+) (?:is better than \S+ by|and \S+ cannot be told apart:) "
        r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+\] dB$",
        told[1],
        re.M,
    )
    table = told[2].split("## PSNR in the hole (dB): higher is better\n")[1].split("##")[0]
    assert re.search(rf"^\| 1 \(1–\d\) \| {first} \|", table, re.M)
    assert "| steps8 |" in table


def test_diffs_stay_readable_with_ten_contenders_of_long_names(quick, tmp_path):
    folder = Path(shutil.copytree(quick, tmp_path / "repo", symlinks=True))
    contenders = [f"{'a-long-name-of-a-contender-' * 2}"[:38] + f"{k:02d}" for k in range(10)]
    lines = [f"    {name}: {{backend: mean}}" for name in contenders]
    setting(folder, "contenders:", "\n".join(["contenders:", *lines]))
    sh(folder, "dvc", "repro")
    table = sh(folder, "dvc", "metrics", "diff", "--no-path", "HEAD")
    assert max(map(len, table.splitlines())) <= 100
    assert [table.count(name) for name in contenders] == [2] * 10
    markdown = sh(folder, "dvc", "metrics", "diff", "--md", "HEAD").strip().splitlines()
    assert len({line.count("|") for line in markdown}) == 1 and len(markdown) > 20
    assert "failed" not in sh(folder, "dvc", "plots", "diff", "HEAD", "-o", "page")


def test_traps_of_dvc_and_the_way_out(quick, tmp_path):
    folder = Path(shutil.copytree(quick, tmp_path / "repo", symlinks=True))
    (folder / ".dvc" / "tmp" / "rwlock").write_text("")
    said = sh(folder, "dvc", "repro", "mask", check=False)
    assert "Unable to read RWLock-file '.dvc/tmp/rwlock'" in said
    shell(folder, TRAPS[0])
    assert "up to date" in sh(folder, "dvc", "repro", "mask")

    photo = folder / "data" / "images" / "astronaut.png"
    whole = photo.read_bytes()
    (damaged,) = (one for one in cache(folder) if one.read_bytes() == whole)
    damaged.chmod(0o644)
    damaged.write_bytes(whole[:-1] + b"x")
    photo.unlink()
    sh(folder, "dvc", "checkout")
    assert photo.read_bytes() != whole
    named = shell(folder, TRAPS[1], check=False)
    assert re.findall(r"\./(\w\w/\w{30}): FAILED", named) == [
        f"{damaged.parent.name}/{damaged.name}"
    ]
    damaged.unlink()
    (folder / "data" / "images" / "mine.png").write_bytes(whole)
    shell(folder, TRAPS[2])
    assert photo.read_bytes() == whole and damaged.read_bytes() == whole
    assert not (folder / "data" / "images" / "mine.png").exists(), "an output is the stage's own"
    sh(folder, *TRAPS[3].split(), "--force")
    assert "up to date" in sh(folder, "dvc", "repro")


def test_photographs_are_restored_and_objects_removed_as_the_page_says(quick, tmp_path):
    folder = Path(shutil.copytree(quick, tmp_path / "repo", symlinks=True))
    setting(folder, "side:", "side: 128")
    commit(folder, "The sample's own size")
    for command in [*RESTORE, "git restore . && dvc checkout", *REMOVE]:
        shell(folder, command.replace("/tmp/", f"{tmp_path}/"))
    assert Image.open(folder / ".github" / "restored.jpg").size == (910, 300)
    assert Image.open(folder / ".github" / "removed.jpg").size == (1288, 427)
    (hole,) = (folder / "data" / "masks").iterdir()
    assert Image.open(hole).getbbox() == (44, 4, 83, 26)
    assert "ssim" not in (folder / "metrics" / "quality.json").read_text()


def test_the_picture_of_the_page_is_made_as_the_page_says(quick, program, tmp_path):
    folder = Path(shutil.copytree(quick, tmp_path / "repo", symlinks=True))
    chromium = tmp_path / "bin" / "chromium"
    chromium.parent.mkdir()
    # A container's root may not use the sandbox; the only page opened is our own.
    chromium.write_text(f'#!/bin/sh\nexec {program("chromium", "chromium")} --no-sandbox "$@"\n')
    chromium.chmod(0o755)
    picture = folder / ".github" / "review.png"
    picture.unlink()
    shell(folder, f"export PATH={chromium.parent}:$PATH; {PICTURE[0]}")
    taken = Image.open(picture).convert("RGB")
    assert taken.size == (1280, 720) and taken.getcolors(256) is None
    shell(folder, PICTURE[1])
    reduced = Image.open(picture).convert("RGB")
    assert np.abs(np.asarray(reduced, int) - np.asarray(taken, int)).mean() < 4


def cache(folder: Path) -> list[Path]:
    return [one for one in (folder / ".dvc" / "cache").rglob("*") if one.is_file()]
