"""From the rows of scores.csv to a few numbers: quality.json, by_hole.json, the closing table.

A column of scores.csv is ``<place>_<metric>``, except for ``ssim`` and ``psnr`` of the whole
image. Numbers follow these names, so a new metric appears here without being named.
"""

import math
from typing import Any

import numpy as np

from wizard.metrics.intervals import bootstrap_means
from wizard.names import AUXILIARY, BASELINE, METRICS, MODEL, in_order, metric

FACTS = ("id", "image", "mask", "method", "sample", "hole_fraction", "status", "error")
WHOLE = ("ssim", "psnr")
HOLE = ("hole_ssim", "hole_psnr")
# What another method is told by in quality.json, and a contender by the last two alone: so that
# `dvc metrics diff` stays readable. The ranking has everything.
MAIN = (*WHOLE, *HOLE)
# What the closing table has a line for, where it was measured.
TOLD = (*MAIN, "edge_step", "edge_colour", "hole_sharpness_around")
BESIDE = (BASELINE, *AUXILIARY)
GAIN = "gain"
# With fewer images the Fréchet distance says more about their number than about them.
ENOUGH_FOR_FRECHET = 2048

# Values of a method's metric, one for each result of the model, NaN where there is none.
Columns = dict[tuple[str, str], np.ndarray]


def quality(
    rows: list[dict], failed: int, ssim_target: float, resamples: int, seed: int
) -> dict[str, Any]:
    """The figures of quality.json from the rows that were scored.

    ``count`` results of the model, ``failed`` items, ``identical`` results (equal to their
    original: their PSNR is infinite and left out of means), then means: with 95% intervals
    (``…_low``, ``…_high``) from six photographs on. ``ssim`` and ``psnr`` have their distribution
    too: population standard deviation, percentiles with linear interpolation. ``gain`` is the
    mean difference to the baseline, result by result. Numbers that cannot be had are absent, and
    all are rounded to what another machine reproduces.
    """
    own = [row for row in rows if row["method"] == MODEL]
    summary: dict[str, Any] = {"count": len(own), "failed": failed}
    if not own:
        return summary
    columns = _columns(rows, of_one_sample(rows))
    means = _means(columns, own, resamples, seed)
    if "psnr" in own[0]:
        summary["identical"] = sum(row["psnr"] is None for row in own)
    for name in WHOLE:
        if (MODEL, name) in means:
            spread = _distribution(name, columns[MODEL, name])
            summary[name] = _flat("mean", means[MODEL, name]) | spread
    if "ssim" in summary:
        above = columns[MODEL, "ssim"] > ssim_target
        summary["ssim"]["share_above_target"] = round(float(above.mean()), 4)
    for (method, name), mean in means.items():
        place, _, figure = name.partition("_")
        if method == MODEL and figure:
            summary.setdefault(place, {}).update(_flat(figure, mean))
        elif method == GAIN:
            summary.setdefault(GAIN, {}).update(_flat(name, mean))
        elif method != MODEL and ("ssim" not in summary or _told(method, name)):
            put(summary, method, name, mean["mean"])
    if samples := _samples(own, columns):
        summary["samples"] = samples
    return summary


def put(summary: dict, method: str, name: str, value: float) -> None:
    """Put one figure of a method at its place in quality.json."""
    if method == MODEL:
        place, _, name = name.partition("_")
        summary.setdefault(place, {})[name] = value
    elif method in BESIDE:
        summary.setdefault(method, {})[name] = value
    else:
        summary.setdefault("contenders", {}).setdefault(method, {})[name] = value


def by_hole(rows: list[dict], width: float, resamples: int, seed: int) -> dict[str, dict]:
    """Every metric's mean by the hole's share of the image, for by_hole.json.

    Keys are ``all`` and ``<above>-<to>`` (a hole of exactly 0.2 belongs to ``0.0-0.2``), bins
    without a result of the model left out. Each has ``count`` (results of the model), ``images``
    and for each ``[<method>_]<metric>`` with a value ``{"mean", "low", "high"}``, the interval
    only where there are photographs enough.
    """
    bins, single = {"all": rows} | in_bins(rows, width), of_one_sample(rows)
    summary: dict[str, dict[str, Any]] = {}
    for name, members in bins.items():
        own = [row for row in members if row["method"] == MODEL]
        if own or name == "all":
            summary[name] = {"count": len(own), "images": len({row["image"] for row in own})}
        if own:
            means = _means(_columns(members, single), own, resamples, seed)
            summary[name] |= {
                column if method == MODEL else f"{method}_{column}": mean
                for (method, column), mean in means.items()
            }
    return summary


def in_bins(rows: list[dict], width: float) -> dict[str, list[dict]]:
    """The rows by the hole's share of the image, smallest holes first, under the bin's name."""
    bins: dict[str, list[dict]] = {}
    digits = max(1, len(f"{width:g}".partition(".")[2]))
    for row in sorted(rows, key=lambda row: row["hole_fraction"]):
        # Rounding first: 0.6 / 0.2 is a little below 3. A single pixel may be a share of 0.
        index = max(0, math.ceil(round(row["hole_fraction"] / width, 6)) - 1)
        name = f"{index * width:.{digits}f}-{min(1, (index + 1) * width):.{digits}f}"
        bins.setdefault(name, []).append(row)
    return bins


def table(quality: dict) -> str:
    """The main figures as a few lines of text: the results, what they are compared with."""
    beside = [method for method in BESIDE if method in quality]
    rows = [["", "results", *beside]]
    for name, how in METRICS.items():
        place, _, figure = name.partition("_")
        own = quality.get(place, {}).get(figure or "mean")
        if own is None or not (name in TOLD or place in ("learned", "self")):
            continue
        values = [own, *(quality[method].get(name) for method in beside)]
        cells = ("" if value is None else f"{value:.{how.digits}f}" for value in values)
        rows.append([how.title, *cells])
    width = max(len(title) for title, *_ in rows)
    lines = [f"{title:{width}}" + "".join(f"{one:>11}" for one in cells) for title, *cells in rows]
    distances = [name for name in ("fid", "fd") if name in quality.get("learned", {})]
    if distances:
        count, photographs = (quality["learned"][name] for name in ("count", "photographs"))
        title = " and ".join(distances).upper()
        line = f"{title} of N = {count} results, {photographs} photographs"
        if min(count, photographs) < ENOUGH_FOR_FRECHET:
            line += f": fewer than {ENOUGH_FOR_FRECHET} bias it upwards, read KID or KD instead"
        lines.append(line)
    lines.append(f"{quality['count']} results, {quality['failed']} failed")
    return "\n".join(lines)


def measured(rows: list[dict]) -> list[str]:
    """The metrics that stand in any of the rows, in the order in which they stand there."""
    return list(dict.fromkeys(name for row in rows for name in row if name not in FACTS))


def of_one_sample(rows: list[dict]) -> set[str]:
    """The methods that have no second sample of any hole."""
    several = {row["method"] for row in rows if row["sample"]}
    return {row["method"] for row in rows} - several


def _told(method: str, name: str) -> bool:
    main = MAIN if method in BESIDE else HOLE
    return name in main or name.startswith(("learned_", "self_", "outside_"))


def _columns(rows: list[dict], single: set[str]) -> Columns:
    """The measured values of every method, and the model's gains over the baseline.

    A method with a ``single`` sample stands beside every sample of the model.
    """
    of = {(row["method"], row["id"], row["sample"]): row for row in rows}
    own = [(row["id"], row["sample"]) for row in rows if row["method"] == MODEL]
    columns = {}
    for method in in_order(row["method"] for row in rows):
        samples = ((hole, 0 if method in single else k) for hole, k in own)
        rows_of = [of.get((method, *which), {}) for which in samples]
        for name in measured(rows_of):
            columns[method, name] = np.array([row.get(name) for row in rows_of], float)
    for name in MAIN:
        if (BASELINE, name) in columns and (MODEL, name) in columns:
            columns[GAIN, name] = columns[MODEL, name] - columns[BASELINE, name]
    return {key: values for key, values in columns.items() if not np.isnan(values).all()}


def _means(
    columns: Columns, own: list[dict], resamples: int, seed: int
) -> dict[tuple[str, str], dict[str, float]]:
    images = np.array([row["image"] for row in own])
    stacked = np.column_stack(list(columns.values()))
    ends = zip(*bootstrap_means(stacked, images, resamples, seed), strict=True)
    means = {}
    for (key, column), (low, high) in zip(columns.items(), ends, strict=True):
        numbers = {"mean": np.nanmean(column), "low": low, "high": high}
        means[key] = {
            which: metric(key[1]).rounded(value)
            for which, value in numbers.items()
            if not np.isnan(value)
        }
    return means


def _flat(name: str, mean: dict[str, float]) -> dict[str, float]:
    """{"mean": 1, "low": 0, "high": 2} as {name: 1, name_low: 0, name_high: 2}."""
    return {name if key == "mean" else f"{name}_{key}": value for key, value in mean.items()}


def _distribution(name: str, column: np.ndarray) -> dict[str, float]:
    known = column[~np.isnan(column)]
    percentiles = dict(zip(("p10", "p90", "p95"), np.percentile(known, (10, 90, 95)), strict=True))
    numbers = {"std": known.std(), "median": np.median(known), **percentiles}
    return {key: metric(name).rounded(value) for key, value in numbers.items()}


def _samples(own: list[dict], columns: Columns) -> dict:
    """Several samples of one hole: what to expect of one, the best of them, how they differ.

    ``expected`` is the mean over a hole's samples, ``best`` its best by each metric, which needs
    the original to be chosen; both averaged over holes. Empty where nothing was compared with an
    original, or no hole has more than one sample.
    """
    most = max(row["sample"] for row in own)
    names = [name for name in MAIN if (MODEL, name) in columns]
    if not most or not names:
        return {}
    samples_of: dict[str, list[int]] = {}
    for index, row in enumerate(own):
        samples_of.setdefault(row["id"], []).append(index)
    summary = {"per_mask": 1 + most, "expected": {}, "best": {}}
    for name in names:
        values = (columns[MODEL, name][indices] for indices in samples_of.values())
        samples = [known for one in values if len(known := one[~np.isnan(one)])]
        for key, of_hole in (("expected", np.mean), ("best", np.max)):
            summary[key][name] = metric(name).rounded(np.mean([of_hole(one) for one in samples]))
    return summary
