"""Figures that a paper could print, as PNG bytes: the same inputs give the same bytes.

Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart; runs
also differ in marker or hatching.
"""

import io
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from wizard.names import METRICS
from wizard.opinions import PREFERENCE
from wizard.report import scores
from wizard.report.pictures import ERROR_RANGE

COLOURS = {"model": "#0072B2", "baseline": "#E69F00", "roundtrip": "#009E73", "raw": "#CC79A7"}
MARKERS = {"model": "o", "baseline": "^", "roundtrip": "s", "raw": "D"}
PERCENTILES = {90: "--", 95: ":"}
SHEET = {
    "original": "Original",
    "masked": "Masked",
    "model": "Model",
    "baseline": "Baseline",
    "error": "Difference",
}
RATED_AGAINST = ("ssim", "psnr", "edge_seam", "edge_step")
SHOWN = ("ssim", "psnr", "hole_ssim", "hole_psnr")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "image.interpolation": "nearest",
}


@rc_context(STYLE)
def distributions(rows: Sequence[dict], means: dict, dpi: int) -> bytes:
    """Histograms of the main metrics, model over baseline: the mean of both with its 95% interval
    as line and band on top, the model's 90th and 95th percentile as broken lines.

    ``rows`` are those of scores.csv, as :func:`wizard.report.scores.read` gives them, ``means``
    the part ``all`` of by_hole.json. Results without a value (an infinite PSNR) are counted in
    the title.
    """
    names = _panels(rows)
    figure, axes = _grid(len(names), height=3.6)
    for name, axis in zip(names, axes, strict=True):
        runs = _values(rows, name)
        edges = bin_edges(np.concatenate(list(runs.values())))
        for run, values in runs.items():
            share = np.histogram(values, edges)[0] / len(values) * 100
            filled = run in ("model", "baseline")
            axis.stairs(share, edges, fill=filled, color=COLOURS[run], alpha=0.3 if filled else 1)
            axis.stairs(share, edges, color=COLOURS[run], linewidth=1.2, label=scores.RUNS[run])
        missing = len(rows) - len(runs["model"])
        note = f", {missing} without a value" if missing else ""
        axis.set(
            xlabel=scores.metric(name).title,
            ylabel="Results (%)",
            title=f"{scores.metric(name).label}\n{_size(means)}{note}",
        )
        axis.legend(
            handles=_marks(axis, runs, name, means),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
            ncols=2,
        )
    figure.supxlabel(_note({"all": means}, "Solid lines: means. Bands on top: their"), fontsize=8)
    _name_runs(figure, axes)
    return _png(figure, dpi)


def _marks(axis, runs: dict[str, np.ndarray], name: str, means: dict) -> list:
    """Mean and interval of model and baseline and the model's percentiles; the legend's lines."""
    digits = 2 if scores.metric(name).unit else 3
    axis.set_ylim(top=axis.get_ylim()[1] * 1.15)  # room for the bands above the bars
    lines = []
    for run, top in (("model", 1), ("baseline", 0.94)):
        if run in runs:
            mean, colour = means[_column(run, name)], COLOURS[run]
            label = f"{scores.RUNS[run]} mean {mean['mean']:.{digits}f}"
            if "low" in mean:
                axis.axvspan(mean["low"], mean["high"], top - 0.06, top, color=colour, alpha=0.5)
                label += f" [{mean['low']:.{digits}f}, {mean['high']:.{digits}f}]"
            lines.append(axis.axvline(mean["mean"], color=colour, label=label))
    for percent, style in PERCENTILES.items():
        value = np.percentile(runs["model"], percent)
        label = f"Model {percent}th percentile {value:.{digits}f}"
        lines.append(
            axis.axvline(value, color="#222222", linestyle=style, linewidth=1.2, label=label)
        )
    return lines


def _size(means: dict) -> str:
    return f"{means['count']} results of {means['images']} photographs"


def _note(bins: dict[str, dict], beginning: str) -> str:
    """What the intervals are, or why there are none."""
    values = [one for means in bins.values() for one in means.values()]
    if any(isinstance(one, dict) and "low" in one for one in values):
        return f"{beginning} 95% intervals over photographs, where there are six or more"
    return "No 95% intervals: they need six photographs"


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Equal bins over the values' range: 10 for a few, up to 40 for thousands."""
    count = int(np.clip(2 * np.sqrt(len(values)), 10, 40))
    return np.histogram_bin_edges(values, count)


@rc_context(STYLE)
def hole_fraction(rows: Sequence[dict], dpi: int) -> bytes:
    """Each main metric against the hole's share of the image, a point a result."""
    names = _panels(rows)
    figure, axes = _grid(len(names), height=3.4)
    for name, axis in zip(names, axes, strict=True):
        for run in reversed(_values(rows, name)):
            points = [
                (row["hole_fraction"] * 100, row[_column(run, name)])
                for row in rows
                if row.get(_column(run, name)) is not None
            ]
            axis.plot(
                *zip(*points, strict=True),
                MARKERS[run],
                color=COLOURS[run],
                markersize=4.5,
                markeredgewidth=0,
                alpha=max(0.15, min(0.75, 60 / len(points))),
                label=scores.RUNS[run],
            )
        axis.set(xlabel="Hole (% of the image)", ylabel=scores.metric(name).title)
    figure.supxlabel(f"A point a result; N = {len(rows)} results", fontsize=8)
    _name_runs(figure, axes)
    return _png(figure, dpi)


@rc_context(STYLE)
def by_hole(bins: dict[str, dict], dpi: int) -> bytes:
    """Means of the main metrics by the hole's share of the image, with 95% intervals.

    ``bins`` is by_hole.json: ``{"0.2-0.4": {"count": 16, "ssim": {"mean", "low", "high"}, …}}``,
    without intervals where there were too few photographs for one.
    """
    bins = {name: values for name, values in bins.items() if name != "all"}
    names = _main({column for values in bins.values() for column in values})
    figure, axes = _grid(len(names), height=3.2)
    for name, axis in zip(names, axes, strict=True):
        runs = [run for run in COLOURS if any(_column(run, name) in one for one in bins.values())]
        for offset, run in enumerate(runs):
            shift = 0.12 * (offset - (len(runs) - 1) / 2)
            _with_intervals(axis, bins, _column(run, name), shift, run)
        axis.set_ylabel(scores.metric(name).title)
        _hole_axis(axis, bins)
    figure.supxlabel(_note(bins, "Bars:"), fontsize=8)
    _name_runs(figure, axes)
    return _png(figure, dpi)


@rc_context(STYLE)
def gains(bins: dict[str, dict], dpi: int) -> bytes | None:
    """Mean gain of the model over the baseline, for all results and by the hole's share of the
    image, with paired 95% intervals.

    ``bins`` is by_hole.json. None when it holds no gain, as without a reference image.
    """
    names = [name for name in SHOWN if f"gain_{name}" in bins["all"]]
    if not names:
        return None
    figure, axes = _grid(len(names), height=3.2)
    for name, axis in zip(names, axes, strict=True):
        axis.axhline(0, color="#222222", linewidth=1)
        _with_intervals(axis, bins, f"gain_{name}", 0, "model")
        axis.set_ylabel(f"Gain in {scores.metric(name).title}")
        _hole_axis(axis, bins)
    figure.suptitle("Model minus baseline, result by result: above 0 the model is better")
    figure.supxlabel(_note(bins, "Bars: paired"), fontsize=8)
    return _png(figure, dpi)


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


def _with_intervals(axis, bins: dict[str, dict], column: str, shift: float, run: str) -> None:
    """A point a bin that has the column, with a bar from low to high where both are known."""
    found = {
        place + shift: values[column]
        for place, values in enumerate(bins.values())
        if column in values
    }
    middle = [value["mean"] for value in found.values()]
    below = [value["mean"] - value.get("low", np.nan) for value in found.values()]
    above = [value.get("high", np.nan) - value["mean"] for value in found.values()]
    axis.errorbar(
        list(found),
        middle,
        (below, above),
        color=COLOURS[run],
        marker=MARKERS[run],
        linestyle="none",
        capsize=3,
        label=scores.RUNS[run],
    )


def _percent(name: str) -> str:
    if name == "all":
        return "All"
    low, high = (float(edge) * 100 for edge in name.split("-"))
    return f"{low:g}–{high:g}"


@rc_context(STYLE)
def ratings(opinions: Sequence[dict], rows: Sequence[dict], dpi: int) -> bytes | None:
    """People's mean rating of each fill against what the metrics say of it; where a rater judged
    the same thing twice, the later row counts.

    ``opinions`` are rows as :mod:`wizard.opinions` reads them, ``rows`` those of scores.csv. A
    line of panels a criterion, a column a metric; the title has Spearman's rank correlation. None
    when nobody has rated any of these results.
    """
    by_id = {row["id"]: row for row in rows if row["sample"] == 0}
    given = {}
    for row in opinions:
        if row["criterion"] != PREFERENCE and row["id"] in by_id:
            key = row["criterion"], row["run"], row["id"]
            given.setdefault(key, {})[row["rater"]] = row["value"]
    names = [name for name in RATED_AGAINST if name in scores.columns(rows)]
    criteria = sorted({criterion for criterion, _, _ in given})
    if not criteria or not names:
        return None
    figure = Figure(figsize=(3.3 * len(names), 2.9 * len(criteria)), layout="constrained")
    axes = figure.subplots(len(criteria), len(names), squeeze=False)
    for criterion, line in zip(criteria, axes, strict=True):
        for name, axis in zip(names, line, strict=True):
            points = {
                (run, key): (by_id[key][_column(run, name)], np.mean(list(values.values())))
                for (about, run, key), values in sorted(given.items())
                if about == criterion and by_id[key].get(_column(run, name)) is not None
            }
            for run in ("model", "baseline"):
                own = [point for (whose, _), point in points.items() if whose == run]
                if own:
                    axis.plot(
                        *zip(*own, strict=True),
                        MARKERS[run],
                        color=COLOURS[run],
                        alpha=0.7,
                        markeredgewidth=0,
                        label=scores.RUNS[run],
                    )
            axis.set(
                xlabel=scores.metric(name).title,
                ylim=(0.7, 5.3),
                yticks=range(1, 6),
                ylabel=criterion.replace("_", " ").capitalize() + " (1–5)",
                title=_correlation(list(points.values())),
            )
    _name_runs(figure, axes.ravel())
    return _png(figure, dpi)


def _correlation(points: Sequence[tuple[float, float]]) -> str:
    """Spearman's ρ as text; it needs three points and variation on both axes."""
    values = np.array(points).reshape(-1, 2)
    if len(values) < 3 or (values == values[:1]).all(axis=0).any():
        return f"{len(values)} fills"
    return f"ρ = {spearmanr(values).statistic:.2f}, {len(values)} fills"


@rc_context(STYLE)
def comparison(examples: Sequence[dict], dpi: int) -> bytes:
    """A sheet with a row an example: original, masked, model, baseline, error map.

    ``examples`` have ``title`` (text) and of these five views (uint8 H×W×3) those that there are;
    one that no example has gets no column.
    """
    views = [view for view in SHEET if any(view in example for example in examples)]
    figure = Figure(figsize=(2.08 * len(views), 1.95 * len(examples) + 0.3), layout="constrained")
    axes = figure.subplots(len(examples), len(views), squeeze=False)
    for example, line in zip(examples, axes, strict=True):
        for axis, view in zip(line, views, strict=True):
            if view in example:
                axis.imshow(example[view])
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(example["title"])
    for axis, view in zip(axes[0], views, strict=True):
        axis.set_title(SHEET[view])
    if "error" in views:
        scale = ScalarMappable(Normalize(0, ERROR_RANGE), colormaps["magma"])
        figure.colorbar(
            scale, ax=axes[:, -1], label="Absolute difference\n(levels of 255)", extend="max"
        )
    return _png(figure, dpi)


def _panels(rows: Sequence[dict]) -> list[str]:
    return _main(scores.columns(rows))


def _main(columns: Iterable[str]) -> list[str]:
    """The main metrics among the columns; without a reference image, the first four others."""
    columns = set(columns)
    names = [name for name in METRICS if name in columns]
    return [name for name in SHOWN if name in names] or [
        name for name in names if name != "hole_fraction"
    ][:4]


def _column(run: str, name: str) -> str:
    return name if run == "model" else f"{run}_{name}"


def _values(rows: Sequence[dict], name: str) -> dict[str, np.ndarray]:
    """Values of one metric for each run that has any, the model first."""
    found = {
        run: [row[_column(run, name)] for row in rows if row.get(_column(run, name)) is not None]
        for run in COLOURS
    }
    return {run: np.array(values) for run, values in found.items() if values}


def _grid(count: int, height: float):
    """A figure of two columns of panels, and its first ``count`` axes."""
    lines = -(-count // 2)
    figure = Figure(figsize=(9.6, height * lines), layout="constrained")
    axes = figure.subplots(lines, 2, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def _name_runs(figure: Figure, axes: Sequence) -> None:
    """One legend of the runs for the whole figure, above it, in the order of RUNS."""
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    labels = [label for label in scores.RUNS.values() if label in handles]
    figure.legend(
        [handles[label] for label in labels], labels, loc="outside upper center", ncols=len(labels)
    )


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
