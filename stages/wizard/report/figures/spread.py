"""How scores are spread, and how they depend on the size of the hole."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from wizard.names import AUXILIARY, BASELINE, MODEL, metric
from wizard.report import scores
from wizard.report.figures.style import (
    LOOKS,
    STYLE,
    Labels,
    grid,
    interval_note,
    look,
    main_metrics,
    name_methods,
    reach,
)

PERCENTILES = {90: "--", 95: ":"}
# Nothing changes outside the hole: the gain in PSNR of the whole image is that in the hole.
GAINS = ("ssim", "hole_ssim", "hole_psnr")
# With fewer results a histogram or a cloud of points shows chance.
ENOUGH = 12


@rc_context(STYLE)
def distributions(rows: Sequence[dict], means: dict, labels: Labels) -> Figure | None:
    """Histograms of the main metrics, model over baseline: the mean of both with its 95% interval
    as line and band on top, the model's 90th and 95th percentile as broken lines.

    ``rows`` are those of scores.csv, as :func:`wizard.report.scores.read` gives them, ``means``
    the part ``all`` of by_hole.json. Results without a value (an infinite PSNR) are counted in
    the title. None for fewer than ENOUGH results.
    """
    own = [row for row in rows if row["method"] == MODEL]
    if len(own) < ENOUGH:
        return None
    panels = _panels(rows)
    figure, axes = grid(len(panels), height=3.6)
    for name, axis in zip(panels, axes, strict=True):
        found = _values(rows, name, labels)
        edges = bin_edges(np.concatenate(list(found.values())))
        for method, values in found.items():
            colour, _ = look(method, labels)
            share = np.histogram(values, edges)[0] / len(values) * 100
            filled = method in (MODEL, BASELINE)
            axis.stairs(share, edges, fill=filled, color=colour, alpha=0.3 if filled else 1)
            axis.stairs(share, edges, color=colour, linewidth=1.2, label=labels[method])
        missing = len(own) - len(found[MODEL])
        note = f", {missing} without a value" if missing else ""
        axis.set(
            xlabel=metric(name).title,
            ylabel="Results (%)",
            title=f"{metric(name).label}\n{_size(means)}{note}",
        )
        axis.legend(
            handles=_marks(axis, found, name, means, labels),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
            ncols=2,
        )
    figure.supxlabel(
        interval_note({"all": means}, "Solid lines: means. Bands on top: their"), fontsize=8
    )
    name_methods(figure, axes, labels)
    return figure


def _marks(axis, found: dict, name: str, means: dict, labels: Labels) -> list:
    """Mean and interval of model and baseline and the model's percentiles; the legend's lines."""
    digits = metric(name).digits
    axis.set_ylim(top=axis.get_ylim()[1] * 1.15)  # room for the bands above the bars
    lines = []
    for method, top in ((MODEL, 1), (BASELINE, 0.94)):
        if method in found:
            mean, (colour, _) = means[_column(method, name)], look(method, labels)
            label = f"{labels[method]} mean {mean['mean']:.{digits}f}"
            if "low" in mean:
                axis.axvspan(mean["low"], mean["high"], top - 0.06, top, color=colour, alpha=0.5)
                label += f" [{mean['low']:.{digits}f}, {mean['high']:.{digits}f}]"
            lines.append(axis.axvline(mean["mean"], color=colour, label=label))
    for percent, style in PERCENTILES.items():
        value = np.percentile(found[MODEL], percent)
        label = f"{labels[MODEL]} {percent}th percentile {value:.{digits}f}"
        lines.append(
            axis.axvline(value, color="#222222", linestyle=style, linewidth=1.2, label=label)
        )
    return lines


def _size(means: dict) -> str:
    return f"{means['count']} results of {means['images']} photographs"


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Equal bins over the values' range: 10 for a few, up to 40 for thousands."""
    count = int(np.clip(2 * np.sqrt(len(values)), 10, 40))
    return np.histogram_bin_edges(values, count)


@rc_context(STYLE)
def hole_fraction(rows: Sequence[dict], labels: Labels) -> Figure | None:
    """Each main metric against the hole's share of the image, one point per result.

    None for fewer than ENOUGH results of the model, or when their holes differ by less than a
    hundredth of the image.
    """
    shares = [row["hole_fraction"] for row in rows if row["method"] == MODEL]
    if len(shares) < ENOUGH or max(shares) - min(shares) < 0.01:
        return None
    panels = _panels(rows)
    figure, axes = grid(len(panels), height=3.4)
    for name, axis in zip(panels, axes, strict=True):
        for method in reversed(_values(rows, name, labels)):
            points = [
                (row["hole_fraction"] * 100, row[name])
                for row in rows
                if row["method"] == method and row.get(name) is not None
            ]
            colour, marker = look(method, labels)
            axis.plot(
                *zip(*points, strict=True),
                marker,
                color=colour,
                markersize=4.5,
                markeredgewidth=0,
                alpha=max(0.15, min(0.75, 60 / len(points))),
                label=labels[method],
            )
        axis.set(xlabel="Hole (% of the image)", ylabel=metric(name).title)
    figure.supxlabel(f"One point per result; N = {len(shares)} of {labels[MODEL]}", fontsize=8)
    name_methods(figure, axes, labels)
    return figure


@rc_context(STYLE)
def by_hole(bins: dict[str, dict], labels: Labels) -> Figure | None:
    """Means of the main metrics by the hole's share of the image, with 95% intervals.

    ``bins`` is by_hole.json: ``{"0.2-0.4": {"count": 16, "ssim": {"mean", "low", "high"}, …}}``,
    without intervals where there were too few photographs for one. None for a single bin.
    """
    bins = {name: values for name, values in bins.items() if name != "all"}
    if len(bins) < 2:
        return None
    panels = main_metrics({column for values in bins.values() for column in values})
    figure, axes = grid(len(panels), height=3.2)
    for name, axis in zip(panels, axes, strict=True):
        there = [
            method
            for method in labels
            if any(_column(method, name) in one for one in bins.values())
        ]
        for offset, method in enumerate(there):
            shift = 0.7 / len(there) * (offset - (len(there) - 1) / 2)
            _with_intervals(axis, bins, _column(method, name), shift, method, labels)
        axis.set_ylabel(metric(name).title)
        _hole_axis(axis, bins)
    figure.supxlabel(interval_note(bins, "Bars:"), fontsize=8)
    name_methods(figure, axes, labels)
    return figure


@rc_context(STYLE)
def gains(rows: Sequence[dict], bins: dict[str, dict], labels: Labels) -> Figure | None:
    """Gain of the model over the baseline: means by the hole's share of the image with paired 95%
    intervals, or, where all holes are in one bin, every result's gain with the mean and its
    interval as line and band.

    ``rows`` are those of scores.csv, ``bins`` is by_hole.json. None when it holds no gain, as
    without a reference image.
    """
    panels = [name for name in GAINS if f"gain_{name}" in bins["all"]]
    if not panels:
        return None
    figure = Figure(figsize=(3.2 * len(panels), 3.2), layout="constrained")
    for name, axis in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        axis.set_ylabel(f"Gain in {metric(name).title}")
        axis.axhline(0, color="#222222", linewidth=1)
        if len(bins) > 2:
            _with_intervals(axis, bins, f"gain_{name}", 0, MODEL, labels)
            _hole_axis(axis, bins)
        else:
            _each_gain(axis, rows, name, bins["all"][f"gain_{name}"])
    figure.suptitle(f"{labels[MODEL]} minus {labels[BASELINE]}, result by result")
    intervals = interval_note(bins, "Paired")
    figure.supxlabel(f"Above 0: {labels[MODEL]} is better. {intervals}", fontsize=8)
    return figure


def _each_gain(axis, rows: Sequence[dict], name: str, mean: dict) -> None:
    """The gains of single results, the least first, under their mean."""
    beside = {
        row["id"]: row[name]
        for row in rows
        if row["method"] == BASELINE and row.get(name) is not None
    }
    own = sorted(
        row[name] - beside[row["id"]]
        for row in rows
        if row["method"] == MODEL and row.get(name) is not None and row["id"] in beside
    )
    colour, marker = LOOKS[MODEL]
    axis.plot(range(1, len(own) + 1), own, marker, color=colour, markersize=4, alpha=0.8)
    label = f"mean {mean['mean']:+.{metric(name).digits}f}"
    if "low" in mean:
        axis.axhspan(mean["low"], mean["high"], color=colour, alpha=0.2)
        label += (
            f" [{mean['low']:+.{metric(name).digits}f}, {mean['high']:+.{metric(name).digits}f}]"
        )
    axis.axhline(mean["mean"], color=colour, linestyle="--", linewidth=1)
    axis.set(title=label, xlabel="Results, by their gain")
    axis.locator_params(axis="x", integer=True)


def _hole_axis(axis, bins: dict[str, dict]) -> None:
    ticks = [
        f"{_percent(name)}\nN = {values['count']}\n({values['images']} photos)"
        for name, values in bins.items()
    ]
    axis.set(
        xlabel="Hole (% of the image), N results",
        xticks=range(len(bins)),
        xticklabels=ticks,
        xlim=(-0.5, len(bins) - 0.5),
    )


def _with_intervals(
    axis, bins: dict[str, dict], column: str, shift: float, method: str, labels: Labels
) -> None:
    """One point per bin that has the column, with a bar from low to high where both are known."""
    found = {
        place + shift: values[column]
        for place, values in enumerate(bins.values())
        if column in values
    }
    colour, marker = look(method, labels)
    axis.errorbar(
        list(found),
        [value["mean"] for value in found.values()],
        reach(found.values()),
        color=colour,
        marker=marker,
        markersize=5,
        linestyle="none",
        capsize=3,
        label=labels[method],
    )


def _percent(name: str) -> str:
    if name == "all":
        return "All"
    low, high = (float(edge) * 100 for edge in name.split("-"))
    return f"{low:g}–{high:g}"


def _panels(rows: Sequence[dict]) -> list[str]:
    """The main metrics that the model has values of."""
    return main_metrics(scores.columns([row for row in rows if row["method"] == MODEL]))


def _column(method: str, name: str) -> str:
    """A column of by_hole.json."""
    return name if method == MODEL else f"{method}_{name}"


def _values(rows: Sequence[dict], name: str, labels: Labels) -> dict[str, np.ndarray]:
    """Values of one metric: of the model, of what it is held against, and of what bounds it."""
    found = {
        method: [row[name] for row in rows if row["method"] == method and row.get(name) is not None]
        for method in labels
        if method in (MODEL, BASELINE, *AUXILIARY)
    }
    return {method: np.array(values) for method, values in found.items() if values}
