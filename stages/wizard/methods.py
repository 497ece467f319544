"""A method of params.yaml made ready: who fills with it, and what is to be made with it."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from wizard import models, params, records, runs
from wizard.models import engine, filling
from wizard.runners import start

CHECKPOINT = {"model", "revision", "variant", "vae", "lora"}
WINDOWS = {"side", "context"}
CALL = {"num_inference_steps", "guidance_scale", "strength"}


def start_workers(method: params.Method, runtime: params.Runtime) -> AbstractContextManager:
    """The method, ready to fill, on this machine or on a cluster."""
    if method.backend != "diffusers":
        make = partial(filling.load, method.backend, method.prefill, 1)
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
    if name == runs.MODEL and inpaint.self_consistency:
        changes = first.determines | {"again": True}
        # What is filled once more was not grown: feathered, it would show the answer.
        once_more = replace(first, determines=changes, samples=inpaint.self_consistency, feather=0)
        made += [replace(once_more, name=again) for again in runs.AGAIN.values()]
    return made


def describe(method: params.Method, identity: dict, holes: str) -> dict:
    """What speed.json tells of a method besides its figures; see ``records.read_costs``."""
    model = method.model if method.backend == "diffusers" else method.backend
    settings = records.fingerprint(holes=holes, **method.model_dump(mode="json"))
    return {"device": identity.get("device", "cpu"), "model": model, "settings": settings}
