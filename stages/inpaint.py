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
    again, baseline_again   results of the two, parts of which were re-inpainted to see
               whether they agree with themselves (inpaint.self_consistency)

Results are kept under .work/inpaint by everything that determines them: a killed run resumes where
it stopped, an added photograph or method costs only itself, old settings cost nothing.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from wizard import console, models, params, records, runs
from wizard.models import engine, filling
from wizard.runners import local, start

DATA = Path("data")
CHECKPOINT = {"model", "revision", "variant", "vae", "lora"}
WINDOWS = {"side", "context"}
CALL = {"num_inference_steps", "guidance_scale", "strength"}


def main(params_path: Path) -> None:
    settings = params.load(params_path)
    inpaint, runtime = settings.inpaint, settings.runtime
    methods = inpaint.methods()
    models.check({name: method.backend for name, method in methods.items()})
    holes = read_holes()
    for name, method in methods.items():
        with told_of(name):  # before anything is filled
            locate(method)

    cache = records.result_cache("inpaint", runtime.cache_gb)
    spread = partial(local.run, workers=runtime.workers, processes=False)
    work = engine.Engine(DATA, cache, spread, inpaint.seed)
    speeds = {}
    for name, method in methods.items():  # one after the other: memory holds the largest alone
        with told_of(name), start_workers(method, runtime) as workers:
            about, speed = workers.about(), engine.Speed()
            for run in plan_runs(name, method, inpaint, runtime, about):
                jobs, total = work.plan(run, holes), len(holes) * run.samples
                if run.name == runs.AGAIN.get(name):
                    jobs = work.plan_again(run, holes, of=name)
                done = work.run(run, workers, jobs, speed if run.name == name else engine.Speed())
                for _ in console.progress(done, total, f"inpaint {run.name}"):
                    pass
            speeds[name] = speed.summary() | describe(method, about["identity"])

    work.sweep()
    cache.trim()
    text = json.dumps(speeds, indent=2) + "\n"
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


def start_workers(method: params.Method, runtime: params.Runtime) -> AbstractContextManager:
    """The method, ready to fill, on this machine or on a cluster."""
    if method.backend != "diffusers":
        # It never reads its hole, so the quickest prefill serves; every core of here serves it.
        make = partial(filling.load, method.backend, "mean", 1)
        return start.workers("local", make, runtime.workers)
    make = partial(
        filling.load,
        "diffusers",
        method.prefill,
        runtime.batch_size,
        scheduler=method.scheduler,
        **method.model_dump(include=WINDOWS),
        **method.model_dump(include=CALL | {"prompt", "negative_prompt"}),
        **runtime.model_dump(include={"device", "dtype", "compile"}),
    )
    places, moved, files = locate(method)
    return start.workers(
        runtime.runner,
        partial(make, **places),
        parcel=(partial(make, **moved), files),
        **runtime.model_dump(include={"address", "device", "cpus_per_actor"}),
    )


def locate(method: params.Method) -> tuple[dict, dict, dict[str, Path]]:
    """Where a checkpoint lies, by its settings, here and on a worker that got its files."""
    if method.backend != "diffusers":
        return {}, {}, {}
    from wizard.models import checkpoints

    places = method.model_dump(include=CHECKPOINT)
    return places, checkpoints.moved(**places), checkpoints.files(**places)


def plan_runs(
    name: str,
    method: params.Method,
    inpaint: params.Inpaint,
    runtime: params.Runtime,
    about: dict,
) -> list[engine.Run]:
    """What is to be made with a method, in this order."""
    determines: dict = {"backend": method.backend, "code": models.source_sha256(method.backend)}
    determines |= about["identity"]
    if inpaint.grow:
        determines["grow"] = inpaint.grow
    new_run = partial(engine.Run, grow=inpaint.grow, feather=inpaint.feather)
    if method.backend != "diffusers":
        first = new_run(name, determines, batch_size=1)
    else:
        determines |= method.model_dump(include=WINDOWS | {"prefill"})
        first = new_run(
            name,
            determines | method.model_dump(include=CALL),
            runtime.batch_size,
            prompt=(method.prompt, method.negative_prompt),
            samples=inpaint.samples_per_mask,
        )
    made = [replace(first, raw=runs.RAW if name == runs.MODEL and inpaint.keep_raw else None)]
    if name == runs.MODEL and about["round_trip"]:
        changes = determines | {"round_trip": True}
        made.append(new_run(runs.ROUNDTRIP, changes, runtime.batch_size, ask="round_trip"))
    if name in runs.AGAIN and inpaint.self_consistency:
        changes = first.determines | {"again": True}
        # What is filled once more was not grown: feathered, it would show the answer.
        once_more = replace(first, determines=changes, samples=inpaint.self_consistency, feather=0)
        made.append(replace(once_more, name=runs.AGAIN[name]))
    return made


def describe(method: params.Method, identity: dict) -> dict:
    """What speed.json tells of a method besides its figures."""
    model = method.model if method.backend == "diffusers" else method.backend
    settings = records.fingerprint(**method.model_dump(mode="json"))
    return {"device": identity.get("device", "cpu"), "model": model, "settings": settings}


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
