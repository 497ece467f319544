"""Single results beside their originals."""

import textwrap
from collections.abc import Sequence

from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from wizard.report.figures.style import STYLE, Labels
from wizard.report.pictures import ERROR_RANGE

SHEET = {"original": "Original", "masked": "Masked", "error": "Difference"}


@rc_context(STYLE)
def comparison(examples: Sequence[dict], labels: Labels) -> Figure | None:
    """A sheet with one row per example: original, masked, each method, error map.

    ``examples`` have ``title`` (text) and of these views (uint8 H×W×3, of any size) those that
    there are; one that no example has gets no column. None without any example.
    """
    if not examples:
        return None
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
