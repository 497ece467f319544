"""Methods against each other, by quality and by cost."""

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.figure import Figure

from wizard.names import metric
from wizard.report.figures.style import (
    STYLE,
    Labels,
    grid,
    interval_note,
    look,
    main_metrics,
    name_lines,
    reach,
)


@rc_context(STYLE)
def ranking(ranked: dict, labels: Labels) -> Figure | None:
    """Every method's mean by the main metrics with its 95% interval, best on top, and its range of
    ranks beside it.

    ``ranked`` is the part ``all`` of ranking.json. None when fewer than two methods are ranked.
    """
    figures = ranked["metrics"]
    panels = [name for name in main_metrics(figures) if len(figures[name]) > 1]
    if not panels:
        return None
    figure, axes = grid(len(panels), height=1 + 0.3 * len(figures[panels[0]]))
    for name, axis in zip(panels, axes, strict=True):
        own = figures[name]
        order = sorted(own, key=lambda method: own[method].get("rank", len(own)), reverse=True)
        for place, method in enumerate(order):
            colour, marker = look(method, labels)
            axis.errorbar(
                own[method]["mean"],
                place,
                xerr=reach([own[method]]),
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
        name_lines(axis, [labels[method] for method in order])
    size = f"{ranked['holes']} holes of {ranked['images']} photographs"
    figure.supxlabel(f"{size}. {interval_note(figures, 'Bars and ranges of ranks:')}", fontsize=8)
    return figure


def _ranks(figures: dict) -> str:
    low, high = (figures.get(end, figures.get("rank", "")) for end in ("rank_low", "rank_high"))
    return f"{low}" if low == high else f"{low}–{high}"


@rc_context(STYLE)
def cost(ranked: dict, seconds: Mapping[str, float | None], labels: Labels) -> Figure | None:
    """Quality against cost: every method's mean by the first main metric over the seconds that one
    image takes, and the Pareto front of those that no other beats in both, by the ranking where
    there is one.

    ``ranked`` is the part ``all`` of ranking.json, ``seconds`` are those per image. None when
    fewer than two methods have both.
    """
    panels = main_metrics(ranked["metrics"])
    means = ranked["metrics"][panels[0]] if panels else {}
    points = {
        method: (time, means[method]["mean"])
        for method in labels
        if method in means and (time := seconds.get(method))
    }
    if len(points) < 2:
        return None
    how = metric(panels[0])
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    losses = {one: means[one].get("behind", how.loss(mean)) for one, (_, mean) in points.items()}
    front = pareto({method: (time, losses[method]) for method, (time, _) in points.items()})
    ends = [points[method] for method in front]
    axis.step(*zip(*ends, strict=True), where="post", color="#222222", linewidth=0.8, label="Front")
    for method, (time, mean) in points.items():
        colour, marker = look(method, labels)
        axis.errorbar(
            time,
            mean,
            reach([means[method]]),
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
