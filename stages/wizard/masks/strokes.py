"""Free-form brush strokes."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

HALVINGS = 8


@dataclass(frozen=True)
class Brush:
    """How a brush moves; lengths and widths as shares of the image's shorter side."""

    strokes: tuple[int, int]
    length: tuple[float, float]
    width: tuple[float, float]


# The laws of LaMa's random_{thin,medium,thick}_256 masks (Suvorov et al., WACV 2022), whose
# pixels at 256 become shares, so that a mask means the same at every size.
BRUSHES = {
    "thin": Brush((4, 50), (10 / 256, 50 / 256), (2 / 256, 10 / 256)),
    "medium": Brush((1, 5), (10 / 256, 110 / 256), (5 / 256, 55 / 256)),
    "thick": Brush((1, 5), (10 / 256, 210 / 256), (5 / 256, 105 / 256)),
}
SEGMENTS = (1, 8)


def draw(
    rng: np.random.Generator,
    height: int,
    width: int,
    ratio: float | None,
    strokes: str = "medium",
    **_,
) -> np.ndarray:
    """Zigzag strokes of a `thin`, `medium` or `thick` brush.

    Strokes are added until they cover `ratio` of the image; the last segment is drawn smaller
    where it would go beyond. With `ratio` None the brush's own law decides how many strokes there
    are, and the area is what results.
    Raises ValueError for an unknown brush.
    """
    if strokes not in BRUSHES:
        raise ValueError(f"mask.strokes {strokes!r} is unknown; choose {', '.join(BRUSHES)}")
    brush = BRUSHES[strokes]
    canvas = Canvas(height, width)
    if ratio is None:
        for _stroke in range(rng.integers(*brush.strokes, endpoint=True)):
            for start, end, thickness in _stroke_of(rng, brush, height, width):
                canvas.line(start, end, thickness)
        return canvas.mask()
    while True:
        for start, end, thickness in _stroke_of(rng, brush, height, width):
            if canvas.line_until(ratio, start, end, thickness):
                return canvas.mask()


def _stroke_of(rng: np.random.Generator, brush: Brush, height: int, width: int):
    """The segments of one stroke: (x, y) of start and end, and the thickness, in pixels."""
    side = min(height, width)
    thickness = rng.uniform(*brush.width) * side
    point = rng.uniform(0, width), rng.uniform(0, height)
    heading = rng.uniform(0, 2 * math.pi)
    for turn in range(rng.integers(*SEGMENTS, endpoint=True)):
        # Turning left and right by turns, by up to 4 radians, makes the zigzag of a hand.
        heading += rng.uniform(0, 4) * (-1) ** turn
        length = rng.uniform(*brush.length) * side
        end = (
            min(max(point[0] + length * math.cos(heading), 0), width),
            min(max(point[1] + length * math.sin(heading), 0), height),
        )
        yield point, end, thickness
        point = end


class Canvas:
    """A mask that is drawn upon with round-ended lines."""

    def __init__(self, height: int, width: int):
        self._picture = Image.new("L", (width, height), 0)

    def mask(self) -> np.ndarray:
        """What is drawn: bool H×W. One pixel is given up where nothing or everything is."""
        mask = np.asarray(self._picture) > 0
        if mask.all() or not mask.any():
            mask = mask.copy()
            mask.flat[mask.size // 2] ^= True
        return mask

    def line(self, start: tuple, end: tuple, thickness: float) -> None:
        """A line `thickness` pixels wide; points are (x, y)."""
        draw_line(self._picture, start, end, thickness)

    def line_until(self, ratio: float, start: tuple, end: tuple, thickness: float) -> bool:
        """A line, shorter and thinner where the share would pass `ratio`; whether it got there."""
        before = self._picture.copy()
        self.line(start, end, thickness)
        if _share(self._picture) < ratio:
            return False
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            trial = before.copy()
            stop = tuple(a + middle * (b - a) for a, b in zip(start, end, strict=True))
            draw_line(trial, start, stop, middle * thickness)
            if _share(trial) < ratio:
                low = middle
            else:
                high, self._picture = middle, trial
        return True


def draw_line(picture: Image.Image, start: tuple, end: tuple, thickness: float) -> None:
    """A white line with round ends, at least one pixel wide."""
    pen = ImageDraw.Draw(picture)
    pen.line([start, end], fill=255, width=max(1, round(thickness)))
    radius = thickness / 2
    for x, y in (start, end):
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)


def _share(picture: Image.Image) -> float:
    return picture.histogram()[255] / (picture.width * picture.height)
