"""Figures that a paper could print: the same inputs give the same bytes.

Each function draws a Matplotlib figure, or gives None where there is nothing to show; ``labels``
name the methods in the order in which they are shown. Colours are those of Okabe and Ito (2008),
which people with any colour vision tell apart; methods also differ in marker.
"""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from wizard.names import AUXILIARY, BASELINE, METRICS, MODEL, RAW, ROUNDTRIP, metric
from wizard.opinions import PREFERENCE
from wizard.report import scores
from wizard.report.pictures import ERROR_RANGE

Labels = Mapping[str, str]

LOOKS = {
    MODEL: ("#0072B2", "o"),
    BASELINE: ("#E69F00", "^"),
    ROUNDTRIP: ("#009E73", "s"),
    RAW: ("#999999", "d"),
}
# Contenders, in their order; a tenth begins with the first colour and another marker.
COLOURS = ("#D55E00", "#56B4E9", "#CC79A7", "#000000")
OTHER_MARKERS = ("v", "D", "P", "X", "*", "<", ">")
PERCENTILES = {90: "--", 95: ":"}
SHEET = {"original": "Original", "masked": "Masked", "error": "Difference"}
RATED_AGAINST = ("ssim", "psnr", "edge_seam", "edge_step")
SHOWN = ("ssim", "psnr", "hole_ssim", "hole_psnr")
# Nothing changes outside the hole: the gain in PSNR of the whole image is that in the hole.
GAINS = ("ssim", "hole_ssim", "hole_psnr")
# With fewer results a histogram or a cloud of points shows chance.
ENOUGH = 12
# With fewer rated results a correlation does.
ENOUGH_RATED = 10
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
    "pdf.fonttype": 42,  # text that stays text, as journals ask
}


@rc_context(STYLE)
def encode(figure: Figure, kind: str, dpi: int) -> bytes:
    """A figure as ``png`` or ``pdf``; ``dpi`` is the resolution of whatever is made of pixels."""
    buffer = io.BytesIO()
    undated = {"Software": None} if kind == "png" else {"CreationDate": None}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated)
    return buffer.getvalue()


@rc_context(STYLE)
def ranking(ranked: dict, labels: Labels) -> Figure | None:
    """Every method's mean by the main metrics with its 95% interval, best on top, and its range of
    ranks beside it.

    ``ranked`` is the part ``all`` of ranking.json. None when fewer than two methods are ranked.
    """
    figures = ranked["metrics"]
    panels = [name for name in _main(figures) if len(figures[name]) > 1]
    if not panels:
        return None
    figure, axes = _grid(len(panels), height=1 + 0.3 * len(figures[panels[0]]))
    for name, axis in zip(panels, axes, strict=True):
        own = figures[name]
        order = sorted(own, key=lambda method: own[method].get("rank", len(own)), reverse=True)
        for place, method in enumerate(order):
            colour, marker = look(method, labels)
            axis.errorbar(
                own[method]["mean"],
                place,
                xerr=_bars([own[method]]),
                color=colour,
                marker=marker,
                capsize=3,
            )
            axis.annotate(
                _ranks(own[method]),
                (1.02, place),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        axis.annotate("rank", (1.02, 1), xycoords="axes fraction", va="bottom", fontsize=8)
        axis.set_xlabel(f"{metric(name).title}, {metric(name).direction} is better")
        _name_lines(axis, [labels[method] for method in order])
    size = f"{ranked['holes']} holes of {ranked['images']} photographs"
    figure.supxlabel(f"{size}. {_note(figures, 'Bars and ranges of ranks:')}", fontsize=8)
    return figure


def _ranks(figures: dict) -> str:
    low, high = (figures.get(end, figures.get("rank", "")) for end in ("rank_low", "rank_high"))
    return f"{low}" if low == high else f"{low}–{high}"


@rc_context(STYLE)
def cost(ranked: dict, seconds: Mapping[str, float | None], labels: Labels) -> Figure | None:
    """Quality against cost: every method's mean by the first main metric over the seconds that one
    image takes, and the Pareto front of those that no other beats in both.

    ``ranked`` is the part ``all`` of ranking.json, ``seconds`` are those per image. None when
    fewer than two methods have both.
    """
    panels = _main(ranked["metrics"])
    means = ranked["metrics"][panels[0]] if panels else {}
    points = {
        method: (seconds[method], means[method]["mean"])
        for method in labels
        if method in means and seconds.get(method)
    }
    if len(points) < 2:
        return None
    how = metric(panels[0])
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    front = pareto({method: (time, how.loss(mean)) for method, (time, mean) in points.items()})
    ends = [points[method] for method in front]
    axis.step(*zip(*ends, strict=True), where="post", color="#222222", linewidth=0.8, label="Front")
    for method, (time, mean) in points.items():
        colour, marker = look(method, labels)
        axis.errorbar(
            time,
            mean,
            _bars([means[method]]),
            color=colour,
            marker=marker,
            capsize=3,
            linestyle="none",
            label=labels[method] + (" *" if method in front else ""),
        )
    axis.set(
        xscale="log",
        xlabel="Seconds per image",
        ylabel=f"{how.title}, {how.direction} is better",
    )
    figure.legend(loc="outside right upper", title="* no other is better and quicker")
    return figure


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Those of several points (name → two numbers to minimise) that no other beats in one without
    losing in the other, from the least of the first number to the greatest.
    """
    front: list[str] = []
    for name in sorted(points, key=lambda one: points[one]):
        if not front or points[name][1] < points[front[-1]][1]:
            front.append(name)
    return front


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
    figure, axes = _grid(len(panels), height=3.6)
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
    figure.supxlabel(_note({"all": means}, "Solid lines: means. Bands on top: their"), fontsize=8)
    _name_methods(figure, axes, labels)
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
def hole_fraction(rows: Sequence[dict], labels: Labels) -> Figure | None:
    """Each main metric against the hole's share of the image, one point per result.

    None for fewer than ENOUGH results of the model, or when their holes differ by less than a
    hundredth of the image.
    """
    shares = [row["hole_fraction"] for row in rows if row["method"] == MODEL]
    if len(shares) < ENOUGH or max(shares) - min(shares) < 0.01:
        return None
    panels = _panels(rows)
    figure, axes = _grid(len(panels), height=3.4)
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
    figure.supxlabel(f"One point per result; N = {len(shares)} results per method", fontsize=8)
    _name_methods(figure, axes, labels)
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
    panels = _main({column for values in bins.values() for column in values})
    figure, axes = _grid(len(panels), height=3.2)
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
    figure.supxlabel(_note(bins, "Bars:"), fontsize=8)
    _name_methods(figure, axes, labels)
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
    intervals = _note(bins, "Paired")
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
        _bars(found.values()),
        color=colour,
        marker=marker,
        markersize=5,
        linestyle="none",
        capsize=3,
        label=labels[method],
    )


def _bars(figures: Iterable[dict], name: str = "mean") -> np.ndarray:
    """How far intervals reach below and above their figure: 2×N, NaN where there is none."""
    return np.array(
        [
            (one[name] - one.get("low", np.nan), one.get("high", np.nan) - one[name])
            for one in figures
        ]
    ).T


def _percent(name: str) -> str:
    if name == "all":
        return "All"
    low, high = (float(edge) * 100 for edge in name.split("-"))
    return f"{low:g}–{high:g}"


@rc_context(STYLE)
def ratings(opinions: Sequence[dict], rows: Sequence[dict], labels: Labels) -> Figure | None:
    """People's mean rating of each result against what the metrics say of it; where a rater judged
    the same thing twice, the later row counts.

    ``opinions`` are rows as :mod:`wizard.opinions` reads them, ``rows`` those of scores.csv. One
    line of panels per criterion that ENOUGH_RATED results were rated by, one column per metric;
    the title has Spearman's rank correlation. None where there is no such criterion.
    """
    scored = {(row["id"], row["sample"], row["method"]): row for row in rows}
    given: dict[str, dict[tuple, dict[str, int]]] = {}
    for row in opinions:
        thing = (row["id"], row["sample"], row["run"])
        if row["criterion"] != PREFERENCE and thing in scored:
            rated = given.setdefault(row["criterion"], {})
            rated.setdefault(thing, {})[row["rater"]] = row["value"]
    given = {name: rated for name, rated in sorted(given.items()) if len(rated) >= ENOUGH_RATED}
    panels = [name for name in RATED_AGAINST if name in scores.columns(list(rows))]
    if not given or not panels:
        return None
    figure = Figure(figsize=(3.3 * len(panels), 2.9 * len(given)), layout="constrained")
    axes = figure.subplots(len(given), len(panels), squeeze=False)
    for (criterion, rated), line in zip(given.items(), axes, strict=True):
        for name, axis in zip(panels, line, strict=True):
            points = {
                thing: (scored[thing][name], float(np.mean(list(values.values()))))
                for thing, values in sorted(rated.items())
                if scored[thing].get(name) is not None
            }
            for method, label in labels.items():
                own = [point for (*_, whose), point in points.items() if whose == method]
                colour, marker = look(method, labels)
                if own:
                    axis.plot(
                        *zip(*own, strict=True),
                        marker,
                        color=colour,
                        alpha=0.7,
                        markeredgewidth=0,
                        label=label,
                    )
            axis.set(
                xlabel=metric(name).title,
                ylim=(0.7, 5.3),
                yticks=range(1, 6),
                ylabel=criterion.replace("_", " ").capitalize() + " (1–5)",
                title=_correlation(name, list(points.values())),
            )
    _name_methods(figure, axes.ravel(), labels)
    return figure


@rc_context(STYLE)
def people(figures: dict, labels: Labels) -> Figure | None:
    """How strong each method is in people's choices, and how often each metric chooses as they do,
    with 95% intervals.

    ``figures`` is ratings.json. None for fewer than ENOUGH_RATED choices.
    """
    choices = figures.get("choices", {"count": 0})
    if choices["count"] < ENOUGH_RATED:
        return None
    strengths = {name: one for name, one in choices["methods"].items() if name in labels}
    agreeing = figures.get("predicts", {})
    height = 1.1 + 0.28 * max(len(strengths), len(agreeing))
    figure = Figure(figsize=(9.6, height), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = sorted(strengths, key=lambda method: strengths[method]["score"])
    for place, method in enumerate(order):
        colour, marker = look(method, labels)
        bars = _bars([strengths[method]], "score")
        score = strengths[method]["score"]
        left.errorbar(score, place, xerr=bars, color=colour, marker=marker, capsize=3)
    _name_lines(left, [labels[method] for method in order])
    left.set_xlabel("Bradley–Terry score of people's choices,\nhigher is better")
    shares = sorted(agreeing, key=lambda name: agreeing[name]["agrees"])
    for place, name in enumerate(shares):
        bars = _bars([agreeing[name]], "agrees")
        share = agreeing[name]["agrees"]
        right.errorbar(share, place, xerr=bars, color="#222222", marker="o", capsize=3)
    right.axvline(0.5, color="#222222", linewidth=1, linestyle=":")
    _name_lines(right, [metric(name).label for name in shares])
    right.set_xlabel(
        "Share of choices in which the metric prefers\nthe same result; dotted: chance"
    )
    size = f"{choices['count']} choices (ties: {choices['ties']}), raters: {figures['raters']}"
    figure.supxlabel(f"{size}. Bars: 95% intervals, where there are any", fontsize=8)
    return figure


def _name_lines(axis, names: Sequence[str]) -> None:
    """Names on the left of a panel, one line each."""
    wrapped = [textwrap.fill(name, 30) for name in names]
    axis.set(yticks=range(len(names)), yticklabels=wrapped, ylim=(-0.6, len(names) - 0.4))
    axis.grid(axis="y", visible=False)


def _correlation(name: str, points: Sequence[tuple[float, float]]) -> str:
    """Spearman's ρ of scores with how good the metric finds the results, as text; it needs three
    points and variation on both axes.
    """
    values, given = np.array(points).reshape(-1, 2).T
    goodness = -metric(name).loss(values)
    if len(values) < 3 or np.ptp(goodness) == 0 or np.ptp(given) == 0:
        return f"{len(values)} results"
    return f"ρ = {spearmanr(goodness, given).statistic:.2f}, {len(values)} results"


@rc_context(STYLE)
def comparison(examples: Sequence[dict], labels: Labels) -> Figure:
    """A sheet with one row per example: original, masked, each method, error map.

    ``examples`` have ``title`` (text) and of these views (uint8 H×W×3, of any size) those that
    there are; one that no example has gets no column.
    """
    order = ["original", "masked", *labels, "error"]
    views = [view for view in order if any(view in example for example in examples)]
    shapes = [next(one[view] for view in views if view in one).shape for one in examples]
    heights = [height / width for height, width, _ in shapes]
    figure = Figure(figsize=(2.08 * len(views), 1.95 * sum(heights) + 0.3), layout="constrained")
    axes = figure.subplots(len(examples), len(views), squeeze=False, height_ratios=heights)
    for example, line in zip(examples, axes, strict=True):
        for axis, view in zip(line, views, strict=True):
            if view in example:
                axis.imshow(example[view])
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel("\n".join(textwrap.wrap(example["title"], 24, replace_whitespace=False)))
    for axis, view in zip(axes[0], views, strict=True):
        axis.set_title(textwrap.fill(SHEET.get(view) or labels[view], 18))
    if "error" in views:
        scale = ScalarMappable(Normalize(0, ERROR_RANGE), colormaps["magma"])
        figure.colorbar(
            scale, ax=axes[:, -1], label="Absolute difference\n(levels of 255)", extend="max"
        )
    return figure


def look(method: str, labels: Labels) -> tuple[str, str]:
    """Colour and marker of a method; a contender's follow from its place among them."""
    if method in LOOKS:
        return LOOKS[method]
    place = [name for name in labels if name not in LOOKS].index(method)
    return COLOURS[place % len(COLOURS)], OTHER_MARKERS[place % len(OTHER_MARKERS)]


def _panels(rows: Sequence[dict]) -> list[str]:
    return _main(scores.columns(list(rows)))


def _main(columns: Iterable[str]) -> list[str]:
    """The main metrics among the columns; without a reference image, the first four others."""
    columns = set(columns)
    found = [name for name in METRICS if name in columns]
    return [name for name in SHOWN if name in found] or [
        name for name in found if metric(name).best is not None
    ][:4]


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


def _grid(count: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of two columns of panels, and its first ``count`` axes."""
    lines = -(-count // 2)
    figure = Figure(figsize=(9.6, height * lines), layout="constrained")
    axes = figure.subplots(lines, 2, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def _name_methods(figure: Figure, axes: Iterable, labels: Labels) -> None:
    """One legend of the methods for the whole figure, above it, in their order."""
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    there = [label for label in labels.values() if label in handles]
    # In inches: a handle with its gaps, and a letter at the legend's size.
    width = 0.5 + 0.07 * max(map(len, there))
    figure.legend(
        [handles[label] for label in there],
        there,
        loc="outside upper center",
        ncols=min(5, len(there), max(1, int(figure.get_figwidth() / width))),
    )
