"""What people said: scores of 1–5 and choices between model and baseline.

Ratings come from the review page as rows of ``rater, id, run, criterion, value, note``. Where a
rater judged the same thing twice, the later row counts.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wizard.metrics.intervals import binomial, bootstrap_means

CRITERIA = ("seamlessness", "artifacts", "contextual_accuracy")
RUNS = ("model", "baseline")
HEADER = ["rater", "id", "run", "criterion", "value", "note"]
SCALE = range(1, 6)


def read(path: Path | str) -> list[dict]:
    """Rows of a ratings file: text, and ``value`` an int for a criterion, a run for a preference.

    Raises OSError when the file is missing and ValueError naming the line, the column, its value
    and what is allowed.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        if lines.fieldnames != HEADER:
            raise ValueError(f"{path}: the first line must be {','.join(HEADER)}")
        return [_checked(row, f"{path}:{lines.line_num}") for row in lines]


def _checked(row: dict, where: str) -> dict:
    preference = row["criterion"] == "preference"
    allowed = {
        "criterion": (*CRITERIA, "preference"),
        "run": ("", *RUNS) if preference else RUNS,
        "value": RUNS if preference else [str(value) for value in SCALE],
    }
    for column, values in allowed.items():
        if row[column] not in values:
            raise ValueError(
                f"{where}: {column} {row[column]!r}: allowed: {', '.join(filter(None, values))}"
            )
    return row if preference else row | {"value": int(row["value"])}


def summarise(
    ratings: list[dict], image_of: dict[str, str], resamples: int, seed: int
) -> dict[str, int | dict]:
    """The figures of ratings.json; only ratings of the results in ``image_of`` (id → image) count.

    ``ratings`` and ``raters`` are counts, ``unknown`` the ratings of anything else. For each
    criterion and run ``mean`` (1–5), ``count`` and, from six photographs on, the 95% interval
    ``low``, ``high`` (photographs resampled); ``agreement`` is Krippendorff's alpha for ordinal
    data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"; 1 full agreement,
    0 chance), absent where no two people rated the same or all gave one value. ``preference.model``
    is the share of choices for the model with its Wilson interval. What cannot be had is absent.
    """
    known = [row for row in ratings if row["id"] in image_of]
    latest = {(row["rater"], row["id"], row["run"], row["criterion"]): row for row in known}
    rows = list(latest.values())
    summary = {
        "ratings": len(rows),
        "raters": len({row["rater"] for row in rows}),
        "unknown": len(ratings) - len(known),
    }
    for criterion in CRITERIA:
        about = [row for row in rows if row["criterion"] == criterion]
        figures = {}
        for run in RUNS:
            of_run = [row for row in about if row["run"] == run]
            if of_run:
                images = [image_of[row["id"]] for row in of_run]
                figures[run] = _mean([row["value"] for row in of_run], images, resamples, seed)
        agreement = _agreement(about)
        if agreement is not None:
            figures["agreement"] = round(agreement, 4)
        if figures:
            summary[criterion] = figures
    choices = [row["value"] for row in rows if row["criterion"] == "preference"]
    if choices:
        summary["preference"] = _share(choices.count("model"), len(choices))
    return summary


def _mean(values: list[int], images: list[str], resamples: int, seed: int) -> dict:
    column = np.array(values, float)[:, None]
    (low,), (high,) = bootstrap_means(column, np.array(images), resamples, seed)
    numbers = {"mean": column.mean(), "low": low, "high": high}
    kept = {key: round(float(one), 4) for key, one in numbers.items() if not np.isnan(one)}
    return {"count": len(values)} | kept


def _share(successes: int, trials: int) -> dict:
    low, high = binomial(successes, trials)
    numbers = {"model": successes / trials, "low": low, "high": high}
    return {"count": trials} | {key: round(value, 4) for key, value in numbers.items()}


def _agreement(rows: Iterable[dict]) -> float | None:
    """Krippendorff's alpha over rated things (a result of a run), None when it is undefined."""
    rows = list(rows)
    raters = sorted({row["rater"] for row in rows})
    things = sorted({(row["id"], row["run"]) for row in rows})
    given = np.full((len(raters), len(things)), np.nan)
    for row in rows:
        given[raters.index(row["rater"]), things.index((row["id"], row["run"]))] = row["value"]
    shared = given[:, (~np.isnan(given)).sum(axis=0) >= 2] if rows else given
    values = shared[~np.isnan(shared)]
    if len(np.unique(values)) < 2:
        return None

    import krippendorff

    return float(krippendorff.alpha(shared, level_of_measurement="ordinal"))
