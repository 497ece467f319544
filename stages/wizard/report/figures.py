"""Figures that a paper could print, as PNG bytes: the same inputs give the same bytes.

Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart; runs
also differ in marker or hatching.
"""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from wizard.report import scores
from wizard.report.pictures import ERROR_RANGE, error_map, masked

COLOURS = {"model": "#0072B2", "baseline": "#E69F00", "roundtrip": "#009E73", "raw": "#CC79A7"}
MARKERS = {"model": "o", "baseline": "^", "roundtrip": "s", "raw": "D"}
MARKS = {"mean": "-", "90th percentile": "--", "95th percentile": ":"}
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


def distributions(rows: Sequence[dict], dpi: int) -> bytes:
    """Histograms of the main metrics, model over baseline, with the model's mean, 90th and 95th
    percentile marked; results without a value (an infinite PSNR) are counted in the title.

    ``rows`` are those of scores.csv, as :func:`wizard.report.scores.read` gives them.
    """
    names = _panels(rows)
    figure, axes = _grid(len(names), height=3.9)
    for name, axis in zip(names, axes, strict=True):
        runs = _values(rows, name)
        edges = bin_edges(np.concatenate(list(runs.values())))
        for run, values in runs.items():
            share = np.histogram(values, edges)[0] / len(values) * 100
            filled = run in ("model", "baseline")
            axis.stairs(share, edges, fill=filled, color=COLOURS[run], alpha=0.35 if filled else 1)
            axis.stairs(share, edges, color=COLOURS[run], linewidth=1.2, label=scores.RUNS[run])
        for (mark, line), value in zip(MARKS.items(), _marks(runs["model"]), strict=True):
            axis.axvline(value, color="#222222", linestyle=line, linewidth=1.2,
                         label=f"{mark} of the model: {value:.4g}")  # fmt: skip
        missing = len(rows) - len(runs["model"])
        note = f" ({missing} without a value)" if missing else ""
        axis.set(xlabel=scores.metric(name).title, ylabel="Results (%)",
                 title=f"{scores.metric(name).label}, {len(runs['model'])} results{note}")  # fmt: skip
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    return _png(figure, dpi)


def _marks(values: np.ndarray) -> list[float]:
    return [values.mean(), np.percentile(values, 90), np.percentile(values, 95)]


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Equal bins over the values' range: 10 for a few, up to 40 for thousands."""
    count = int(np.clip(2 * np.sqrt(len(values)), 10, 40))
    return np.histogram_bin_edges(values, count)


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
            axis.plot(*zip(*points, strict=True), MARKERS[run], color=COLOURS[run], markersize=4.5,
                      markeredgewidth=0, alpha=max(0.15, min(0.75, 60 / len(points))),
                      label=scores.RUNS[run])  # fmt: skip
        axis.set(xlabel="Hole (% of the image)", ylabel=scores.metric(name).title)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncols=2)
    return _png(figure, dpi)


def comparison(examples: Sequence[dict], dpi: int) -> bytes:
    """A sheet with a row an example: original, masked, model, baseline, error of the model.

    ``examples`` have ``title`` (text), ``original``, ``model`` and ``baseline`` (uint8 H×W×3) and
    ``mask`` (bool H×W).
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 2.15 * len(examples) + 0.3), layout="constrained")
    axes = figure.subplots(len(examples), 5, squeeze=False)
    for example, line in zip(examples, axes, strict=True):
        views = {
            "Original": example["original"],
            "Masked": masked(example["original"], example["mask"]),
            "Model": example["model"],
            "Baseline": example["baseline"],
            "Error of the model": error_map(example["original"], example["model"]),
        }
        for axis, (title, view) in zip(line, views.items(), strict=True):
            axis.imshow(view)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if line is axes[0]:
                axis.set_title(title)
        line[0].set_ylabel(example["title"])
    scale = ScalarMappable(Normalize(0, ERROR_RANGE), colormaps["magma"])
    figure.colorbar(scale, ax=axes[:, -1], label="Absolute error (levels of 255)", extend="max")
    return _png(figure, dpi)


def _panels(rows: Sequence[dict]) -> list[str]:
    """The main metrics that were measured; without a reference image, the first four others."""
    names = [name for name in scores.columns(rows) if not _prefixed(name)]
    return [name for name in SHOWN if name in names] or [
        name for name in names if name != "hole_fraction"
    ][:4]


def _prefixed(name: str) -> bool:
    return name.startswith(tuple(f"{run}_" for run in scores.RUNS))


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
    with rc_context(STYLE):
        figure = Figure(figsize=(9.6, height * lines), layout="constrained")
        axes = figure.subplots(lines, 2, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
