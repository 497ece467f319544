"""One half of the image."""

import numpy as np

SIDES = ("left", "right", "top", "bottom")


def draw(
    rng: np.random.Generator, height: int, width: int, ratio: float, side: str = "random", **_
) -> np.ndarray:
    """The half at `side`: left, right, top, bottom, or random. `ratio` plays no part.

    Raises ValueError for an unknown side.
    """
    if side == "random":
        side = SIDES[rng.integers(len(SIDES))]
    if side not in SIDES:
        raise ValueError(f"mask.side {side!r} is unknown; choose random, {', '.join(SIDES)}")
    mask = np.zeros((height, width), bool)
    if side in ("left", "right"):
        mask[:, : width // 2] = True
    else:
        mask[: height // 2] = True
    return mask if side in ("left", "top") else ~mask
