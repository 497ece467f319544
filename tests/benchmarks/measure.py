"""What the benchmarks share: a project to run stages in, fair timing, one form of report.

Importing this file puts ``stages/`` on the path, as running a stage does.
"""

import argparse
import contextlib
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import yaml
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).parents[2]
STAGES = ROOT / "stages"
RESULTS = Path(__file__).parent / "results"
MEMORY_EVERY_S = 0.05

sys.path.insert(0, str(STAGES))

from wizard.runners.local import cores  # noqa: E402 (it needs the path)


def arguments(doc: str, **defaults: int | Path) -> argparse.Namespace:
    """The command line of a benchmark: a whole number or a path for each default, where the
    JSON file goes, and where the peers are."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name}", type=type(default), default=default, help=f"default: {default}"
        )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the JSON file")
    parser.add_argument(
        "--peers", type=Path, help="virtual environment of requirements-bench.txt; none: left out"
    )
    return parser.parse_args()


def write_params(project: Path, **blocks: dict) -> None:
    """params.yaml of the repository with some settings changed, block by block."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name, changed in blocks.items():
        settings[name] |= changed
    (project / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def start_project(project: Path, **blocks: dict) -> None:
    """A folder that the stages can run in, with nothing made in it."""
    write_params(project, **blocks)
    (project / "data").mkdir()
    for name in ("ratings.csv", "picks.csv"):
        shutil.copyfile(ROOT / "data" / name, project / "data" / name)


def stage(name: str) -> list[str]:
    return [sys.executable, str(STAGES / f"{name}.py")]


def draw_holes(project: Path, count: int) -> None:
    """Start a project with the pipeline's own samples, fetched, under ``count`` holes (even)."""
    model = {"model": str(ROOT / "data/models/face-tiny"), "contenders": {}}
    start_project(project, mask={"per_image": count // 2}, inpaint=model)
    for name in ("fetch", "mask"):
        wall(stage(name), project)


def rows(project: Path, manifest: str) -> list[dict]:
    """The rows of one of a project's manifests."""
    lines = (project / f"data/{manifest}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def forget_fills(project: Path) -> None:
    """Delete what inpaint made, its cache too, so that it has everything to do again."""
    for folder in ("data/inpainted", ".work/inpaint"):
        shutil.rmtree(project / folder, ignore_errors=True)


def wall(command: list[str], folder: Path) -> float:
    """Seconds from the start of a program to its end. Raises RuntimeError when it fails."""
    return cost(command, folder, memory=False)[0]


def cost(command: list[str], folder: Path, memory: bool = True) -> tuple[float, float]:
    """Seconds of a program, and its peak memory in MiB: resident, with all its children.

    Memory is sampled; pages that processes share count once for each. Raises RuntimeError with
    the end of its output when the program fails.
    """
    start, peak = time.perf_counter(), 0
    with open(folder / "output.txt", "wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        while memory and process.poll() is None:
            peak = max(peak, _resident(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(MEMORY_EVERY_S)
        code = process.wait()
    seconds = time.perf_counter() - start
    if code:
        end = output(folder)[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{end}")
    return seconds, peak / 2**20


def output(folder: Path) -> str:
    """What the last program in this folder printed."""
    return (folder / "output.txt").read_text(encoding="utf-8", errors="replace")


def _resident(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between two looks
    return total


def in_turn(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way returns in each round; all ways have their turn before the next round."""
    values = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            values[name].append(way())
    return values


def medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(series) for name, series in values.items()}


def at_two_sizes(
    ways: dict[str, Callable[[int], float]], count: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each way over ``count`` items, and what one item more costs without start-up:
    the difference to the same way over one item, divided by the items between.
    """
    runs = {(name, n): partial(way, n) for name, way in ways.items() for n in (1, count)}
    seconds = in_turn(runs, rounds)
    whole = {name: seconds[name, count] for name in ways}
    more = {
        name: [
            (long - short) / (count - 1)
            for long, short in zip(whole[name], seconds[name, 1], strict=True)
        ]
        for name in ways
    }
    return {"whole process": whole, "one item more": more}


def compare(measured: dict[str, dict[str, list[float]]], own: str) -> dict:
    """Print and return medians, and how many times as long as ``own`` the other ways took.

    ``measured`` is what was measured → way → seconds in each round. A ratio is the median of the
    rounds' own ratios.
    """
    report = {}
    for title, values in measured.items():
        times = {
            name: statistics.median(a / b for a, b in zip(series, values[own], strict=True))
            for name, series in values.items()
        }
        report[title] = {"seconds": medians(values), f"times as long as {own}": times}
        for name, seconds in report[title]["seconds"].items():
            print(f"{title:15}{name:26}{seconds:10.3f} s {times[name]:8.2f} ×")
    return report


def machine(*packages: str) -> dict:
    """Where the numbers were made, and by which versions."""
    versions = {name: version(name) for name in packages}
    return {
        "cores": cores(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "versions": versions,
    }


def peer_versions(peers: Path, *packages: str) -> dict[str, str]:
    """Versions of packages in another virtual environment."""
    code = f"import importlib.metadata as m; print(*(m.version(n) for n in {packages!r}))"
    found = subprocess.check_output([peers / "bin/python", "-c", code], text=True).split()
    return dict(zip(packages, found, strict=True))


def write(folder: Path, name: str, report: dict) -> None:
    """The report as ``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(report), indent=2, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def save_photographs(folder: Path, count: int, height: int, width: int, suffix: str) -> None:
    """Write 00000.<suffix> and so on: different crops of one portrait (at most 1024×1024)."""
    folder.mkdir(exist_ok=True)
    portrait = Image.fromarray(astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS)
    for number in range(count):
        rng = np.random.default_rng(number)
        left, top = rng.integers(0, 1025 - width), rng.integers(0, 1025 - height)
        crop = portrait.crop((left, top, left + width, top + height))
        grainy = np.asarray(crop) + rng.normal(0, 4, (height, width, 3))
        picture = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{number:05d}.{suffix}")
