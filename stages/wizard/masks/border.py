"""A frame around the image, to be extended outwards."""

import numpy as np

from wizard.masks import box


def draw(rng: np.random.Generator, height: int, width: int, ratio: float, **_) -> np.ndarray:
    """Everything but a centred box; the frame's area is `ratio`, within half a percentage point.

    Nothing is random.
    """
    return ~box.draw(rng, height, width, 1 - ratio)
