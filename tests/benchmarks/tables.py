"""Write the tables in docs/ that hold figures of benchmarks, from what the benchmarks measured.

    python tests/benchmarks/tables.py

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``, made of the files
in results/; a test compares the two.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Rows = Iterator[tuple[object, ...]]


def main() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        if (new := rewritten(text)) != text:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def rewritten(text: str) -> str:
    """A text whose tables hold what was measured."""
    return PLACE.sub(lambda place: place[1] + _markdown(TABLES[place[2]]()) + place[3], text)


def speed() -> Rows:
    yield "", "this pipeline", "compared with"
    fill, evaluate, fetch = _measured("fill"), _measured("evaluate"), _measured("fetch")
    model, telea = (fill[name]["one item more"]["seconds"] for name in ("model", "telea"))
    yield (
        "a hole of the embedded model, 128×128, 1 step",
        _seconds(model["stage"]),
        f"{_seconds(model['loop'])} in a plain loop over a diffusers pipeline, one image per call",
    )
    iopaint = fill["telea"]["machine"]["peer"]["iopaint"]
    yield (
        "a 512×512 picture by Telea's method, start-up left out",
        _seconds(telea["stage"]),
        f"{_seconds(telea['iopaint'])} with IOPaint {iopaint}'s batch command",
    )
    took = evaluate["whole"]["seconds"]
    yield (
        f"SSIM and PSNR of {evaluate['pairs']:,} results at 256×256, of hole and ring too",
        _seconds(took["SSIM and PSNR, a process a core"]),
        f"{_seconds(took['scikit-image loop'])} with scikit-image in a loop, "
        f"{_seconds(took['torchmetrics loop'])} with torchmetrics, of the image alone",
    )
    yield "all metrics of them", _seconds(took["every metric, a process a core"]), ""
    whole, more = (fetch[name]["seconds"] for name in ("whole process", "one item more"))
    peer = f"img2dataset {fetch['machine']['peer']['img2dataset']}"
    yield (
        f"{fetch['photographs']} photographs of 640×480 from a web server, as a process",
        _seconds(whole["fetch"]),
        f"{_seconds(whole['img2dataset'])} with {peer}",
    )
    yield (
        "each further one of them",
        _milliseconds(more["fetch"]),
        f"{_milliseconds(more['img2dataset'])} with img2dataset, by area and not by Lanczos",
    )
    yield "each further one from disk", _milliseconds(more["fetch from disk"]), ""
    overhead = _measured("overhead")
    yield (
        f"the model's run over {overhead['holes']} holes",
        _seconds(overhead["seconds"]["model"]),
        f"{_seconds(overhead['seconds']['networks'])} of these inside the networks",
    )


def growth() -> Rows:
    measured = _measured("growth")["photographs"]
    yield ("", *(f"{int(count):,} photographs" for count in measured))
    for step in measured["100"]:
        costs = [measured[count][step] for count in measured]
        yield (step, *(f"{_seconds(c['seconds'])}, {c['peak_mb']:.0f} MiB" for c in costs))


def photographs() -> Rows:
    measured = _measured("photographs")["photographs"]
    yield ("", *(f"{n} photograph{'s' * (n != '1')}" for n in measured))
    for stage in next(iter(measured.values())):
        costs = [measured[count][stage] for count in measured]
        yield (
            stage,
            *(
                f"{_seconds(c['seconds_per_photograph'])} each, {c['peak_memory_mib']:.0f} MiB"
                for c in costs
            ),
        )


def full_size() -> Rows:
    measured = _measured("full_size")
    yield "loaded from", "whole process", "peak memory"
    for place in ("folder", "Hub cache"):
        cost = measured[place]
        yield f"its {place}", _seconds(cost["seconds"]), f"{cost['peak_memory_mib'] / 1024:.1f} GiB"


def hours() -> Rows:
    measured = _measured("scale")["hours"]
    gpus = list(next(iter(measured.values())))
    yield ("side", "at an achieved", *(f"{n} GPU{'s' * (n != '1')}" for n in gpus))
    for case, alone in measured.items():
        side, rate = case.split(", ")
        if side != "1024":
            yield (side, rate, *(_hours(alone[n]) for n in gpus))


def remotes() -> Rows:
    yield "", "push", "pull", "so 70,000 photographs, 350,000 files"
    for row in _measured("remotes")["rows"]:
        many = "DVC's default of 8 jobs" if row["jobs"] == "default" else f"{row['jobs']} jobs"
        how = "as two tars" if row["as"] == "tars" else many
        yield (
            f"{row['remote']}, {how}",
            f"{row['push']['2000']:.0f} s",
            f"{row['pull']['2000']:.0f} s",
            f"{row['push_ffhq_hours']:.1f} h and {row['pull_ffhq_hours']:.1f} h",
        )


def windows() -> Rows:
    yield "hole", "method", "in the hole", "windows", "scaled", "gain of windows", "better on"
    labels = {"hole_ssim": "SSIM", "hole_psnr": "PSNR (dB)", "hole_sharpness": "sharpness"}
    for hole, methods in _measured("windows")["holes"].items():
        for method, table in methods.items():
            for metric, label in labels.items():
                one, digits = table[metric], 2 if metric == "hole_psnr" else 3
                gain = one["gain"]
                yield (
                    hole,
                    method,
                    label,
                    *(f"{one[way]['mean']:.{digits}f}" for way in ("windows", "scaled")),
                    f"{gain['mean']:+.{digits}f} [{gain['low']:+.{digits}f}, "
                    f"{gain['high']:+.{digits}f}]",
                    f"{one['better_on']} of {one['of']}",
                )


TABLES: dict[str, Callable[[], Rows]] = {
    "speed": speed,
    "growth": growth,
    "photographs": photographs,
    "full_size": full_size,
    "hours": hours,
    "windows": windows,
    "remotes": remotes,
}


def _measured(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def _hours(value: float) -> str:
    return f"{value:.1f} h" if value >= 0.1 else f"{value:.2f} h"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"


def _markdown(rows: Rows) -> str:
    head, *body = list(rows)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    main()
