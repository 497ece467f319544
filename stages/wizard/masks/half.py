"""One half of the image."""

import numpy as np

SIDES = ("left", "right", "top", "bottom")
VARIANTS = ("random", *SIDES)
WITHOUT_RATIO = True


def draw(
    rng: np.random.Generator, height: int, width: int, ratio: float | None, variant: str, **_
) -> np.ndarray:
    """The half that `variant` names: left, right, top, bottom, or one of them at random.

    `ratio` plays no part.
    """
    if variant == "random":
        variant = SIDES[rng.integers(len(SIDES))]
    mask = np.zeros((height, width), bool)
    if variant in ("left", "right"):
        mask[:, : width // 2] = True
    else:
        mask[: height // 2] = True
    return mask if variant in ("left", "top") else ~mask
