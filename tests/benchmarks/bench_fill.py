"""How fast holes are filled, beside the loop that one would write and beside IOPaint.

    python tests/benchmarks/bench_fill.py [--holes 128] [--pictures 200] [--peers VENV]

1. The inpaint stage with the embedded model against plain_loop.py: same checkpoint, steps, size.
   The stage also makes the round trip and the baseline, which the loop does not. Beside both, the
   stage's seconds inside the networks: no program around the same networks can be quicker.
2. The stage with Telea's method against IOPaint's batch command set to the same method and radius,
   on pictures of 512×512. The stage also makes a baseline of mean colours.

Each is timed as a process, start to end, and for one image more once it runs: for the first pair by
what both tell of themselves, for the second by the difference to a process with one picture. Prints
a table and writes results/fill.json.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import measure

STAGE = Path(__file__).with_name("timed_inpaint.py")
LOOP = Path(__file__).with_name("plain_loop.py")
SIDE = 512


def main() -> None:
    options = measure.arguments(__doc__, holes=128, pictures=200, rounds=3)
    report = {"rounds": options.rounds, "cores": measure.cores()}
    report["model"] = against_loop(options.holes, options.rounds)
    if options.peers:
        report["telea"] = against_iopaint(options.pictures, options.rounds, options.peers)
    measure.write(options.output, "fill", report)


def against_loop(holes: int, rounds: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        measure.draw_holes(project, holes)
        running = {"stage": [], "networks": [], "loop": []}

        def stage() -> float:
            measure.forget_fills(project)
            seconds = measure.wall([sys.executable, str(STAGE)], project)
            told = json.loads(measure.output(project).splitlines()[-1])
            running["stage"].append(told["model"] / holes)
            running["networks"].append(told["networks"] / holes)
            return seconds

        def loop() -> float:
            output = project / "loop"
            shutil.rmtree(output, ignore_errors=True)
            seconds = measure.wall([sys.executable, str(LOOP), str(output)], project)
            told = json.loads(measure.output(project).splitlines()[-1])
            running["loop"].append(told["loop"] / holes)
            return seconds

        whole = measure.in_turn({"stage": stage, "loop": loop}, rounds)
    seconds = {"whole process": whole, "one item more": running}
    print(f"\nembedded model, {holes} holes of 128×128, {measure.cores()} cores")
    machine = measure.machine("torch", "diffusers", "opencv-python-headless")
    return {"holes": holes, **measure.compare(seconds, "stage"), "machine": machine}


def against_iopaint(pictures: int, rounds: int, peers: Path) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        projects = {count: Path(folder) / str(count) for count in (1, pictures)}
        for count, project in projects.items():
            prepare_telea(project, count)

        def stage(count: int) -> float:
            measure.forget_fills(projects[count])
            return measure.wall(measure.stage("inpaint"), projects[count])

        def iopaint(count: int) -> float:
            command = [str(peers / "bin/iopaint"), "run", "--model", "cv2", "--device", "cpu"]
            for name in ("image", "mask", "output", "config"):
                command += [f"--{name}", f"iopaint/{name}" + ".json" * (name == "config")]
            return measure.wall(command, projects[count])

        ways = {"stage": stage, "iopaint": iopaint}
        seconds = measure.at_two_sizes(ways, pictures, rounds)
        made = len(list((projects[pictures] / "iopaint/output").glob("*.png")))
        assert made == pictures, f"IOPaint filled {made} of {pictures}"
    print(f"\nTelea's method, {pictures} pictures of {SIDE}×{SIDE}, {measure.cores()} cores")
    machine = measure.machine("opencv-python-headless")
    machine["peer"] = measure.peer_versions(peers, "iopaint", "torch", "opencv-python")
    return {"pictures": pictures, **measure.compare(seconds, "stage"), "machine": machine}


def prepare_telea(project: Path, count: int) -> None:
    """Photographs with a hole each, and the same files in the way that IOPaint takes them."""
    project.mkdir()
    telea = {"backend": "telea", "baseline": "mean", "contenders": {}}
    photographs = project / "photographs"
    measure.save_photographs(photographs, count, SIDE, SIDE, "png")
    measure.start_project(project, fetch={"source": str(photographs), "side": SIDE}, inpaint=telea)
    for name in ("fetch", "mask"):
        measure.wall(measure.stage(name), project)
    for name in ("image", "mask"):
        (project / "iopaint" / name).mkdir(parents=True)
    for hole in measure.rows(project, "masks"):
        names = {"image": f"images/{hole['image']}.png", "mask": hole["file"]}
        for name, file in names.items():
            shutil.copyfile(project / "data" / file, project / f"iopaint/{name}/{hole['id']}.png")
    same_method = {"cv2_flag": "INPAINT_TELEA", "cv2_radius": 3}
    (project / "iopaint/config.json").write_text(json.dumps(same_method))


if __name__ == "__main__":
    main()
