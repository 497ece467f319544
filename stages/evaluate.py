"""Measure what every result is worth.

    python stages/evaluate.py      (or: dvc repro evaluate)

Reads the three manifests under data/ with their files, and what people said (data/ratings.csv
and data/ratings/*.csv); writes

    metrics/scores.csv     one row per hole, method and sample, columns as stages/wizard/metrics/
                           defines them
    metrics/quality.json   the figures that `dvc metrics diff` compares
    metrics/ranking.json   which method is best by each metric, by hole size too; the same as .csv
                           and, to read, as .md
    metrics/by_hole.json   every mean by the hole's share of the image
    metrics/ratings.json   what people said on the review page
    metrics/protocol.json  our numbers beside the published ones, when the masks are a protocol's

and prints a small table of the main figures. A result that failed, cannot be read, or differs from
the photograph outside its hole is a row without numbers and never part of a mean.
"""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from wizard import images, metrics, names, opinions, params, records
from wizard.console import plain, progress, report_failures, stage
from wizard.metrics import (
    consistency,
    outside,
    pixel,
    protocols,
    ranking,
    ratings,
    summary,
    tables,
)
from wizard.metrics.diversity import diversity
from wizard.runners import local

DATA, METRICS = Path("data"), Path("metrics")
# Below a millionth nothing is to be seen, and the last bits differ between processors.
DECIMALS = 6


@dataclass(frozen=True)
class Hole:
    """One hole: its row of masks.jsonl, its photograph with the prompt of its own, if it has one,
    its results' rows by run and sample.
    """

    row: dict
    photograph: Path
    prompt: str | None
    results: dict[tuple[str, int], dict]

    @property
    def grow(self) -> int:
        return records.grown_by(self.results.values())

    def of(self, run: str) -> list[dict]:
        """The rows of one run, by sample."""
        return [self.results[key] for key in sorted(self.results) if key[0] == run]


def main(params_path: Path) -> None:
    everything = params.load(params_path)
    settings, runtime = everything.evaluate, everything.runtime
    metrics.check(settings.learned, settings.reference)
    photographs, masks, results = (
        records.read(DATA / f"{name}.jsonl") for name in ("images", "masks", "inpainted")
    )
    answers = opinions.read(opinions.find(DATA))
    blind = settings.reference == "none"
    methods = methods_to_score(results, blind)
    work = partial(score_hole, methods=methods, ring_px=settings.ring_px, blind=blind)
    scored = local.run(work, plan(photographs, masks, results), runtime.workers)
    rows = [slim(row) for rows in progress(scored, len(masks), "evaluate", "hole") for row in rows]
    good = [row for row in rows if row["status"] == records.OK]
    failed = failures(rows)

    lost = sum(row["status"] != records.OK for row in photographs)
    draws = {"resamples": settings.bootstrap, "seed": records.seed(settings.seed, "evaluate", "")}
    called = names.called(everything.inpaint.model_dump())
    costs = records.read_costs(METRICS / "speed.json", everything.inpaint.method_settings())
    publish_all = partial(publish, rows, good, lost + len(failed), settings, draws, costs, called)
    quality, ranked = publish_all({})
    write_json("ratings", ratings.summarise(answers, good, **draws))
    if settings.learned and good:
        figures: dict[tuple[str, str], float] = {}
        try:
            holes = {hole.row["id"]: hole for hole in plan(photographs, masks, results)}
            measure_learned(everything, holes, good, figures)
        finally:  # keep what was measured before weights turned out to be missing
            quality, ranked = publish_all(figures)
    write_json("protocol", protocols.beside(quality, everything.model_dump()))
    print(summary.table(quality))
    for metric in summary.HOLE:
        if len(methods) > 1 and metric in ranked["all"]["metrics"]:
            print(plain(tables.verdict(ranked, metric, called)))
    report_failures(failed, runtime.max_failures)


def plan(photographs: records.Rows, masks: records.Rows, results: records.Rows) -> Iterator[Hole]:
    """Bring together what belongs to one hole; manifests are sorted by id."""
    about = {
        row["id"]: (DATA / row["file"], row.get("prompt")) for row in records.usable(photographs)
    }
    results_of = groupby(results, itemgetter("id"))
    name, found = next(results_of, ("", ()))
    for row in masks:
        if row["status"] == records.NO_HOLE:
            continue
        own = {}
        if name == row["id"]:
            own = {(one["run"], one["sample"]): one for one in found}
            name, found = next(results_of, ("", ()))
        yield Hole(row, *about[row["image"]], own)


def methods_to_score(results: records.Rows, blind: bool) -> list[str]:
    """Every run of the manifest, the model first; without a truth no round trip of it."""
    left_out = {*names.AGAIN.values(), *([names.ROUNDTRIP] if blind else [])}
    runs = dict.fromkeys(row["run"] for row in results)
    return names.in_order([names.MODEL, *(run for run in runs if run not in left_out)])


def score_hole(hole: Hole, methods: list[str], ring_px: int, blind: bool) -> list[dict]:
    """The rows of one hole, one per method and sample; a failure is a row with the reason."""
    facts = {key: hole.row[key] for key in ("id", "image", "mask")}
    try:
        original, mask = open_hole(hole)
    except records.Unusable as error:
        lost = {"sample": 0, "status": records.FAILED, "error": str(error)}
        return [facts | {"method": method} | lost for method in methods]
    facts["hole_fraction"] = rounded(mask.mean())
    judge = partial(score_method, original=original, mask=mask, ring_px=ring_px, blind=blind)
    return [facts | row for method in methods for row in judge(hole, method)]


def score_method(
    hole: Hole, method: str, original: np.ndarray, mask: np.ndarray, ring_px: int, blind: bool
) -> list[dict]:
    """What the rows of one method's results add to the facts of their hole."""
    rows, results = [], []
    for made in hole.of(method) or missing(method):
        row = {"method": method, "sample": made["sample"], "status": records.OK}
        try:
            result = open_result(made, original, mask)
        except records.Unusable as error:
            rows.append(row | {"status": records.FAILED, "error": f"{method}: {error}"})
            continue
        values = metrics.score(None if blind else original, result, mask, ring_px)
        if method == names.RAW:
            values |= outside.score(original, result, mask)
        if made["sample"] == 0:
            values |= score_again(hole, method, result, mask)
        rows.append(row | rounded_all(values))
        results.append(result)
    if len(results) > 1:
        spread = {"hole_diversity": rounded(diversity(results, mask))}
        rows = [row | spread if row["status"] == records.OK else row for row in rows]
    return rows


def slim(row: dict) -> dict:
    """The row with one copy of each key for all rows; each came from its process with its own."""
    return {sys.intern(key): value for key, value in row.items()}


def open_hole(hole: Hole) -> tuple[np.ndarray, np.ndarray]:
    """Photograph and mask; raises records.Unusable with the reason when there is no mask."""
    if hole.row["status"] != records.OK:
        raise records.Unusable(hole.row["error"])
    original = images.load(hole.photograph)
    mask = images.load_mask(DATA / hole.row["file"], hole.grow)
    if original.shape[:2] != mask.shape:
        raise records.Unusable(f"sizes differ: photograph {original.shape}, mask {mask.shape}")
    if min(mask.shape) < pixel.WINDOW:
        raise records.Unusable(f"{mask.shape}: too small, SSIM needs {pixel.WINDOW} pixels a side")
    if not mask.any():
        raise records.Unusable("the mask has no hole, there is nothing to score")
    return original, mask


def missing(method: str) -> list[dict]:
    """The row in place of a result that no manifest tells of; a raw one falls with the model's."""
    if method == names.RAW:
        return []
    error = "no result in data/inpainted.jsonl; run inpaint again"
    return [{"run": method, "sample": 0, "status": records.FAILED, "error": error}]


def open_result(made: dict, original: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pixels of one result, as they lie on disk.

    Raises records.Unusable with the reason: it failed, cannot be read, has another size, or
    differs from the photograph outside the hole, which only what came before paste-back may.
    """
    if made["status"] != records.OK:
        raise records.Unusable(made["error"])
    result = images.load(DATA / made["file"])
    if result.shape != original.shape:
        raise records.Unusable(f"sizes differ: result {result.shape}, photograph {original.shape}")
    if made["run"] != names.RAW:
        changed = np.count_nonzero(images.differ(result, original) & ~mask)
        if changed:
            raise records.Unusable(
                f"{made['file']}: pixels outside the hole differ from the photograph's ({changed} "
                "of them); the file was changed, so delete it and run inpaint again"
            )
    return result


def score_again(
    hole: Hole, method: str, result: np.ndarray, mask: np.ndarray
) -> dict[str, float | None]:
    """How far a result agrees with itself, if parts of it were inpainted once more."""
    passes = hole.of(names.AGAIN[method]) if method in names.AGAIN else []
    if not passes:
        return {}
    good = records.usable(passes)
    again = [images.load(DATA / row["file"]) for row in good]
    hidden = [images.patches(mask, row["patches"]) for row in good]
    return {"self_consistency": consistency.score(result, again, hidden)}


def failures(rows: list[dict]) -> list[dict]:
    """One row for each hole and sample at which a method failed: the first that did."""
    failed: dict[tuple[str, int], dict] = {}
    for row in rows:
        if row["status"] != records.OK:
            failed.setdefault((row["id"], row["sample"]), row)
    return list(failed.values())


def rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # no negative zero


def rounded_all(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if one is None else rounded(one) for name, one in values.items()}


def publish(
    rows: list[dict],
    good: list[dict],
    failed: int,
    settings: params.Evaluate,
    draws: dict[str, int],
    costs: dict[str, dict],
    called: dict[str, str],
    figures: dict[tuple[str, str], float],
) -> tuple[dict, dict]:
    """Write the scores, their summary and the ranking; return these two.

    ``figures`` are those of no single row, by method and name.
    """
    quality = summary.quality(good, failed, settings.ssim_target, **draws)
    for (method, name), figure in figures.items():
        count = isinstance(figure, int)
        summary.put(quality, method, name, figure if count else names.metric(name).rounded(figure))
    records.write_atomic(METRICS / "scores.csv", to_csv(rows))
    write_json("quality", quality)
    write_json("by_hole", summary.by_hole(good, settings.hole_bins, **draws))
    ranked = ranking.rank(good, figures, settings.hole_bins, **draws)
    write_json("ranking", ranked)
    records.write_atomic(METRICS / "ranking.csv", tables.to_csv(ranked, costs))
    text = tables.to_markdown(ranked, costs, called)
    records.write_atomic(METRICS / "ranking.md", text.encode())
    return quality, ranked


def measure_learned(
    everything: params.Params,
    holes: dict[str, Hole],
    rows: list[dict],
    figures: dict[tuple[str, str], float],
) -> None:
    """Ask pretrained networks: columns are added to the rows, what is of no row to ``figures``."""
    from wizard.metrics import learned

    settings, runtime = everything.evaluate, everything.runtime
    setup = learned.Setup(
        dino=settings.dino,
        clip=settings.clip,
        device=runtime.device,
        batch=runtime.batch_size,
    )
    results = [
        learned.Result(
            method=row["method"],
            original=holes[row["id"]].photograph,
            prompt=holes[row["id"]].prompt or everything.inpaint.prompt,
            mask=DATA / holes[row["id"]].row["file"],
            grow=holes[row["id"]].grow,
            file=DATA / holes[row["id"]].results[row["method"], row["sample"]]["file"],
        )
        for row in rows
    ]
    for name, values in learned.score(settings.learned, results, setup):
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else rounded(value)
    seed = records.seed(settings.seed, "evaluate", "learned")
    figures.update(learned.compare(settings.learned, results, setup, seed))


def to_csv(rows: list[dict]) -> Iterator[bytes]:
    """The rows as lines of CSV, empty cells where there is no value; line ends are always \\n."""
    facts = [name for name in summary.FACTS if name != "error"]
    columns = [*facts, *summary.measured(rows)]
    table = csv.DictWriter(_Line(), columns, extrasaction="ignore", lineterminator="\n")
    yield table.writeheader()
    yield from map(table.writerow, rows)


class _Line:
    """What csv writes to; it hands back each line in place of keeping them all."""

    def write(self, text: str) -> bytes:
        return text.encode()


def write_json(name: str, figures: dict) -> None:
    text = json.dumps(figures, indent=2, allow_nan=False) + "\n"
    records.write_atomic(METRICS / f"{name}.json", text.encode())


if __name__ == "__main__":
    stage(main, __doc__)
