"""How much longer the inpaint stage takes than the networks that it keeps busy.

    python tests/benchmarks/bench_overhead.py [--holes 128] [--rounds 3]

Fills the holes with the embedded model at its default settings. Compared are the model run, from
the first photograph read to the last result written (reading, hashing, prefill, batching, paste,
PNG and the result cache), and the part of it inside UNet, autoencoder and text encoder. Imports,
loading the model, the round trip and the baseline lie outside both; they are told beside them.
Prints a table and writes results/overhead.json.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import measure

WATCHED = Path(__file__).with_name("timed_inpaint.py")


def main() -> None:
    options = measure.arguments(__doc__, holes=128, rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        measure.draw_holes(project, options.holes)
        rounds = [run(project) for _ in range(options.rounds)]
    parts = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    overhead = statistics.median(one["model"] / one["networks"] for one in rounds)
    print(f"{options.holes} holes, {measure.cores()} cores, median of {options.rounds}")
    for name, seconds in parts.items():
        print(f"{name:12}{seconds:8.2f} s")
    print(f"model run over networks: {overhead:.3f}")
    report = {"holes": options.holes, "rounds": options.rounds, "seconds": parts}
    report |= {"overhead": overhead, "machine": measure.machine("torch", "diffusers")}
    measure.write(options.output, "overhead", report)


def run(project: Path) -> dict[str, float]:
    """Seconds of the parts of one run that has everything to do, and of the whole process."""
    measure.forget_fills(project)
    whole = measure.wall([sys.executable, str(WATCHED)], project)
    parts = json.loads(measure.output(project).splitlines()[-1])
    return {name: parts[name] for name in ("networks", "model", "roundtrip", "baseline")} | {
        "whole process": whole
    }


if __name__ == "__main__":
    main()
