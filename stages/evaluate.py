"""Measure what every result is worth.

    python stages/evaluate.py      (or: dvc repro evaluate)

Reads the three manifests under data/ with their files, and what people said (data/ratings.csv
and data/ratings/*.csv); writes

    metrics/scores.csv     one row per hole, method and sample, columns as stages/wizard/metrics/
                           defines them
    metrics/quality.json   the figures that `dvc metrics diff` compares
    metrics/ranking.json   which method is best by each metric, by hole size too; the same as .csv
                           and, to read, as .md
    metrics/cost.md        what each method cost on this machine, which neither git nor DVC keeps
    metrics/by_hole.json   every mean by the hole's share of the image
    metrics/ratings.json   what people said on the review page
    metrics/protocol.json  our numbers beside the published ones, when the masks are a protocol's

and prints a small table of the main figures. A result that failed, cannot be read, or differs from
the photograph outside its hole is a row with the reason in place of numbers and never part of a
mean.
"""

import csv
import json
import sys
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from wizard import metrics, names, opinions, params, records
from wizard.console import BadSetting, plain, progress, report_failures, stage
from wizard.metrics import protocols, ranking, ratings, summary, tables
from wizard.metrics.scoring import Hole, rounded, score_hole
from wizard.runners import local

DATA, METRICS = Path("data"), Path("metrics")


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

    lost = len(failed) + sum(row["status"] != records.OK for row in photographs)
    draws = {"resamples": settings.bootstrap, "seed": records.seed(settings.seed, "evaluate", "")}
    called = names.called(everything.inpaint.model_dump())
    publish_all = partial(publish, rows, good, answers, lost, everything, draws, called)
    quality, ranked = publish_all({})
    write_costs(everything.inpaint, called)
    if settings.learned and good:
        figures: dict[tuple[str, str], float] = {}
        try:
            holes = {hole.row["id"]: hole for hole in plan(photographs, masks, results)}
            measure_learned(everything, holes, good, figures)
        finally:  # keep what was measured before weights turned out to be missing
            quality, ranked = publish_all(figures)
    print(summary.table(quality))
    for metric in summary.HOLE:
        if len(methods) > 1 and metric in ranked["all"]["metrics"]:
            print(plain(tables.verdict(ranked, metric, called)))
    report_failures(failed, runtime.max_failures, where="metrics/scores.csv")


def plan(photographs: records.Rows, masks: records.Rows, results: records.Rows) -> Iterator[Hole]:
    """Bring together what belongs to one hole; manifests are sorted by id.

    Raises BadSetting when a hole's photograph is not there.
    """
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
        if row["image"] not in about:
            raise BadSetting(
                f"data/masks.jsonl: {row['id']} is a hole of {row['image']}, which is not in "
                "data/images.jsonl; run mask again"
            )
        yield Hole(DATA, row, *about[row["image"]], own)


def methods_to_score(results: records.Rows, blind: bool) -> list[str]:
    """Every run of the manifest, the model first; without a truth no round trip of it."""
    left_out = {*names.AGAIN.values(), *([names.ROUNDTRIP] if blind else [])}
    runs = dict.fromkeys(row["run"] for row in results)
    return names.in_order([names.MODEL, *(run for run in runs if run not in left_out)])


def slim(row: dict) -> dict:
    """The row with one copy of each key for all rows; each came from its process with its own."""
    return {sys.intern(key): value for key, value in row.items()}


def failures(rows: list[dict]) -> list[dict]:
    """One row for each hole and sample at which a method failed: the first that did."""
    failed: dict[tuple[str, int], dict] = {}
    for row in rows:
        if row["status"] != records.OK:
            failed.setdefault((row["id"], row["sample"]), row)
    return list(failed.values())


def publish(
    rows: list[dict],
    good: list[dict],
    answers: list[dict],
    failed: int,
    everything: params.Params,
    draws: dict[str, int],
    called: dict[str, str],
    figures: dict[tuple[str, str], float],
) -> tuple[dict, dict]:
    """Write the scores, their summary, the ranking and what people said, which is held against the
    scores; return summary and ranking. ``figures`` are those of no single row, by method and name.
    """
    settings = everything.evaluate
    quality = summary.quality(good, failed, settings.ssim_target, **draws)
    for (method, name), figure in figures.items():
        count = isinstance(figure, int)
        summary.put(quality, method, name, figure if count else names.metric(name).rounded(figure))
    records.write_atomic(METRICS / "scores.csv", to_csv(rows))
    write_json("quality", quality)
    write_json("protocol", protocols.beside(quality, everything.model_dump()))
    write_json("ratings", ratings.summarise(answers, good, **draws))
    write_json("by_hole", summary.by_hole(good, settings.hole_bins, **draws))
    ranked = ranking.rank(good, figures, settings.hole_bins, **draws)
    write_json("ranking", ranked)
    records.write_atomic(METRICS / "ranking.csv", tables.to_csv(ranked))
    records.write_atomic(METRICS / "ranking.md", tables.to_markdown(ranked, called).encode())
    return quality, ranked


def write_costs(inpaint: params.Inpaint, called: dict[str, str]) -> None:
    """What each method cost according to the last run that filled these holes here."""
    path = METRICS / "cost.md"
    holes = records.file_sha256(DATA / "masks.jsonl")
    costs = records.read_costs(METRICS / "speed.json", inpaint.method_settings(), holes)
    if costs:
        records.write_atomic(path, tables.costs(costs, called).encode())
    else:
        path.unlink(missing_ok=True)


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
    columns = [*summary.FACTS, *summary.measured(rows)]
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
