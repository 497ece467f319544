"""Damage of old photographs: long thin cracks and specks."""

import math

import numpy as np

from wizard.masks.canvas import Canvas

STEP = 1 / 24
CRACK_WIDTH = (1 / 256, 4 / 256)
SPECK_WIDTH = (2 / 256, 8 / 256)
SPECKS_A_CRACK = 3


def draw(rng: np.random.Generator, height: int, width: int, ratio: float, **_) -> np.ndarray:
    """Cracks that wander across the image, and specks, until they cover `ratio` of it.

    Real damage covers 2 to 10% of a photograph. Widths scale with the image's shorter side and
    are at least one pixel; the share is met within a few pixels.
    """
    canvas = Canvas(height, width)
    while True:
        for start, end, thickness in _crack_and_specks(rng, height, width):
            if canvas.line_until(ratio, start, end, thickness):
                return canvas.mask()


def _crack_and_specks(rng: np.random.Generator, height: int, width: int):
    side = min(height, width)
    thickness = rng.uniform(*CRACK_WIDTH) * side
    point = rng.uniform(0, width), rng.uniform(0, height)
    heading = rng.uniform(0, 2 * math.pi)
    for _ in range(rng.integers(6, 40)):
        heading += rng.normal(0, 0.25)
        end = point[0] + STEP * side * math.cos(heading), point[1] + STEP * side * math.sin(heading)
        if not (0 <= end[0] <= width and 0 <= end[1] <= height):
            break
        yield point, end, thickness
        point = end
    for _ in range(rng.integers(SPECKS_A_CRACK + 1)):
        spot = rng.uniform(0, width), rng.uniform(0, height)
        yield spot, spot, rng.uniform(*SPECK_WIDTH) * side
