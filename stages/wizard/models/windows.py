"""Holes of a photograph that is larger, or smaller, than what a model works on.

A model fills squares of one side. Around each hole a square window with some context is cut out
of the photograph, scaled to that side, filled, scaled back, and put in; what lies outside the hole
never goes through a scaling. A compact hole has one window, however large it is. A thin one, such
as a scratch across the whole picture, has as many as it takes for each to stay close to full
scale, and each sees what was filled before it.

The idea is that of "only masked" in AUTOMATIC1111's web UI and of ComfyUI's Inpaint Crop and
Stitch, whose default of context is 1.2 times the box of the hole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Window:
    """A part of a photograph, and the pixels in it that are its to fill (bool, of its size)."""

    top: int
    left: int
    hole: np.ndarray

    @property
    def area(self) -> tuple[slice, slice]:
        """Its rows and columns of the photograph."""
        height, width = self.hole.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def plan(mask: np.ndarray, side: int | None, context: float) -> list[list[Window]]:
    """Windows that fill each pixel of the bool H×W mask exactly once, in rounds.

    All are square, ``side`` wide or as much wider as their hole needs, and no wider than the
    photograph is wide and high: there a window is scaled up to the model's side. Where ``side`` is
    None, or no pixel is hole, there is one: the whole photograph.
    """
    if side is None or not mask.any():
        return [[Window(0, 0, mask)]]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    labels = labels.astype(np.int32, copy=False)
    lefts, tops, widths, heights, _ = stats[1:].T
    boxes = np.stack([tops, tops + heights, lefts, lefts + widths], axis=1)
    sides = np.full(count - 1, side)
    for n in np.flatnonzero(np.maximum(widths, heights) * context > side):
        top, bottom, left, right = boxes[n]
        sides[n] = max(side, _needs(labels[top:bottom, left:right] == n + 1, context))
    sides = np.minimum(sides, min(mask.shape))
    windows: list[Window] = []
    for one in np.unique(sides)[::-1]:
        parts = np.flatnonzero(sides == one)
        windows += _cover(labels, parts + 1, boxes[parts], int(one), context)
    return _in_rounds(windows)


def _needs(hole: np.ndarray, context: float) -> int:
    """How wide a window a hole needs, given as the bool array of its box.

    Enough for the box, but no more than twice as wide as the hole is thick: a longer one is filled
    piece by piece, each with known pixels on both sides.
    """
    distance = cv2.distanceTransform(np.pad(hole, 1).view(np.uint8), cv2.DIST_L2, 5)
    return int(np.ceil(min(max(hole.shape), 4 * distance.max()) * context))


def _cover(
    labels: np.ndarray, names: np.ndarray, boxes: np.ndarray, side: int, context: float
) -> Iterator[Window]:
    """Windows of one side for the components called ``names`` in ``labels``.

    ``boxes`` has their top, bottom, left and right. Components that fit into a window are never
    divided, and share one where they are close to each other.
    """
    height, width = labels.shape
    margin = int((side - side / context) / 2)
    top, bottom, left, right = boxes.T
    low = _reach(top, height, side, margin)
    far = _reach(left, width, side, margin)
    fits = (bottom <= low) & (right <= far)
    waiting = fits.copy()

    rest = np.isin(labels, names[~fits]) if not fits.all() else np.zeros(labels.shape, bool)

    def window(y0: int, y1: int, x0: int, x1: int) -> Window:
        """The window for what is left in these bounds: pieces, and waiting components in them."""
        inside = waiting & (top >= y0) & (bottom <= y1) & (left >= x0) & (right <= x1)
        waiting[inside] = False
        hole = rest[y0:y1, x0:x1] | np.isin(labels[y0:y1, x0:x1], names[inside])
        rest[y0:y1, x0:x1] = False
        return _centred(hole, y0, x0, side, height, width)

    for bounds in _tiles(rest, side, margin):
        yield window(*bounds)
    for n in np.lexsort((left, top)):
        if waiting[n]:
            yield window(top[n], low[n], left[n], far[n])


def _tiles(rest: np.ndarray, side: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Top, bottom, left and right of the pieces into which windows cut a hole, row by row."""
    height, width = rest.shape
    for top, bottom in _spans(rest.any(axis=1), height, side, margin):
        for left, right in _spans(rest[top:bottom].any(axis=0), width, side, margin):
            yield top, bottom, left, right


def _spans(hole: ArrayLike, length: int, side: int, margin: int) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of windows' fillings that cover a line of pixels."""
    places = np.flatnonzero(hole)
    while len(places):
        end = int(_reach(places[0], length, side, margin))
        yield int(places[0]), end
        places = places[places >= end]


def _reach(first, length: int, side: int, margin: int):
    """Where a window's filling ends that begins at ``first``, along one axis.

    It keeps a margin to the window's edges, except where that is the edge of the photograph.
    """
    start = np.minimum(np.maximum(first - margin, 0), length - side)
    return np.where(start + side == length, length, start + side - margin)


def _centred(hole: np.ndarray, y0: int, x0: int, side: int, height: int, width: int) -> Window:
    """The window around the middle of a hole whose array begins at (y0, x0)."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    hole = hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y0, x0 = y0 + rows[0], x0 + columns[0]
    top = int(np.clip(y0 - (side - hole.shape[0]) // 2, 0, height - side))
    left = int(np.clip(x0 - (side - hole.shape[1]) // 2, 0, width - side))
    whole = np.zeros((side, side), bool)
    whole[y0 - top : y0 - top + hole.shape[0], x0 - left : x0 - left + hole.shape[1]] = hole
    return Window(top, left, whole)


def _in_rounds(windows: list[Window]) -> list[list[Window]]:
    """Each window in the first round in which it overlaps no other."""
    corners = np.array([(one.top, one.left, len(one.hole)) for one in windows]).reshape(-1, 3)
    turns = np.full(len(windows), -1)
    for n, (top, left, side) in enumerate(corners):
        tops, lefts, sides = corners[:n].T
        apart = (tops >= top + side) | (tops + sides <= top)
        apart |= (lefts >= left + side) | (lefts + sides <= left)
        turns[n] = next(turn for turn in range(n + 1) if turn not in turns[:n][~apart])
    rounds = range(turns.max(initial=-1) + 1)
    return [[windows[n] for n in np.flatnonzero(turns == turn)] for turn in rounds]
