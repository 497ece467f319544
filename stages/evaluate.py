"""Measure what every result is worth.

    python stages/evaluate.py      (or: dvc repro evaluate)

Reads the three manifests under data/ with their files, and what people said (data/ratings.csv
and data/ratings/*.csv); writes

    metrics/scores.csv     a row a result, columns as stages/wizard/metrics/ defines them
    metrics/quality.json   the figures that `dvc metrics diff` compares
    metrics/by_hole.json   every mean by the hole's share of the image
    metrics/ratings.json   what people said on the review page

and prints a small table of the main figures. A result that failed, or has no truth to be held
against where one is needed, is a row without numbers and never part of a mean.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from wizard import images, metrics, opinions, params, records
from wizard.console import progress, report_failures, stage
from wizard.metrics import consistency, ratings, summary
from wizard.metrics.diversity import diversity
from wizard.runners import local

DATA, METRICS = Path("data"), Path("metrics")
# Below a millionth nothing is to be seen, and the last bits differ between processors.
DECIMALS = 6
MADE_ONCE = ("baseline", "roundtrip")


@dataclass(frozen=True)
class Hole:
    """One hole: its row of masks.jsonl, its photograph, its fills by run and sample."""

    row: dict
    photograph: Path
    fills: dict[tuple[str, int], dict]

    def fill(self, run: str, sample: int) -> dict | None:
        """A row of inpainted.jsonl; a run made once stands beside every sample."""
        return self.fills.get((run, 0 if run in MADE_ONCE else sample))


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.evaluate, everything.runtime
    photographs, masks, results = (
        records.read(DATA / f"{name}.jsonl") for name in ("images", "masks", "inpainted")
    )
    answers = opinions.read(opinions.find(DATA))
    blind = settings.reference == "none"
    runs = runs_to_score(results, blind)
    work = partial(score_hole, runs=runs, ring_px=settings.ring_px, blind=blind)
    scored = local.run(work, plan(photographs, masks, results), runtime.workers)
    rows = [row for rows in progress(scored, len(masks), "evaluate", "hole") for row in rows]

    lost = sum(row["status"] != records.OK for row in photographs)
    draws = {"resamples": settings.bootstrap, "seed": records.seed(settings.seed, "evaluate", "")}
    quality = publish(rows, lost, {}, settings, draws)
    image_of = {row["id"]: row["image"] for row in rows if row["status"] == records.OK}
    write_json("ratings", ratings.summarise(answers, image_of, **draws))
    if settings.learned and quality["count"]:
        figures = {}
        try:
            holes = {hole.row["id"]: hole for hole in plan(photographs, masks, results)}
            good = [row for row in rows if row["status"] == records.OK]
            measure_learned(everything, holes, good, runs, figures)
        finally:  # keep what was measured before weights turned out to be missing
            quality = publish(rows, lost, figures, settings, draws)
    print(summary.table(quality))
    report_failures(rows, runtime.max_failures)


def plan(photographs: records.Rows, masks: records.Rows, results: records.Rows) -> Iterator[Hole]:
    """Bring together what belongs to one hole; manifests are sorted by id."""
    files = {row["id"]: DATA / row["file"] for row in records.usable(photographs)}
    fills_of = groupby(results, itemgetter("id"))
    name, fills = next(fills_of, ("", ()))
    for row in masks:
        own = {}
        if name == row["id"]:
            own = {(fill["run"], fill["sample"]): fill for fill in fills}
            name, fills = next(fills_of, ("", ()))
        yield Hole(row, files[row["image"]], own)


def runs_to_score(results: list[dict], blind: bool) -> list[str]:
    """The model's results and every run beside them; without a truth no round trip of it."""
    made = {row["run"] for row in results} - ({"roundtrip"} if blind else set())
    return ["model", *(run for run in summary.RUNS if run in made)]


def score_hole(hole: Hole, runs: list[str], ring_px: int, blind: bool) -> list[dict]:
    """The rows of one hole, one a sample; a failure is a row with the reason."""
    rows, fills = [], []
    for sample in sorted({sample for run, sample in hole.fills if run == "model"}) or [0]:
        row = {key: hole.row[key] for key in ("id", "image", "mask")} | {"sample": sample}
        try:
            mask, values, fill = score_sample(hole, sample, runs, ring_px, blind)
        except (ValueError, OSError, SyntaxError) as error:
            rows.append(row | {"status": records.FAILED, "error": str(error)})
        else:
            share = rounded(mask.mean())
            rows.append(row | {"hole_fraction": share, "status": records.OK} | values)
            fills.append(fill)
    if len(fills) > 1:
        spread = rounded(diversity(fills, mask))
        rows = [row | {"hole_diversity": spread} if row["status"] == "ok" else row for row in rows]
    return rows


def score_sample(
    hole: Hole, sample: int, runs: list[str], ring_px: int, blind: bool
) -> tuple[np.ndarray, dict[str, float | None], np.ndarray]:
    """The mask, the numbers of every run, and the model's picture."""
    if hole.row["status"] != records.OK:
        raise ValueError(hole.row["error"])
    mask = images.load_mask(DATA / hole.row["file"])
    original = None if blind else images.load(hole.photograph)
    values, pictures = {}, {}
    for run in runs:
        fill = hole.fill(run, sample)
        if fill is None:
            raise ValueError(f"{run}: no result in data/inpainted.jsonl; run inpaint again")
        if fill["status"] != records.OK:
            raise ValueError(f"{run}: {fill['error']}")
        pictures[run] = images.load(DATA / fill["file"])
        prefix = "" if run == "model" else f"{run}_"
        for name, value in metrics.score(original, pictures[run], mask, ring_px).items():
            values[prefix + name] = None if value is None else rounded(value)
        if sample == 0:
            values |= score_again(hole, prefix, pictures[run], mask)
    return mask, values, pictures["model"]


def score_again(
    hole: Hole, prefix: str, picture: np.ndarray, mask: np.ndarray
) -> dict[str, float | None]:
    """How far a run's result agrees with itself, if parts of it were painted again."""
    passes = [row for (run, _), row in hole.fills.items() if run == f"{prefix}again"]
    if not passes:
        return {}
    good = records.usable(passes)
    again = [images.load(DATA / row["file"]) for row in good]
    hidden = [images.patches(mask, row["patches"]) for row in good]
    value = consistency.score(picture, again, hidden)
    return {f"{prefix}self_consistency": None if value is None else rounded(value)}


def rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # no negative zero


def publish(
    rows: list[dict], lost: int, figures: dict, settings: params.Evaluate, draws: dict
) -> dict:
    """Write scores.csv, quality.json and by_hole.json; ``figures`` are those of no single row."""
    good = [row for row in rows if row["status"] == records.OK]
    quality = summary.quality(good, lost + len(rows) - len(good), settings.ssim_target, **draws)
    for name, figure in figures.items():
        place, _, metric = name.partition("_")
        quality.setdefault(place, {})[metric] = figure
    records.write_atomic(METRICS / "scores.csv", to_csv(rows))
    write_json("quality", quality)
    write_json("by_hole", summary.by_hole(good, settings.hole_bins, **draws))
    return quality


def measure_learned(
    everything: params.Params,
    holes: dict[str, Hole],
    rows: list[dict],
    runs: list[str],
    figures: dict,
) -> None:
    """Ask pretrained networks: columns are added to the rows, what is of no row to ``figures``."""
    from wizard.metrics import learned

    settings, runtime = everything.evaluate, everything.runtime
    setup = learned.Setup(
        prompt=everything.inpaint.prompt,
        dino=settings.dino,
        clip=settings.clip,
        device=runtime.device,
        batch=runtime.batch_size,
    )
    fills = [(holes[row["id"]], row["sample"]) for row in rows]
    originals = [hole.photograph for hole, _ in fills]
    results = {
        run: [DATA / hole.fill(run, sample)["file"] for hole, sample in fills] for run in runs
    }
    for name, values in learned.score(settings.learned, originals, results, setup):
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else rounded(value)
    seed = records.seed(settings.seed, "evaluate", "learned")
    figures.update(learned.compare(settings.learned, originals, results, setup, seed))


def to_csv(rows: list[dict]) -> bytes:
    """The rows as CSV, empty cells where there is no value; line ends are the same everywhere."""
    facts = [name for name in summary.FACTS if name != "error"]
    names = dict.fromkeys(name for row in rows for name in row if name not in summary.FACTS)
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, [*facts, *names], extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue().encode()


def write_json(name: str, figures: dict) -> None:
    text = json.dumps(figures, indent=2, allow_nan=False) + "\n"
    records.write_atomic(METRICS / f"{name}.json", text.encode())


if __name__ == "__main__":
    stage(main, __doc__)
