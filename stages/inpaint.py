"""Fill the holes, with the chosen model and with the chosen baseline.

    python stages/inpaint.py       (or: dvc repro inpaint)

Reads data/images.jsonl, data/masks.jsonl and their files; writes
data/inpainted/<run>/<image id>_mask<k>.png for each run, the manifest data/inpainted.jsonl and
metrics/speed.json. The runs:

    model      the results: the model's painting in the hole, the original, exactly, elsewhere
    raw        what the model painted everywhere (inpaint.keep_raw)
    roundtrip  the original after the model's autoencoder: what no result can beat
    baseline   a classical method, treated like the model: what a model has to beat
    again, baseline_again   results of the two, parts of which the model painted once more to see
               whether they agree with themselves (inpaint.self_consistency)

Paintings are kept under .work/inpaint by everything that decides them: a killed run goes on
where it was, an added photograph costs only itself, old settings cost nothing.
"""

import json
import resource
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from wizard import images, models, params, records
from wizard.console import BadSetting, progress, report_failures, stage
from wizard.models import filling
from wizard.runners import local

DATA = Path("data")


@dataclass(frozen=True)
class Run:
    """One way of filling every hole: who does it and how, what decides its results.

    ``of`` names the run whose results are painted again.
    """

    name: str
    workers: object
    method: str
    batch_size: int
    decides: dict
    samples: int = 1
    raw: str | None = None
    of: str | None = None


@dataclass(frozen=True)
class Job:
    """One hole on its way: what it is, its pixels, what was painted, that as a file."""

    row: dict
    seed: int
    image_path: Path
    mask_path: Path
    key: str = ""
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    painted: np.ndarray | ValueError | None = None
    png: bytes = b""


@dataclass
class Speed:
    """What a run cost: paintings made and found, seconds inside the model, seconds in all."""

    filled: int = 0
    kept: int = 0
    model_seconds: float = 0.0
    seconds: float = 0.0


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.inpaint, everything.runtime
    photographs = records.usable(records.read(DATA / "images.jsonl"))
    file_of = {row["id"]: row["file"] for row in photographs}
    holes = records.usable(records.read(DATA / "masks.jsonl"))
    runs = plan_runs(settings, runtime)

    journal = records.journal("inpaint", runtime.journal_gb)
    root = records.Folder(DATA / "inpainted")
    root.names = {name for run in runs for name in (run.name, run.raw) if name}
    folders = {name: records.Folder(root.path / name) for name in root.names}
    rows = records.Rows()
    for run in runs:
        plan = partial(plan_jobs, run, holes, file_of, settings.seed)
        if run.of:
            plan = partial(plan_again, run, rows, settings.seed)
        speed = make(run, plan, rows, journal, folders, runtime.workers)
        if run.name == "model":
            write_speed(speed, run.workers.about()["identity"], settings.model)

    for folder in (root, *folders.values()):
        folder.sweep()
    journal.trim()
    records.write(DATA / "inpainted.jsonl", rows)
    report_failures(rows, runtime.max_failures)


def plan_runs(settings: params.Inpaint, runtime: params.Runtime) -> list[Run]:
    """The runs to make with the model and with the baseline, both ready to work."""
    raw = "raw" if settings.keep_raw else None
    if settings.backend == "diffusers":
        runs = plan_diffusion(settings, runtime, raw)
    else:
        runs = [plan_classical("model", settings.backend, runtime, raw)]
    runs.append(plan_classical("baseline", settings.baseline, runtime))
    if passes := settings.self_consistency:
        decides = runs[0].decides | {"again": True}
        once_more = partial(replace, runs[0], samples=passes, raw=None, decides=decides)
        runs += [once_more(name="again", of="model")]
        runs += [once_more(name="baseline_again", of="baseline")]
    return runs


def plan_diffusion(settings: params.Inpaint, runtime: params.Runtime, raw: str | None) -> list[Run]:
    """The model's results, and what its autoencoder leaves of the originals."""
    checkpoint = settings.model_dump(include={"model", "revision", "variant", "vae", "lora"})
    call = settings.model_dump(
        include={"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "strength"}
    )
    machine = runtime.model_dump(include={"device", "dtype", "compile"})
    load_model = partial(filling.load, "diffusers", settings.prefill, runtime.batch_size)
    load_model = partial(load_model, scheduler=settings.scheduler, **machine, **call)
    if runtime.runner == "ray":
        from wizard.models import checkpoints

        load_model = partial(load_model, **checkpoints.moved(**checkpoint))
        model = start_on_ray(load_model, checkpoints.files(**checkpoint), runtime)
    else:
        model = local.Worker(partial(load_model, **checkpoint))
    about = model.about()
    decides = {"backend": "diffusers", "code": models.source_sha256("diffusers")}
    decides |= {"prefill": settings.prefill, **about["identity"]}
    batch, samples = runtime.batch_size, settings.samples_per_mask
    runs = [Run("model", model, "fill", batch, decides | call, samples, raw)]
    if about["round_trip"]:
        decides |= {"round_trip": True}
        runs.append(Run("roundtrip", model, "round_trip", batch, decides))
    return runs


def plan_classical(name: str, method: str, runtime: params.Runtime, raw: str | None = None) -> Run:
    """A method without learning: always on this machine, where every core serves it."""
    # It never reads its hole, so the quickest prefill serves.
    worker = local.Worker(partial(filling.load, method, "mean", 1), runtime.workers)
    decides = {"backend": method, "code": models.source_sha256(method)}
    return Run(name, worker, "fill", 1, decides, raw=raw)


def start_on_ray(load_model: Callable, files: dict[str, Path], runtime: params.Runtime):
    """The model in the processes of a Ray cluster."""
    try:
        from wizard.runners import on_ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise BadSetting(
            "runtime.runner = ray: Ray is not installed; pip install -r requirements-ray.txt"
        ) from None
    return on_ray.Workers(
        load_model, files, runtime.address, runtime.device, runtime.cpus_per_actor
    )


def plan_jobs(run: Run, holes: records.Rows, file_of: dict[str, str], seed: int) -> Iterator[Job]:
    """A job for each sample of each hole; seeds depend on hole and sample alone."""
    for hole in holes:
        for sample in range(run.samples):
            name = hole["id"] + (f"_sample{sample:02d}" if sample else "")
            row = start_row(hole, run, sample, name)
            noise = records.seed(seed, "inpaint", name)
            yield Job(row, noise, DATA / file_of[hole["image"]], DATA / hole["file"])


def plan_again(run: Run, rows: records.Rows, seed: int) -> Iterator[Job]:
    """A job for each time that a result is painted again; the row tells what was hidden."""
    for result in rows:
        if result["run"] == run.of and not result["sample"] and result["status"] == records.OK:
            for sample in range(run.samples):
                name = f"{result['id']}_pass{sample:02d}"
                noise = records.seed(seed, "inpaint", name)
                row = start_row(result, run, sample, name) | {"patches": noise}
                mask = DATA / "masks" / f"{result['id']}.png"
                yield Job(row, noise, DATA / result["file"], mask)


def start_row(of: dict, run: Run, sample: int, name: str) -> dict:
    row = {key: of[key] for key in ("id", "image", "mask")}
    return row | {"run": run.name, "sample": sample, "file": f"inpainted/{run.name}/{name}.png"}


def make(
    run: Run,
    plan: Callable[[], Iterator[Job]],
    rows: records.Rows,
    journal: records.Journal,
    folders: dict[str, records.Folder],
    workers: int | str,
) -> Speed:
    """Find or paint the results of all planned jobs, publish them, and add their rows.

    ``plan`` is called more than once, so that no list of jobs grows with their number.
    """
    over_threads = partial(local.run, workers=workers, processes=False)
    missing, total = {}, sum(1 for _ in plan())
    found = over_threads(partial(restore, run=run, journal=journal, folders=folders), plan())
    for job, made in progress(found, total, f"look up {run.name}"):
        rows.extend(made)
        if not made:
            missing[job.row["file"]] = job.key

    speed, start = Speed(kept=total - len(missing)), time.monotonic()
    keyed = (replace(job, key=missing.get(job.row["file"], "")) for job in plan())
    loaded = over_threads(load, (job for job in keyed if job.key))
    work = partial(finish, run=run, journal=journal, folders=folders)
    finished = over_threads(work, paint(run, loaded, speed))
    for made in progress(finished, len(missing), f"paint {run.name}"):
        rows.extend(made)
    speed.seconds = time.monotonic() - start
    return speed


def restore(
    job: Job, run: Run, journal: records.Journal, folders: dict[str, records.Folder]
) -> tuple[Job, list[dict]]:
    """Publish what an earlier run painted; no rows when there is nothing, or it is damaged."""
    key = records.fingerprint(
        image=records.file_sha256(job.image_path),
        mask=records.file_sha256(job.mask_path),
        seed=job.seed,
        **run.decides,
    )
    job = replace(job, key=key, png=journal.get(key) or b"")
    try:
        painted, _ = images.decode(job.png, max_pixels=2**40)
    except ValueError:
        return job, []
    return job, publish(replace(load(job), painted=painted), run, folders)


def load(job: Job) -> Job:
    """The job with its pixels."""
    mask = images.load_mask(job.mask_path)
    if "patches" in job.row:
        mask = images.patches(mask, job.row["patches"])
    return replace(job, image=images.load(job.image_path), mask=mask)


def paint(run: Run, jobs: Iterable[Job], speed: Speed) -> Iterator[Job]:
    """The jobs, painted batch by batch in their order; what that takes is added to ``speed``."""
    sent: deque[list[Job]] = deque()

    def calls() -> Iterator[tuple]:
        for batch in in_batches(jobs, run.batch_size):
            sent.append(batch)
            yield tuple(zip(*((job.image, job.mask, job.seed) for job in batch), strict=True))

    for answer, seconds in run.workers.map(run.method, calls()):
        batch = sent.popleft()
        speed.filled += len(batch)
        speed.model_seconds += seconds
        painted = [answer] * len(batch) if isinstance(answer, ValueError) else answer
        for job, one in zip(batch, painted, strict=True):
            yield replace(job, painted=one)


def in_batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Lists of ``size`` jobs, the last one perhaps shorter."""
    jobs = iter(jobs)
    while batch := list(islice(jobs, size)):
        yield batch


def finish(
    job: Job, run: Run, journal: records.Journal, folders: dict[str, records.Folder]
) -> list[dict]:
    """Keep a new painting and publish its result; the manifest rows."""
    if isinstance(job.painted, ValueError):
        return [job.row | {"status": records.FAILED, "error": str(job.painted)}]
    job = replace(job, png=images.encode(job.painted))
    journal.put(job.key, job.png)
    return publish(job, run, folders)


def publish(job: Job, run: Run, folders: dict[str, records.Folder]) -> list[dict]:
    """Write the result, and what was painted if that is wanted; the manifest rows of both."""
    result = filling.paste(job.image, job.painted, job.mask)
    # Classical methods leave the rest alone: what they paint is the result.
    outputs = {run.name: job.png if np.array_equal(result, job.painted) else images.encode(result)}
    if run.raw:
        outputs[run.raw] = job.png
    rows = []
    for name, png in outputs.items():
        text = {"settings": json.dumps(run.decides | {"run": name, "seed": job.seed})}
        file = Path(job.row["file"]).name
        folders[name].publish(file, images.with_text(png, text))
        row = job.row | {"run": name, "file": f"inpainted/{name}/{file}"}
        rows.append(row | {"status": records.OK})
    return rows


def write_speed(speed: Speed, identity: dict, model: str) -> None:
    """metrics/speed.json: how fast the model filled, on what; no speed when nothing was filled."""
    report = {"images": speed.filled + speed.kept, "filled": speed.filled}
    if speed.filled:
        report["seconds_per_image"] = round(speed.model_seconds / speed.filled, 4)
        report["images_per_second"] = round(speed.filled / speed.seconds, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    device = identity.get("device", "cpu")
    if device == "cuda":
        import torch

        peak = torch.cuda.max_memory_allocated()
    report |= {"peak_memory_mb": round(peak / 2**20), "device": device}
    report["model"] = model if "checkpoint" in identity else identity["method"]
    text = json.dumps(report, indent=2) + "\n"
    records.write_atomic(Path("metrics/speed.json"), text.encode())


if __name__ == "__main__":
    stage(main, __doc__)
