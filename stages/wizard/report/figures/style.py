"""What all figures share: colours, markers, panels, legends and notes."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from wizard.names import BASELINE, METRICS, MODEL, RAW, ROUNDTRIP, metric

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
    "pdf.fonttype": 42,  # text that stays text, as journals ask
}


@rc_context(STYLE)
def encode(figure: Figure, kind: str, dpi: int) -> bytes:
    """A figure as ``png`` or ``pdf``; ``dpi`` is the resolution of whatever is made of pixels."""
    buffer = io.BytesIO()
    undated = {"Software": None} if kind == "png" else {"CreationDate": None}
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated)
    return buffer.getvalue()


def look(method: str, labels: Labels) -> tuple[str, str]:
    """Colour and marker of a method; a contender's follow from its place among them."""
    if method in LOOKS:
        return LOOKS[method]
    place = [name for name in labels if name not in LOOKS].index(method)
    return COLOURS[place % len(COLOURS)], OTHER_MARKERS[place % len(OTHER_MARKERS)]


def main_metrics(columns: Iterable[str]) -> list[str]:
    """The main metrics among the columns; without a reference image, the first four others."""
    columns = set(columns)
    found = [name for name in METRICS if name in columns]
    return [name for name in SHOWN if name in found] or [
        name for name in found if metric(name).best is not None
    ][:4]


def grid(count: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of two columns of panels, and its first ``count`` axes."""
    lines = -(-count // 2)
    figure = Figure(figsize=(9.6, height * lines), layout="constrained")
    axes = figure.subplots(lines, 2, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def reach(figures: Iterable[dict], name: str = "mean") -> np.ndarray:
    """How far intervals reach below and above their figure: 2×N, NaN where there is none."""
    return np.array(
        [
            (one[name] - one.get("low", np.nan), one.get("high", np.nan) - one[name])
            for one in figures
        ]
    ).T


def interval_note(bins: dict[str, dict], beginning: str) -> str:
    """What the intervals are, or why there are none."""
    values = [one for means in bins.values() for one in means.values()]
    if any(isinstance(one, dict) and "low" in one for one in values):
        return f"{beginning} 95% intervals over photographs, where there are six or more"
    return "No 95% intervals: they need six photographs"


def name_lines(axis, names: Sequence[str]) -> None:
    """Names on the left of a panel, one line each."""
    wrapped = [textwrap.fill(name, 30) for name in names]
    axis.set(yticks=range(len(names)), yticklabels=wrapped, ylim=(-0.6, len(names) - 0.4))
    axis.grid(axis="y", visible=False)


def name_methods(figure: Figure, axes: Iterable, labels: Labels) -> None:
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
