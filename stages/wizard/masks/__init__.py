"""Shapes of holes. A shape is a file here with a function `draw`, and a line in `SHAPES`.

`files` is no shape: it pairs and reads masks that a user brings along.
"""

from importlib import import_module

import numpy as np

SHAPES = {
    "rectangles": "wizard.masks.rectangles",
    "box": "wizard.masks.box",
    "strokes": "wizard.masks.strokes",
    "scratches": "wizard.masks.scratches",
    "half": "wizard.masks.half",
    "border": "wizard.masks.border",
}


def draw(
    shape: str, rng: np.random.Generator, height: int, width: int, ratio: float, **options
) -> np.ndarray:
    """A hole of the given shape: bool height×width, True = hole, never empty and never full.

    `ratio` is the hole's share of the image area, 0 < ratio < 1. `options` are the settings of
    single shapes (`strokes`, `side`); a shape leaves those of the others alone. The same state of
    `rng` gives the same mask. Raises ValueError for an unknown shape, a ratio outside (0, 1) or
    an image of fewer than two pixels a side.
    """
    if shape not in SHAPES:
        raise ValueError(f"mask shape {shape!r} is unknown; choose one of: {', '.join(SHAPES)}")
    if ratio is not None and not 0 < ratio < 1:
        raise ValueError(f"mask ratio {ratio} is outside (0, 1); try 0.25")
    if min(height, width) < 2:
        raise ValueError(f"an image of {height}×{width} has no room for a hole and a rest")
    return import_module(SHAPES[shape]).draw(rng, height, width, ratio, **options)
