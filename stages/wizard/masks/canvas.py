"""A mask that lines are drawn upon, and how much of it they cover."""

import math

import cv2
import numpy as np

Point = tuple[float, float]


class Canvas:
    """A mask of height×width pixels that starts without a hole; points are (x, y) in pixels."""

    def __init__(self, height: int, width: int):
        self._pixels = np.zeros((height, width), np.uint8)
        self._covered = 0

    def mask(self) -> np.ndarray:
        """What is drawn: bool H×W. One pixel is given up where nothing or everything is."""
        mask = self._pixels > 0
        if mask.all() or not mask.any():
            mask.flat[mask.size // 2] ^= True
        return mask

    def line(self, start: Point, end: Point, thickness: float) -> None:
        """A line with round ends, `thickness` pixels wide and at least one."""
        part, corner = self._around(start, end, thickness)
        before = np.count_nonzero(part)
        _line(part, corner, start, end, thickness)
        self._covered += int(np.count_nonzero(part) - before)

    def line_until(self, ratio: float, start: Point, end: Point, thickness: float) -> bool:
        """A line that ends where the share reaches `ratio`, to the pixel; whether it got there."""
        part, corner = self._around(start, end, thickness)
        before = part.copy()
        self.line(start, end, thickness)
        excess = self._covered - round(ratio * self._pixels.size)
        if excess < 0:
            return False
        rows, columns = np.nonzero(part > before)
        distance = (columns + corner[0] - start[0]) ** 2 + (rows + corner[1] - start[1]) ** 2
        last = np.argsort(distance, kind="stable")[len(distance) - excess :]
        part[rows[last], columns[last]] = 0
        self._covered -= excess
        return True

    def _around(self, start: Point, end: Point, thickness: float) -> tuple[np.ndarray, Point]:
        """The part of the mask that a line can touch, and its upper left corner."""
        reach = thickness / 2 + 2
        left, top = (max(0, math.floor(min(pair) - reach)) for pair in zip(start, end, strict=True))
        right, bottom = (math.ceil(max(pair) + reach) for pair in zip(start, end, strict=True))
        return self._pixels[top : bottom + 1, left : right + 1], (left, top)


def _line(part: np.ndarray, corner: Point, start: Point, end: Point, thickness: float) -> None:
    ends = [tuple(int(c - o) for c, o in zip(point, corner, strict=True)) for point in (start, end)]
    if part.size:
        cv2.line(part, ends[0], ends[1], 255, max(1, round(thickness)))
