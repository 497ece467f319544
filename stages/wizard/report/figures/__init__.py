"""Figures that a paper could print: the same inputs give the same bytes.

Each function draws a Matplotlib figure, or gives None where there is nothing to show; ``labels``
name the methods in the order in which they are shown. Colours are those of Okabe and Ito (2008),
which people with any colour vision tell apart; methods also differ in marker.
"""

from wizard.report.figures.examples import comparison
from wizard.report.figures.methods import cost, ranking
from wizard.report.figures.opinions import people, ratings
from wizard.report.figures.spread import by_hole, distributions, gains, hole_fraction
from wizard.report.figures.style import encode

__all__ = [
    "by_hole", "comparison", "cost", "distributions", "encode", "gains", "hole_fraction", "people",
    "ranking", "ratings",
]  # fmt: skip
