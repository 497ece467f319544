"""What people said, in figures: mean scores, agreement, and the choices between two methods."""

from collections.abc import Iterable

import numpy as np

from wizard.metrics.intervals import binomial, bootstrap_means
from wizard.names import BASELINE, MODEL
from wizard.opinions import CRITERIA, PREFERENCE, TIE

RUNS = (MODEL, BASELINE)


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
    latest = {_asked(row): row for row in known}
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
    choices = [
        row["value"]
        for row in rows
        if row["criterion"] == PREFERENCE
        and {row["run"], row["against"]} == set(RUNS)
        and row["value"] != TIE
    ]
    if choices:
        summary["preference"] = _share(choices.count(MODEL), len(choices))
    return summary


def _asked(row: dict) -> tuple:
    """What a rater was asked: where it was answered twice, the later answer counts."""
    pair = frozenset((row["run"], row["against"]))
    return row["rater"], row["id"], row["sample"], pair, row["criterion"]


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
    things = sorted({(row["id"], row["sample"], row["run"]) for row in rows})
    given = np.full((len(raters), len(things)), np.nan)
    for row in rows:
        thing = things.index((row["id"], row["sample"], row["run"]))
        given[raters.index(row["rater"]), thing] = row["value"]
    shared = given[:, (~np.isnan(given)).sum(axis=0) >= 2] if rows else given
    values = shared[~np.isnan(shared)]
    if len(np.unique(values)) < 2:
        return None

    import krippendorff

    return float(krippendorff.alpha(shared, level_of_measurement="ordinal"))
