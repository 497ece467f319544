"""What a result is worth. One file per metric; the tables below say which are measured when.

A metric's file has ``score(original, result, mask, ring_px)`` and, when it can also judge
without a truth, ``score_alone(result, mask, ring_px)``. Both take uint8 H×W×3 images and a
bool H×W mask and return named numbers, None where there is no value. The names become columns
of scores.csv as they are.
"""

from importlib import import_module

import numpy as np

AGAINST_ORIGINAL = ("pixel", "seam", "colour", "sharpness")
WITHOUT_ORIGINAL = ("seam", "colour", "sharpness")


def score(
    original: np.ndarray | None, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """Every metric of one result, against the original or, when that is None, without a truth.

    Images are uint8 H×W×3, the mask bool H×W with at least one hole pixel. Raises ValueError
    when shapes differ or the mask is empty.
    """
    if mask.shape != result.shape[:2] or (original is not None and original.shape != result.shape):
        shapes = [result.shape, mask.shape, *([] if original is None else [original.shape])]
        raise ValueError(f"sizes differ: result, mask (and original) are {shapes}")
    if not mask.any():
        raise ValueError("the mask has no hole, there is nothing to score")
    values: dict[str, float | None] = {}
    for name in AGAINST_ORIGINAL if original is not None else WITHOUT_ORIGINAL:
        metric = import_module(f"wizard.metrics.{name}")
        if original is not None:
            values |= metric.score(original, result, mask, ring_px)
        else:
            values |= metric.score_alone(result, mask, ring_px)
    return values
