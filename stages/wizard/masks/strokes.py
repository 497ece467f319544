"""Free-form brush strokes, by the law of LaMa's evaluation masks.

Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", WACV 2022;
github.com/advimman/lama, configs/data_gen/random_{thin,medium,thick}_{256,512}.yaml with
saicinpainting/training/data/masks.py and bin/gen_mask_dataset.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wizard.masks.canvas import Canvas, Point

VARIANTS = ("medium", "thin", "thick")
WITHOUT_RATIO = True


@dataclass(frozen=True)
class Boxes:
    """Rectangles that LaMa's generator draws in the place of strokes; all ends included."""

    count: tuple[int, int]
    side: tuple[int, int]
    margin: int


@dataclass(frozen=True)
class Brush:
    """How a brush moves, in pixels of an image of the published side; all ends included."""

    strokes: tuple[int, int]
    length: tuple[int, int]
    width: tuple[int, int]
    boxes: Boxes | None = None


# By the side that LaMa published a law for; the nearest is scaled to other sides.
BRUSHES = {
    256: {
        "thin": Brush((4, 51), (10, 49), (5, 14)),
        "medium": Brush((4, 6), (10, 109), (5, 54), Boxes((1, 5), (10, 50), 0)),
        "thick": Brush((1, 6), (10, 209), (5, 104), Boxes((1, 3), (30, 150), 10)),
    },
    512: {
        "thin": Brush((4, 71), (10, 109), (5, 24)),
        "medium": Brush((4, 11), (10, 209), (5, 104), Boxes((1, 5), (30, 150), 0)),
        "thick": Brush((1, 6), (10, 459), (5, 254), Boxes((1, 4), (30, 300), 10)),
    },
}
SEGMENTS = (1, 5)
ANGLES = (0.01, 1.01, 2.01, 3.01)
BOX_PROBABILITY = 0.3 / 1.3
MAX_SHARE = 0.5


def draw(
    rng: np.random.Generator, height: int, width: int, ratio: float | None, variant: str, **_
) -> np.ndarray:
    """Strokes of a `thin`, `medium` or `thick` brush.

    With `ratio` None this is LaMa's law: 4 to 51, 4 to 6 or 1 to 6 strokes at 256 pixels, 23% of
    the medium and thick masks boxes instead, masks of more than half the image drawn anew, and
    the area what results. With a number the strokes are LaMa's and their count is not: they are
    added until they cover `ratio` of the image, the last segment drawn smaller where it would go
    beyond, and there are no boxes.
    """
    shorter = min(height, width)
    side = min(BRUSHES, key=lambda published: abs(math.log(shorter / published)))
    brush, scale = BRUSHES[side][variant], shorter / side
    if ratio is not None:
        return _until(ratio, rng, brush, scale, height, width)
    while True:
        if brush.boxes and rng.random() < BOX_PROBABILITY:
            mask = _boxes(rng, brush.boxes, scale, height, width)
        else:
            canvas = Canvas(height, width)
            for number in range(rng.integers(*brush.strokes, endpoint=True)):
                for segment in _stroke(rng, brush, scale, number, height, width):
                    canvas.line(*segment)
            mask = canvas.mask()
        if mask.mean() <= MAX_SHARE:
            return mask


def _until(
    ratio: float, rng: np.random.Generator, brush: Brush, scale: float, height: int, width: int
) -> np.ndarray:
    canvas, number = Canvas(height, width), 0
    while True:
        for segment in _stroke(rng, brush, scale, number, height, width):
            if canvas.line_until(ratio, *segment):
                return canvas.mask()
        number += 1


def _stroke(
    rng: np.random.Generator, brush: Brush, scale: float, number: int, height: int, width: int
) -> Iterator[tuple[Point, Point, float]]:
    """The segments of one stroke: start, end and thickness, in pixels.

    A segment's direction is one of four, in odd strokes, or one of their mirror images in even
    ones; every segment has a thickness of its own.
    """
    x, y = int(rng.integers(width)), int(rng.integers(height))
    for _ in range(rng.integers(*SEGMENTS, endpoint=True)):
        angle = rng.choice(ANGLES) * (1 if number % 2 else -1)
        length = scale * rng.integers(*brush.length, endpoint=True)
        thickness = scale * rng.integers(*brush.width, endpoint=True)
        end_x = min(max(int(x + length * math.sin(angle)), 0), width)
        end_y = min(max(int(y + length * math.cos(angle)), 0), height)
        yield (x, y), (end_x, end_y), thickness
        x, y = end_x, end_y


def _boxes(
    rng: np.random.Generator, boxes: Boxes, scale: float, height: int, width: int
) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    margin = round(scale * boxes.margin)
    smallest, largest = (max(1, round(scale * side)) for side in boxes.side)
    largest = min(largest, height - 2 * margin - 1, width - 2 * margin - 1)
    for _ in range(rng.integers(*boxes.count, endpoint=True)):
        wide, tall = rng.integers(min(smallest, largest), largest, endpoint=True, size=2)
        left = rng.integers(margin, width - margin - wide, endpoint=True)
        top = rng.integers(margin, height - margin - tall, endpoint=True)
        mask[top : top + tall, left : left + wide] = True
    return mask
