"""Rectangles and brush strokes together, the law that CoModGAN and MAT sample their masks from.

Zhao et al., "Large Scale Image Completion via Co-Modulated Generative Adversarial Networks", ICLR
2021; github.com/zsyzzsoft/co-mod-gan, training/mask_generator.py. Lengths follow the image's side,
but a brush is 12 to 48 pixels wide whatever the image's side: holes are smaller at 512 than at 256.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

VERTICES = (4, 18)
TURN, SPREAD = 2 * math.pi / 5, 2 * math.pi / 15
BRUSH_WIDTH = (12, 48)


@dataclass(frozen=True)
class Counts:
    """Each kind of mark is drawn fewer times than this, from none on."""

    small: int
    large: int
    strokes: int


def sample(rng: np.random.Generator, height: int, width: int, counts: Counts) -> np.ndarray:
    """A hole of bool height×width, drawn again while it is nothing or everything."""
    while True:
        mask = _strokes(rng, height, width, counts.strokes)
        for _ in range(rng.integers(counts.small)):
            _rectangle(rng, mask, height // 2, width // 2)
        for _ in range(rng.integers(counts.large)):
            _rectangle(rng, mask, height, width)
        if mask.any() and not mask.all():
            return mask


def _rectangle(rng: np.random.Generator, mask: np.ndarray, tallest: int, widest: int) -> None:
    """A rectangle below these sides, up to half of it outside the image."""
    height, width = mask.shape
    tall, wide = rng.integers(tallest), rng.integers(widest)
    top = rng.integers(-(tall // 2), height - tall + tall // 2)
    left = rng.integers(-(wide // 2), width - wide + wide // 2)
    mask[max(top, 0) : top + tall, max(left, 0) : left + wide] = True


def _strokes(rng: np.random.Generator, height: int, width: int, most: int) -> np.ndarray:
    """Zigzags of a round brush, the whole drawing mirrored at random."""
    picture = Image.new("1", (width, height))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(most)):
        points = _zigzag(rng, height, width)
        brush = int(rng.uniform(*BRUSH_WIDTH))
        pen.line(points, fill=1, width=brush)
        for x, y in points:
            pen.ellipse((x - brush // 2, y - brush // 2, x + brush // 2, y + brush // 2), fill=1)
    mask = np.array(picture)
    for axis in (0, 1):
        if rng.random() > 0.5:
            mask = np.flip(mask, axis)
    return np.ascontiguousarray(mask)


def _zigzag(rng: np.random.Generator, height: int, width: int) -> list[tuple[int, int]]:
    """The corners of one stroke, which turns up and down by turns."""
    reach = math.hypot(height, width) / 8
    count = rng.integers(*VERTICES)
    sharpest, flattest = TURN - rng.uniform(0, SPREAD), TURN + rng.uniform(0, SPREAD)
    points = [(int(rng.integers(width)), int(rng.integers(height)))]
    for number in range(count):
        angle = rng.uniform(sharpest, flattest) * (1 if number % 2 else -1)
        length = min(max(rng.normal(reach, reach // 2), 0), 2 * reach)
        x = points[-1][0] + length * math.cos(angle)
        y = points[-1][1] + length * math.sin(angle)
        points.append((int(min(max(x, 0), width)), int(min(max(y, 0), height))))
    return points
