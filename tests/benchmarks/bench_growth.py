"""How time and memory of each stage grow with the number of photographs.

    python tests/benchmarks/bench_growth.py [--largest 10000]

A tenth of a tenth, a tenth, and all of ``--largest`` photographs of 64×64 pixels from a folder go
through the stages with two classical methods, each stage as a process of its own; then DVC
records them (`dvc commit`), and `dvc repro` is timed with nothing to do. Prints seconds and peak
memory (of a stage and all its children) and writes results/growth.json.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

STAGES = ("check", "fetch", "mask", "inpaint", "evaluate", "plot")
SIDE = 64


def main() -> None:
    options = measure.arguments(__doc__, largest=10_000)
    counts = [options.largest // 100, options.largest // 10, options.largest]
    sizes = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            sizes[count] = run(Path(folder), count)
    show(sizes)
    report = {"machine": measure.machine("dvc", "numpy", "opencv-python-headless", "pillow")}
    measure.write(options.output, "growth", report | {"photographs": sizes})


def run(project: Path, count: int) -> dict[str, dict[str, float]]:
    """Seconds and peak MiB of each step over ``count`` photographs."""
    copy_repository(project)
    measure.write_params(
        project,
        fetch={"source": "data/own/photos", "side": SIDE},
        mask={"per_image": 1},
        inpaint={"backend": "telea", "prefill": "mean", "baseline": "mean", "contenders": {}},
    )
    measure.save_photographs(project / "data/own/photos", count, SIDE, SIDE, "png")
    steps = {name: [sys.executable, f"stages/{name}.py"] for name in STAGES}
    dvc = [sys.executable, "-m", "dvc"]
    steps |= {
        "dvc commit": [*dvc, "commit", "--force"],
        "dvc repro, nothing to do": [*dvc, "repro"],
    }
    costs = {}
    for name, command in steps.items():
        seconds, memory = measure.cost(command, project)
        costs[name] = {"seconds": seconds, "peak_mb": memory}
        print(f"{count}: {name}: {seconds:.1f} s, {memory:.0f} MiB", file=sys.stderr)
    said = measure.output(project)
    assert "Data and pipelines are up to date" in said, said
    return costs


def copy_repository(project: Path) -> None:
    """The repository's files as they are now, under a git of their own."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=measure.ROOT, text=True).split("\0")[:-1]
    for name in names:
        if (measure.ROOT / name).is_file() and not name.startswith(("tests/", ".github/")):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(measure.ROOT / name, project / name)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)


def show(sizes: dict[int, dict[str, dict[str, float]]]) -> None:
    counts = list(sizes)
    first, last = sizes[counts[0]], sizes[counts[-1]]
    print(f"{'':26}" + "".join(f"{count:>10}" for count in counts) + "  ms/image  memory ×")
    for name in first:
        seconds = [sizes[count][name]["seconds"] for count in counts]
        marginal = (seconds[-1] - seconds[0]) / (counts[-1] - counts[0]) * 1000
        growth = last[name]["peak_mb"] / first[name]["peak_mb"]
        cells = "".join(f"{value:>8.1f} s" for value in seconds)
        print(f"{name:26}{cells}{marginal:>10.2f}{growth:>10.2f}")
        print(f"{'':26}" + "".join(f"{sizes[n][name]['peak_mb']:>6.0f} MiB" for n in counts))


if __name__ == "__main__":
    main()
