"""A centred box with the image's own proportions."""

import numpy as np

from wizard.masks.rectangles import place, sides


def draw(rng: np.random.Generator, height: int, width: int, ratio: float, **_) -> np.ndarray:
    """The centred rectangle of area `ratio` that is closest to the image's aspect ratio.

    The share is met within half a percentage point. Nothing is random.
    """
    pairs = sides(height, width, ratio)
    distance = np.abs(np.log(pairs[:, 0] / pairs[:, 1]) - np.log(height / width))
    tall, wide = pairs[distance.argmin()]
    return place(height, width, ratio, tall, wide, (height - tall) // 2, (width - wide) // 2)
