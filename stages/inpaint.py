"""Fill the holes, with the chosen model and with the chosen baseline.

    python stages/inpaint.py       (or: dvc repro inpaint)

Reads data/images.jsonl, data/masks.jsonl and their files; writes
data/inpainted/<run>/<image id>_mask<k>.png for each run, the manifest data/inpainted.jsonl and
metrics/speed.json. The runs:

    model      the results: the model's painting in the hole, the original, exactly, elsewhere
    raw        what the model painted everywhere (inpaint.keep_raw)
    roundtrip  the original after the model's autoencoder: what no result can beat
    baseline   a classical method, treated like the model: what a model has to beat

Paintings are kept under .work/inpaint by everything that decides them: a killed run goes on
where it was, an added photograph costs only itself, old settings cost nothing.
"""

import json
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from wizard import images, models, params, records
from wizard.console import progress, report_failures, stage
from wizard.models.filling import Filler, paste
from wizard.runners import local

DATA = Path("data")


@dataclass(frozen=True)
class Run:
    """One way of filling every hole: how, what decides its results, and where they go."""

    name: str
    fill: Callable[..., list[np.ndarray | ValueError]]
    decides: dict
    samples: int = 1
    raw: str | None = None


@dataclass(frozen=True)
class Job:
    """One hole on its way: what it is, then its pixels, then what was painted."""

    row: dict
    seed: int
    image_path: Path
    mask_path: Path
    key: str = ""
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    painted: np.ndarray | ValueError | None = None
    kept: bool = False


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.inpaint, everything.runtime
    photographs = {row["id"]: row for row in records.read(DATA / "images.jsonl")}
    holes = records.usable(records.read(DATA / "masks.jsonl"))
    model, runs = plan_runs(settings, runtime)

    journal = records.journal("inpaint", runtime.journal_gb)
    root = records.Folder(DATA / "inpainted")
    root.names = {name for run in runs for name in (run.name, run.raw) if name}
    folders = {name: records.Folder(root.path / name) for name in root.names}
    over_threads = partial(local.run, workers=runtime.workers, processes=False)
    rows = []
    for run in runs:
        jobs = plan_jobs(run, holes, photographs, settings.seed)
        prepared = over_threads(partial(prepare, run=run, journal=journal), jobs)
        painter = Painter(run.fill, runtime.batch_size)
        finish = partial(publish, run=run, journal=journal, folders=folders)
        finished = over_threads(finish, painter.paint(prepared))
        for done in progress(finished, len(jobs), run.name):
            rows += done
        if run.name == "model":
            write_speed(painter, model.identity, settings.model)

    for folder in (root, *folders.values()):
        folder.sweep()
    journal.trim()
    records.write(DATA / "inpainted.jsonl", rows)
    report_failures(rows, runtime.max_failures)


def plan_runs(settings: params.Inpaint, runtime: params.Runtime) -> tuple[object, list[Run]]:
    """The model, loaded, and the runs to make with it and with the baseline."""
    call = settings.model_dump(
        include={"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "strength"}
    )
    checkpoint = settings.model_dump(include={"model", "revision", "variant", "scheduler"})
    machine = {"device": runtime.device, "dtype": runtime.dtype}
    is_diffusion = settings.backend == "diffusers"
    model = models.load(settings.backend, **(checkpoint | machine | call if is_diffusion else {}))
    filler = Filler(model, settings.prefill, runtime.batch_size)
    decides = {"backend": settings.backend, "code": models.source_sha256(settings.backend)}
    decides |= {"prefill": settings.prefill, **model.identity}
    raw = "raw" if settings.keep_raw else None
    runs = [Run("model", filler.fill, decides | call, settings.samples_per_mask, raw)]
    if model.round_trip:
        runs.append(Run("roundtrip", filler.round_trip, decides | {"round_trip": True}))

    baseline = models.load(settings.baseline)
    decides = {"backend": settings.baseline, "code": models.source_sha256(settings.baseline)}
    # A classical method never reads its hole, so the quickest prefill serves.
    runs.append(Run("baseline", Filler(baseline, "mean", runtime.batch_size).fill, decides))
    return model, runs


def plan_jobs(run: Run, holes: list[dict], photographs: dict[str, dict], seed: int) -> list[Job]:
    """A job for each sample of each hole; seeds depend on hole and sample alone."""
    jobs = []
    for hole in holes:
        for sample in range(run.samples):
            name = hole["id"] + (f"_sample{sample:02d}" if sample else "")
            row = {key: hole[key] for key in ("id", "image", "mask")}
            row |= {"run": run.name, "sample": sample, "file": f"inpainted/{run.name}/{name}.png"}
            photograph = DATA / photographs[hole["image"]]["file"]
            noise = records.seed(seed, "inpaint", name)
            jobs.append(Job(row, noise, photograph, DATA / hole["file"]))
    return jobs


def prepare(job: Job, run: Run, journal: records.Journal) -> Job:
    """Load a job's pixels, and its painting if an earlier run finished it."""
    key = records.fingerprint(
        image=records.file_sha256(job.image_path),
        mask=records.file_sha256(job.mask_path),
        seed=job.seed,
        **run.decides,
    )
    try:
        painted, _ = images.decode(journal.get(key) or b"", max_pixels=2**40)
    except ValueError:  # not there, or damaged: paint it again
        painted = None
    image, mask = images.load(job.image_path), images.load_mask(job.mask_path)
    kept = painted is not None
    return replace(job, key=key, image=image, mask=mask, painted=painted, kept=kept)


class Painter:
    """Paints jobs batch by batch and keeps the time that the filling itself takes."""

    def __init__(self, fill: Callable, batch_size: int):
        self._fill, self._batch_size = fill, batch_size
        self.reused = self.filled = 0
        self.seconds = 0.0

    def paint(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Pass on what is painted already, and the others as soon as a batch of them is full."""
        waiting: list[Job] = []
        for job in jobs:
            if job.kept:
                self.reused += 1
                yield job
                continue
            waiting.append(job)
            if len(waiting) == self._batch_size:
                yield from self._batch(waiting)
                waiting = []
        yield from self._batch(waiting)

    def _batch(self, jobs: list[Job]) -> list[Job]:
        start = time.monotonic()
        columns = ([job.image for job in jobs], [job.mask for job in jobs])
        painted = self._fill(*columns, [job.seed for job in jobs])
        self.seconds += time.monotonic() - start
        self.filled += len(jobs)
        return [replace(job, painted=one) for job, one in zip(jobs, painted, strict=True)]


def publish(
    job: Job, run: Run, journal: records.Journal, folders: dict[str, records.Folder]
) -> list[dict]:
    """Keep the painting, write the result; the manifest rows of both."""
    if isinstance(job.painted, ValueError):
        return [job.row | {"status": records.FAILED, "error": str(job.painted)}]
    if not job.kept:
        journal.put(job.key, images.encode(job.painted))
    outputs = {run.name: paste(job.image, job.painted, job.mask)}
    if run.raw:
        outputs[run.raw] = job.painted
    rows = []
    for name, pixels in outputs.items():
        text = {"settings": json.dumps(run.decides | {"run": name, "seed": job.seed})}
        file = Path(job.row["file"]).name
        folders[name].publish(file, images.encode(pixels, text))
        row = job.row | {"run": name, "file": f"inpainted/{name}/{file}"}
        rows.append(row | {"status": records.OK})
    return rows


def write_speed(painter: Painter, identity: dict, model: str) -> None:
    """metrics/speed.json: how fast the model filled, on what; no speed when nothing was filled."""
    import torch

    speed = {"images": painter.filled + painter.reused, "filled": painter.filled}
    if painter.filled:
        speed["seconds_per_image"] = round(painter.seconds / painter.filled, 4)
        speed["images_per_second"] = round(painter.filled / painter.seconds, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    speed |= {"peak_memory_mb": round(peak / 2**20), "device": identity.get("device", "cpu")}
    speed["model"] = model if "checkpoint" in identity else identity["method"]
    records.write_atomic(Path("metrics/speed.json"), (json.dumps(speed, indent=2) + "\n").encode())


if __name__ == "__main__":
    stage(main, __doc__)
