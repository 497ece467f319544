"""Fill the holes, with the chosen model, the chosen baseline and every contender.

    python stages/inpaint.py       (or: dvc repro inpaint)

Reads data/images.jsonl, data/masks.jsonl and their files; writes
data/inpainted/<run>/<image id>_mask<k>.png for each run, the manifest data/inpainted.jsonl (one
row per result) and metrics/speed.json (what each method cost; since no two runs cost the same,
neither git nor DVC keeps it). The runs:

    model      the results: what the model made of the hole, the original, exactly, elsewhere
    baseline   a classical method, treated like the model: what a model has to beat
    <name>     a contender of inpaint.contenders, treated like the model
    raw        the model's output, outside the hole too (inpaint.keep_raw)
    roundtrip  the original after the model's autoencoder: the autoencoder's own loss
    again, baseline_again   results of the two, parts of which the model filled once more, to see
               whether they agree with themselves (inpaint.self_consistency)

Results are kept under .work/inpaint by everything that determines them: a killed run resumes where
it stopped, an added photograph or method costs only itself, old settings cost nothing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from wizard import console, models, params, records, runs
from wizard.methods import describe, locate, plan_runs, start_workers
from wizard.models import engine
from wizard.runners import local

DATA = Path("data")
AGAIN_OF = {again: name for name, again in runs.AGAIN.items()}


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    inpaint, runtime = settings.inpaint, settings.runtime
    methods = inpaint.methods()
    models.check({name: method.backend for name, method in methods.items()})
    holes = read_holes()
    filled = records.file_sha256(DATA / "masks.jsonl")
    for name, method in methods.items():
        with told_of(name):  # before anything is filled
            locate(method)

    cache = records.result_cache("inpaint", runtime.cache_gb)
    spread = partial(local.run, workers=runtime.workers, processes=False)
    work = engine.Engine(DATA, cache, spread, inpaint.seed)
    speeds = {}
    # One after the other: memory holds the largest alone. Where the model fills parts of the
    # baseline's results again, the baseline comes first.
    waits = bool(inpaint.self_consistency)
    for name in sorted(methods, key=lambda one: waits and one != runs.BASELINE):
        method = methods[name]
        with told_of(name), start_workers(method, runtime) as workers:
            about, speed = workers.about(), engine.Speed()
            for run in plan_runs(name, method, inpaint, runtime, about):
                jobs, total = work.plan(run, holes), len(holes) * run.samples
                if run.name in AGAIN_OF:
                    jobs = work.plan_again(run, holes, of=AGAIN_OF[run.name])
                done = work.run(run, workers, jobs, speed if run.name == name else engine.Speed())
                for _ in console.progress(done, total, f"inpaint {run.name}"):
                    pass
            speeds[name] = speed.summary() | describe(method, about["identity"], filled)

    work.sweep()
    cache.trim()
    text = json.dumps({name: speeds[name] for name in methods}, indent=2) + "\n"
    records.write_atomic(Path("metrics/speed.json"), text.encode())
    records.write(DATA / "inpainted.jsonl", work.rows)
    console.report_failures(work.rows, runtime.max_failures)


def read_holes() -> records.Rows:
    """Every hole that can be filled, with file and prompts of the photograph that it is in."""
    photographs = {
        row["id"]: {"photograph": row["file"]}
        | {key: row[key] for key in ("prompt", "negative_prompt") if key in row}
        for row in records.usable(records.read(DATA / "images.jsonl"))
    }
    holes = records.Rows()
    for row in records.usable(records.read(DATA / "masks.jsonl")):
        if row["image"] not in photographs:
            raise console.BadSetting(
                f"data/masks.jsonl: {row['id']} is a hole of {row['image']}, which is not in "
                "data/images.jsonl; run mask again"
            )
        hole = {key: row[key] for key in ("id", "image", "mask", "file")}
        holes.append(hole | photographs[row["image"]])
    return holes


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Errors of a contender's settings are told with its name."""
    try:
        yield
    except console.BadSetting as error:
        if name in runs.RESERVED:
            raise
        raise console.BadSetting(f"inpaint.contenders.{name}: {error}") from None


if __name__ == "__main__":
    console.stage(main, __doc__)
