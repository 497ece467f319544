"""From a row a result to a few numbers: quality.json, by_hole.json, the closing table.

A column of scores.csv is ``[<run>_]<place>_<metric>``, except for ``ssim`` and ``psnr`` of the
whole image. Numbers follow these names, so a new metric appears here without being named.
"""

import math

import numpy as np

from wizard.metrics.intervals import bootstrap_means
from wizard.names import AUXILIARY, BASELINE, METRICS

FACTS = ("id", "image", "mask", "sample", "hole_fraction", "status", "error")
WHOLE = ("ssim", "psnr")
# What a run beside the model's own is told by in quality.json; by_hole.json has everything.
MAIN = (*WHOLE, "hole_ssim", "hole_psnr")
# What the closing table has a line for, where it was measured.
TOLD = (*MAIN, "edge_step", "edge_colour", "hole_sharpness_around")
RUNS = (BASELINE, *AUXILIARY)
DECIMALS = 5
# With fewer images the Fréchet distance says more about their number than about them.
ENOUGH_FOR_FRECHET = 2048


def quality(
    rows: list[dict], failed: int, ssim_target: float, resamples: int, seed: int
) -> dict[str, int | float | dict]:
    """The figures of quality.json from the rows that were scored.

    ``count`` results, ``failed`` items, ``identical`` results (equal to their original: their
    PSNR is infinite and left out of means), then means: with 95% intervals (``…_low``,
    ``…_high``) from six photographs on. ``ssim`` and ``psnr`` have their distribution too:
    population standard deviation, percentiles with linear interpolation. ``gain`` is the mean
    difference to the baseline, result by result. Numbers that cannot be had are absent.
    """
    summary = {"count": len(rows), "failed": failed}
    if not rows:
        return summary
    columns = _columns(rows)
    images = np.array([row["image"] for row in rows])
    means = _means(columns, images, resamples, seed)
    if "psnr" in rows[0]:
        summary["identical"] = sum(row["psnr"] is None for row in rows)
    for name in WHOLE:
        if name in means:
            summary[name] = _flat("mean", means[name]) | _distribution(columns[name])
    if "ssim" in means:
        above = columns["ssim"] > ssim_target
        summary["ssim"]["share_above_target"] = _rounded(above.mean())
    for name, mean in means.items():
        place, _, metric = name.partition("_")
        told = metric in MAIN or metric.startswith(("learned_", "self_")) or "ssim" not in means
        if place in RUNS and told:
            summary.setdefault(place, {})[metric] = mean["mean"]
        elif metric and place not in RUNS:
            summary.setdefault(place, {}).update(_flat(metric, mean))
    if max(row["sample"] for row in rows):
        summary["samples"] = _samples(rows, columns)
    return summary


def by_hole(rows: list[dict], width: float, resamples: int, seed: int) -> dict[str, dict]:
    """Every column's mean by the hole's share of the image, for by_hole.json.

    Keys are ``all`` and ``<above>-<to>`` (a hole of exactly 0.2 belongs to ``0.0-0.2``), bins
    without a result left out. Each has ``count`` (results), ``images`` and for each column that
    has a value ``{"mean", "low", "high"}``, the interval only where there are photographs enough.
    """
    bins = {"all": rows}
    digits = max(1, len(f"{width:g}".partition(".")[2]))
    for row in sorted(rows, key=lambda row: row["hole_fraction"]):
        # Rounding first: 0.6 / 0.2 is a little below 3.
        index = math.ceil(round(row["hole_fraction"] / width, 6)) - 1
        name = f"{index * width:.{digits}f}-{min(1, (index + 1) * width):.{digits}f}"
        bins.setdefault(name, []).append(row)
    summary = {}
    for name, members in bins.items():
        images = np.array([row["image"] for row in members])
        summary[name] = {"count": len(members), "images": len(set(images.tolist()))}
        if members:
            summary[name] |= _means(_columns(members), images, resamples, seed)
    return summary


def table(quality: dict) -> str:
    """The main figures as a few lines of text: the results, what they are compared with."""
    beside = [run for run in RUNS if run in quality]
    lines = [f"{'':34}" + "".join(f"{head:>11}" for head in ("results", *beside))]
    for name, how in METRICS.items():
        place, _, metric = name.partition("_")
        own = quality.get(place, {}).get(metric or "mean")
        values = [own, *(quality[run].get(name) for run in beside)]
        told = name in TOLD or name.startswith(("learned_", "self_"))
        if told and own is not None:
            cells = ("" if value is None else f"{value:.{how.digits}f}" for value in values)
            lines.append(f"{how.title:34}" + "".join(f"{cell:>11}" for cell in cells))
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


def _columns(rows: list[dict]) -> dict[str, np.ndarray]:
    """The measured columns and the gains over the baseline, NaN for an empty cell."""
    names = dict.fromkeys(name for row in rows for name in row if name not in FACTS)
    values = {name: np.array([row.get(name) for row in rows], float) for name in names}
    gains = {
        f"gain_{name}": values[name] - values[f"baseline_{name}"]
        for name in MAIN
        if f"baseline_{name}" in values
    }
    return {name: column for name, column in (values | gains).items() if not np.isnan(column).all()}


def _means(
    columns: dict[str, np.ndarray], images: np.ndarray, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    stacked = np.column_stack(list(columns.values()))
    ends = zip(*bootstrap_means(stacked, images, resamples, seed), strict=True)
    means = {}
    for (name, column), (low, high) in zip(columns.items(), ends, strict=True):
        numbers = {"mean": np.nanmean(column), "low": low, "high": high}
        means[name] = {
            key: _rounded(value) for key, value in numbers.items() if not np.isnan(value)
        }
    return means


def _flat(name: str, mean: dict[str, float]) -> dict[str, float]:
    """{"mean": 1, "low": 0, "high": 2} as {name: 1, name_low: 0, name_high: 2}."""
    return {name if key == "mean" else f"{name}_{key}": value for key, value in mean.items()}


def _distribution(column: np.ndarray) -> dict[str, float]:
    known = column[~np.isnan(column)]
    percentiles = dict(zip(("p10", "p90", "p95"), np.percentile(known, (10, 90, 95)), strict=True))
    numbers = {"std": known.std(), "median": np.median(known), **percentiles}
    return {key: _rounded(value) for key, value in numbers.items()}


def _samples(rows: list[dict], columns: dict[str, np.ndarray]) -> dict:
    """Several fills of one hole: what to expect of one, the best of them, how they differ.

    ``expected`` is the mean over a hole's fills, ``best`` its best by each metric, which needs
    the original to be chosen; both averaged over holes.
    """
    fills_of = {}
    for index, row in enumerate(rows):
        fills_of.setdefault(row["id"], []).append(index)
    summary = {"per_mask": 1 + max(row["sample"] for row in rows), "expected": {}, "best": {}}
    for name in MAIN:
        if name in columns:
            fills = (columns[name][indices] for indices in fills_of.values())
            fills = [known for one in fills if len(known := one[~np.isnan(one)])]
            summary["expected"][name] = _rounded(np.mean([one.mean() for one in fills]))
            summary["best"][name] = _rounded(np.mean([one.max() for one in fills]))
    return summary


def _rounded(value: float) -> float:
    # Adding zero turns −0.0 into 0.0.
    return round(float(value), DECIMALS) + 0.0
