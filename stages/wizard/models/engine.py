"""The engine: it takes every hole through one method, and remembers what that cost.

A hole goes through these steps, all of them in one pass over the plan:

    plan      a Job per sample of each hole: its row, seed, files and prompt
    restore   its pixels are read and its fingerprint is looked up in the result cache
    fill      what was not found goes to the workers, ``batch_size`` jobs per call
    finish    a new result is kept in the cache; each is pasted into its photograph and written

What the workers get, and :class:`wizard.models.filling.Filler` answers, is a batch of whole
photographs of any sizes: images (uint8 H×W×3), masks (bool H×W), seeds, and prompts as pairs of
(prompt, negative prompt). They answer with as many whole images of the same sizes, or
``records.Unusable`` in the place of one that could not be filled. A filler may cut windows around
the holes: it sees all photographs of a call, so that windows of several can share a batch of the
backend. The engine alone pastes what it returns into the hole.
"""

import io
import json
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np

from wizard import images, names, records

Prompt = tuple[str, str]  # prompt and negative prompt
NO_PROMPT = ("", "")
PIXELS_PER_CALL = 50_000_000  # photographs may be large: a call ends with the one that exceeds it


class Workers(Protocol):
    """Who fills: see :mod:`wizard.runners`."""

    def about(self) -> dict: ...

    def map(
        self, method: str, calls: Iterable[tuple | None]
    ) -> Iterator[tuple[list | records.Unusable, dict] | None]: ...


@dataclass(frozen=True)
class Run:
    """What is asked of the workers for every hole, under what name, and what determines it.

    ``ask`` is a method of the filler. ``determines`` holds, as JSON values, what its results
    follow from besides pixels, seed and prompt. ``prompt`` stands in for photographs that have
    none of their own; None where prompts mean nothing. The output before paste-back is
    written too under the name ``raw``, if given. Holes are grown by ``grow`` pixels first, and
    results are blended over ``feather`` pixels inside the edge of what they became.
    """

    name: str
    determines: dict
    batch_size: int
    ask: str = "fill"
    prompt: Prompt | None = None
    samples: int = 1
    raw: str | None = None
    grow: int = 0
    feather: int = 0


NO_PIXELS = np.empty((0, 0), np.uint8)


@dataclass(frozen=True)
class Job:
    """One sample of a hole on its way: what it is, its pixels, its output, at what cost."""

    row: dict
    seed: int
    photograph: Path
    hole: Path
    prompt: Prompt = NO_PROMPT
    key: str = ""
    image: np.ndarray = field(default_factory=lambda: NO_PIXELS)
    mask: np.ndarray = field(default_factory=lambda: NO_PIXELS)
    output: np.ndarray | records.Unusable = field(default_factory=lambda: NO_PIXELS)
    png: bytes = b""
    fresh: bool = True
    cost: dict = field(default_factory=dict)


class Speed:
    """What the results of a run cost when they were made, whether now or long ago."""

    def __init__(self) -> None:
        self.count = self.filled = 0
        self._seconds: dict[str, array] = {}
        self._memory: Counter[str] = Counter()

    def add(self, job: Job) -> None:
        """Count a finished job."""
        self.count += 1
        self.filled += job.fresh
        if job.cost:
            machine = job.cost["machine"]
            self._seconds.setdefault(machine, array("d")).append(job.cost["seconds"])
            self._memory[machine] = max(self._memory[machine], job.cost["peak_memory_mb"])

    def summary(self) -> dict:
        """For speed.json: of the machine that made most, the median seconds and most memory.

        The median leaves out what a first call costs beside its images.
        """
        told: dict = {"images": self.count, "filled": self.filled}
        if self._seconds:
            machine = max(self._seconds, key=lambda name: len(self._seconds[name]))
            told["seconds_per_image"] = round(median(self._seconds[machine]), 4)
            told["peak_memory_mb"] = self._memory[machine]
            told["machine"] = machine
        return told


class Engine:
    """Fills holes, run by run, into ``inpainted/`` of the folder ``data``.

    A hole is a row of masks.jsonl with ``photograph``, that photograph's file, and where it has
    them its ``prompt`` and ``negative_prompt``; files are named from ``data``.
    ``spread(function, items)`` yields the function's answers in order, several at work at once
    (:func:`wizard.runners.local.run`). ``seed`` is ``inpaint.seed``. The manifest grows in
    ``rows``.
    """

    def __init__(self, data: Path, cache: records.ResultCache, spread: Callable, seed: int):
        self.rows = records.Rows()
        self._data, self._cache, self._spread, self._seed = data, cache, spread, seed
        self._folders: dict[str, records.Folder] = {}
        self._made: set[str] = set()

    def plan(self, run: Run, holes: Iterable[dict]) -> Iterator[Job]:
        """A job for each sample of each hole; its seed depends on hole and sample alone."""
        for hole in holes:
            for sample in range(run.samples):
                yield self._job(run, hole, sample, names.result(hole["id"], sample))

    def plan_again(self, run: Run, holes: Iterable[dict], of: str) -> Iterator[Job]:
        """A job for each time that parts of a result of the run ``of`` are filled once more.

        The rows tell which parts, as ``patches``, a seed for :func:`wizard.images.patches`.
        """
        done = {
            row["id"]: row["file"]
            for row in records.usable(self.rows)
            if row["run"] == of and not row["sample"]
        }
        for hole in holes:
            if file := done.get(hole["id"]):
                result = hole | {"photograph": file}
                for sample in range(run.samples):
                    job = self._job(run, result, sample, f"{hole['id']}_pass{sample:02d}")
                    yield replace(job, row=job.row | {"patches": job.seed})

    def _job(self, run: Run, hole: dict, sample: int, name: str) -> Job:
        row = {key: hole[key] for key in ("id", "image", "mask")}
        row |= {"run": run.name, "sample": sample, "file": f"inpainted/{run.name}/{name}.png"}
        if run.grow:
            row["grow"] = run.grow
        prompt = NO_PROMPT
        if run.prompt:
            prompt = (
                hole.get("prompt", run.prompt[0]),
                hole.get("negative_prompt", run.prompt[1]),
            )
        return Job(
            row,
            records.seed(self._seed, "inpaint", name),
            self._data / hole["photograph"],
            self._data / hole["file"],
            prompt,
        )

    def run(self, run: Run, workers: Workers, jobs: Iterable[Job], speed: Speed) -> Iterator[Job]:
        """Find or fill the results of all jobs, publish them, and yield each job when it is done.

        Costs are added to ``speed``. Raises OSError when a file cannot be read or written.
        """
        root, made = self._data / "inpainted", filter(None, (run.name, run.raw))
        self._folders = {name: records.Folder(root / name) for name in made}
        self._made |= self._folders.keys()
        restored = self._spread(lambda job: self._restore(run, job), jobs)
        filled = self._fill(run, workers, restored)
        for job, rows in self._spread(lambda job: self._finish(run, job), filled):
            self.rows.extend(rows)
            speed.add(job)
            yield job
        for folder in self._folders.values():
            folder.sweep()

    def sweep(self) -> None:
        """Delete the folders of runs that an earlier call made and this one did not."""
        root = records.Folder(self._data / "inpainted")
        root.names = self._made
        root.sweep()

    def _restore(self, run: Run, job: Job) -> Job:
        """The job with its pixels, and with its output if that is in the cache.

        One whose mask is unusable has failed.
        """
        key = records.fingerprint(
            image=records.file_sha256(job.photograph),
            mask=records.file_sha256(job.hole),
            seed=job.seed,
            prompt=job.prompt,
            **run.determines,
        )
        try:
            mask = images.load_mask(job.hole, run.grow)
        except records.Unusable as error:
            return replace(job, output=error, fresh=False)
        if "patches" in job.row:
            mask = images.patches(mask, job.row["patches"])
        job = replace(job, key=key, image=images.load(job.photograph), mask=mask)
        entry = self._cache.get(key)
        if entry is None:
            return job
        output, _ = images.decode(entry.data, max_pixels=2**40)
        return replace(job, output=output, png=entry.data, fresh=False, cost=entry.facts)

    def _fill(self, run: Run, workers: Workers, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs with their outputs; those that have one keep it and pass through."""
        sent: deque[list[Job]] = deque()

        def calls() -> Iterator[tuple | None]:
            batch: list[Job] = []
            for job in jobs:
                if not job.fresh:
                    sent.append([job])
                    yield None
                    continue
                batch.append(job)
                pixels = sum(one.mask.size for one in batch)
                if len(batch) == run.batch_size or pixels >= PIXELS_PER_CALL:
                    sent.append(batch)
                    yield _columns(batch)
                    batch = []
            if batch:
                sent.append(batch)
                yield _columns(batch)

        for answer in workers.map(run.ask, calls()):
            batch = sent.popleft()
            if answer is None:
                yield from batch
                continue
            output, cost = answer
            if isinstance(output, records.Unusable):
                output = [output] * len(batch)
            else:
                cost = cost | {"seconds": cost["seconds"] / len(batch)}
            for job, one in zip(batch, output, strict=True):
                yield replace(job, output=one, cost=cost)

    def _finish(self, run: Run, job: Job) -> tuple[Job, list[dict]]:
        """Keep what is new, publish the result; the job, and its rows of the manifest."""
        output = job.output
        if isinstance(output, records.Unusable):
            failed = {"status": records.FAILED, "error": str(output)}
            return _light(job), [job.row | failed]
        if job.fresh:
            job = replace(job, png=images.encode(output))
            self._cache.put(job.key, job.png, job.cost)
        return _light(job), self._publish(run, job, output)

    def _publish(self, run: Run, job: Job, output: np.ndarray) -> list[dict]:
        """Write the result, and the output itself if that is wanted; the manifest rows of both."""
        result = images.composite(job.image, output, job.mask, run.feather)
        # Classical methods leave the rest alone: their output is the result.
        same = np.array_equal(result, output)
        files = {run.name: job.png if same else images.encode(result)}
        if run.raw:
            files[run.raw] = job.png
        settings = run.determines | {"seed": job.seed}
        if run.prompt:
            settings |= dict(zip(("prompt", "negative_prompt"), job.prompt, strict=True))
        if run.feather:
            settings["feather"] = run.feather
        rows = []
        for name, content in files.items():
            text = {"settings": json.dumps(settings | {"run": name})}
            file = Path(job.row["file"]).name
            content = images.with_text(content, text)
            if name == run.name:
                _check(content, job, file)
            md5 = self._folders[name].publish(file, content)
            row = job.row | {"run": name, "file": f"inpainted/{name}/{file}"}
            rows.append(row | {"md5": md5, "status": records.OK})
        return rows


def _columns(batch: list[Job]) -> tuple:
    """What a call of the workers takes."""
    rows = ((job.image, job.mask, job.seed, job.prompt) for job in batch)
    return tuple(zip(*rows, strict=True))


def _check(png: bytes, job: Job, file: str) -> None:
    """See in the very bytes of a result's file that it equals the photograph outside the hole."""
    written = images.load(io.BytesIO(png))
    if (images.differ(written, job.image) & ~job.mask).any():
        raise AssertionError(f"{file}: a pixel outside the hole changed")


def _light(job: Job) -> Job:
    """The job without its pixels, which nobody needs any more."""
    return replace(job, image=NO_PIXELS, mask=NO_PIXELS, output=NO_PIXELS, png=b"")
