"""What people said of the results, beside what the metrics say."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from wizard.names import metric
from wizard.opinions import PREFERENCE
from wizard.report import scores
from wizard.report.figures.style import STYLE, Labels, look, name_lines, name_methods, reach

RATED_AGAINST = ("ssim", "psnr", "edge_seam", "edge_step")
# With fewer rated results a correlation shows chance.
ENOUGH_RATED = 10


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
    name_methods(figure, axes.ravel(), labels)
    return figure


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
        bars = reach([strengths[method]], "score")
        score = strengths[method]["score"]
        left.errorbar(score, place, xerr=bars, color=colour, marker=marker, capsize=3)
    name_lines(left, [labels[method] for method in order])
    left.set_xlabel("Bradley–Terry score of people's choices,\nhigher is better")
    shares = sorted(agreeing, key=lambda name: agreeing[name]["agrees"])
    for place, name in enumerate(shares):
        bars = reach([agreeing[name]], "agrees")
        share = agreeing[name]["agrees"]
        right.errorbar(share, place, xerr=bars, color="#222222", marker="o", capsize=3)
    right.axvline(0.5, color="#222222", linewidth=1, linestyle=":")
    name_lines(right, [metric(name).label for name in shares])
    right.set_xlabel(
        "Share of choices in which the metric prefers\nthe same result; dotted: chance"
    )
    size = f"{choices['count']} choices (ties: {choices['ties']}), raters: {figures['raters']}"
    figure.supxlabel(f"{size}. Bars: 95% intervals, where there are any", fontsize=8)
    return figure
