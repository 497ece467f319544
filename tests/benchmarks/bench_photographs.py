"""What whole photographs of 24 megapixels cost, stage by stage, and whether memory stays bounded.

    python tests/benchmarks/bench_photographs.py [--photographs 20] [--fewer 2]

Both numbers of photographs, 6000×4000 pixels each, with a hole of one megapixel, go through the
stages with ``fetch.fit: whole``, the embedded model, its baseline and its contenders, each stage
as a process of its own. Prints seconds and peak memory (of a stage and all its children) and
writes results/photographs.json.
"""

import tempfile
from pathlib import Path

import measure
import numpy as np
from PIL import Image
from skimage import data

WIDTH, HEIGHT = 6000, 4000
HOLE = 1_000_000
STAGES = ("fetch", "mask", "inpaint", "evaluate", "plot")


def main() -> None:
    options = measure.arguments(__doc__, photographs=20, fewer=2)
    report = {"width": WIDTH, "height": HEIGHT, "hole_pixels": HOLE, "photographs": {}}
    for count in (options.fewer, options.photographs):
        with tempfile.TemporaryDirectory() as folder:
            report["photographs"][str(count)] = run(Path(folder), count)
    report["machine"] = measure.machine("numpy", "pillow", "torch", "opencv-python-headless")
    measure.write(options.output, "photographs", report)


def run(project: Path, count: int) -> dict[str, dict[str, float]]:
    """Seconds for each photograph, and peak MiB, of each stage."""
    photographs = project / "photographs"
    measure.start_project(
        project,
        fetch={"source": str(photographs), "fit": "whole"},
        mask={"ratio": HOLE / (WIDTH * HEIGHT)},
        inpaint={"model": str(measure.ROOT / "data/models/face-tiny")},
    )
    save(photographs, count)
    costs = {}
    for stage in STAGES:
        seconds, mebibytes = measure.cost(measure.stage(stage), project)
        costs[stage] = {"seconds_per_photograph": seconds / count, "peak_memory_mib": mebibytes}
        print(f"{count}: {stage}: {seconds / count:.1f} s each, {mebibytes:.0f} MiB at most")
    return costs


def save(folder: Path, count: int) -> None:
    """Crops of one picture, enlarged and grainy, as JPEG."""
    folder.mkdir()
    picture = Image.fromarray(data.coffee())
    for number in range(count):
        rng = np.random.default_rng(number)
        left, top = rng.integers(0, (240, 160))
        box = (left, top, left + 360, top + 240)
        large = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box)
        grain = rng.normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
        grainy = (np.asarray(large) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(grainy).save(folder / f"{number:02d}.jpg", quality=92)


if __name__ == "__main__":
    main()
