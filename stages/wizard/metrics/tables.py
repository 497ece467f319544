"""The ranking as tables to read: CSV, Markdown, LaTeX, and lines for a terminal.

``called`` is what to print for a method where that is not its name.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wizard.metrics.intervals import MIN_IMAGES
from wizard.metrics.ranking import MORE_DIGITS
from wizard.names import METRICS

FIGURES = (
    *("rank", "rank_low", "rank_high", "mean", "low", "high", "count"),
    *("behind", "behind_low", "behind_high", "wins"),
)
HEAD = ("rank", "method", "mean", "behind the first", "wins")
COST = ("method", "s/image", "MB", "machine")


def rows(ranking: dict[str, dict]) -> Iterator[dict]:
    """The ranking as flat rows: for each bin of hole size and metric the methods, best first."""
    for name, content in ranking.items():
        for metric, figures in content["metrics"].items():
            for method in sorted(figures, key=lambda one: figures[one].get("rank", len(figures))):
                about = {"hole_fraction": name, "metric": metric, "method": method}
                yield about | figures[method]


def to_csv(ranking: dict[str, dict]) -> bytes:
    """:func:`rows` as CSV, empty cells where there is no figure."""
    buffer = io.StringIO()
    columns = ["hole_fraction", "metric", "method", *FIGURES]
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(ranking))
    return buffer.getvalue().encode()


def to_markdown(ranking: dict[str, dict], called: Mapping[str, str]) -> str:
    """A section for each metric: the methods, best first, and their means by hole size."""
    sections = [f"# Ranking\n\n{note(ranking)}\n"]
    for metric in ranking["all"]["metrics"]:
        how = METRICS[metric]
        sections.append(f"## {how.title}: {how.direction} is better\n")
        sections.append(markdown(HEAD, standings(ranking, metric, called)))
        bins = {name: one for name, one in ranking.items() if metric in one["metrics"]}
        if len(bins) > 1:
            head = ["method", *(f"{name} ({one['holes']} holes)" for name, one in bins.items())]
            sections.append(markdown(head, _by_size(bins, metric, called)))
    return "\n".join(sections)


def costs(measured: Mapping[str, dict], called: Mapping[str, str]) -> str:
    """What each method cost, as ``records.read_costs`` gives it; those that were not measured are
    left out.
    """
    return markdown(
        COST,
        (
            (
                called.get(method, method),
                f"{one['seconds_per_image']:.3g}",
                f"{one['peak_memory_mb']:.0f}",
                one["machine"],
            )
            for method, one in measured.items()
            if "machine" in one
        ),
    )


def to_latex(ranking: dict[str, dict], called: Mapping[str, str]) -> str:
    """One ``tabular`` for each metric; it needs the package booktabs."""
    return "\n".join(
        f"% {METRICS[metric].title}. {note(ranking)}\n"
        + latex(HEAD, standings(ranking, metric, called))
        for metric in ranking["all"]["metrics"]
    )


def note(ranking: dict[str, dict]) -> str:
    """How many holes and photographs there are, and what the intervals are."""
    holes, images = (ranking["all"][key] for key in ("holes", "images"))
    size = f"{holes} holes of {images} photographs."
    if images < MIN_IMAGES:
        return f"{size} No 95% intervals: they need {MIN_IMAGES} photographs."
    return (
        f"{size} In brackets: 95% intervals over photographs; where that of the distance reaches "
        "0, a method cannot be told from the first."
    )


def verdict(ranking: dict[str, dict], metric: str, called: Mapping[str, str]) -> str:
    """One sentence: which method is first by the metric, which second, and how sure that is."""
    how, figures = METRICS[metric], ranking["all"]["metrics"][metric]
    placed = [method for method, one in figures.items() if "rank" in one]
    if len(placed) < 2:
        return f"{how.label}: one method alone, nothing to compare"
    # Of two with one mean, the one without a distance of its own is the first.
    order = sorted(placed, key=lambda one: (figures[one]["rank"], "behind_low" in figures[one]))
    first, second = order[:2]
    names = called.get(first, first), called.get(second, second)
    distance = _number(figures[second], "behind", metric) + (f" {how.unit}" if how.unit else "")
    few = "behind_low" not in figures[second]
    if few:
        images = ranking["all"]["images"]
        too_few = f"{images} photographs are too few"
        if images >= MIN_IMAGES:
            too_few = "too few photographs in common"
        distance += f" ({too_few} for an interval)"
    equal = figures[first]["rank"] == figures[second]["rank"]
    if equal or not few and figures[second]["behind_low"] <= 0:
        return f"{how.label}: {names[0]} and {names[1]} cannot be told apart: {distance}"
    return f"{how.label}: {names[0]} is better than {names[1]} by {distance}"


def standings(
    ranking: dict[str, dict], metric: str, called: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """The cells of HEAD for every method by one metric over all holes, best first."""
    return [
        (
            _ranks(row),
            called.get(row["method"], row["method"]),
            _number(row, "mean", metric),
            _number(row, "behind", metric) if row.get("rank", 1) > 1 else "",
            f"{row['wins']:.0%}" if "wins" in row else "",
        )
        for row in rows({"all": ranking["all"]})
        if row["metric"] == metric
    ]


def _by_size(
    bins: dict[str, dict], metric: str, called: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    for method in bins["all"]["metrics"][metric]:
        of_method = (one["metrics"][metric].get(method, {}) for one in bins.values())
        cells = (_number(figures, "mean", metric) for figures in of_method)
        yield called.get(method, method), *cells


def _ranks(row: dict) -> str:
    """``1``, or ``1 (1–3)`` with what the bootstrap allows."""
    if "rank_low" not in row:
        return str(row.get("rank", ""))
    return f"{row['rank']} ({row['rank_low']}–{row['rank_high']})"


def _number(figures: dict, name: str, metric: str) -> str:
    """``0.7784 [0.7701, 0.7850]``, as far as it is there."""
    digits = METRICS[metric].digits + MORE_DIGITS
    low, high = ("low", "high") if name == "mean" else (f"{name}_low", f"{name}_high")
    if name not in figures:
        return ""
    if low not in figures:
        return f"{figures[name]:.{digits}f}"
    return f"{figures[name]:.{digits}f} [{figures[low]:.{digits}f}, {figures[high]:.{digits}f}]"


def markdown(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns of text align to the left."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    rules = ["---" if name in ("method", "machine") else "--:" for name in head]
    lines = [head, rules, *escaped]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A LaTeX ``tabular`` with the rules of booktabs."""
    columns = "".join("l" if name == "method" else "r" for name in head)
    lines = [" & ".join(map(_tex, row)) + r" \\" for row in [head, *cells]]
    lines[1:1] = [r"\midrule"]
    body = "\n".join([r"\toprule", *lines, r"\bottomrule"])
    return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n"


def text(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """The same for a terminal: columns as wide as they need to be."""
    lines = [head, *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (
        (
            cell.ljust(width) if name == "method" else cell.rjust(width)
            for cell, width, name in zip(line, widths, head, strict=True)
        )
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _tex(cell: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"} | {"–": "--"}
    return "".join(special.get(character, character) for character in cell)
