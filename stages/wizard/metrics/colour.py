"""Whether the hole's colours are right, in steps that people see.

CIEDE2000 (Sharma, Wu, Dalal 2005, "The CIEDE2000 color-difference formula"; scikit-image's
implementation) between CIE L*a*b* colours (sRGB, D65): 0 is equal, about 1 just noticeable side
by side, 100 black against white. The measures built on it are this project's own.
"""

from typing import Any

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from wizard.metrics.pixel import around, ring


def score(
    original: np.ndarray, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """``hole_colour``: mean CIEDE2000 of the hole's pixels to the original's, pixel by pixel.
    ``hole_colour_shift``: CIEDE2000 between the hole's mean L*a*b* colour and the original's.

    Both from 0, the best, upwards. Texture in the wrong place raises the first alone; a cast
    over the whole hole raises both.
    """
    truth, found = rgb2lab(original[mask]), rgb2lab(result[mask])
    return {
        "hole_colour": float(deltaE_ciede2000(truth, found).mean()),
        "hole_colour_shift": float(deltaE_ciede2000(truth.mean(axis=0), found.mean(axis=0))),
    }


def score_alone(result: np.ndarray, mask: np.ndarray, ring_px: int) -> dict[str, float | None]:
    """``edge_colour``: how far colours jump from the known side of the edge to the hole's side.

    For each hole pixel at the edge, CIEDE2000 between the mean L*a*b* colours of the hole's and
    of the known pixels in the square of ``ring_px`` pixels around it; then the mean over these
    pixels. From 0, the best, upwards. None when no known pixel is left.
    """
    near = around(mask, ring_px + 1)
    result, mask = result[near], mask[near]
    edge = ring(mask, 1)
    if not edge.any():
        return {"edge_colour": None}
    lab = rgb2lab(result)
    inside, outside = (_local_mean(lab, side, ring_px)[edge] for side in (mask, ~mask))
    return {"edge_colour": float(deltaE_ciede2000(inside, outside).mean())}


def _local_mean(values: np.ndarray, where: np.ndarray, radius: int) -> np.ndarray:
    """Mean of the H×W×3 values over the pixels of ``where`` in the square around each pixel."""
    side = (2 * radius + 1, 2 * radius + 1)
    weight = where.astype(np.float64)
    border: dict[str, Any] = {"normalize": False, "borderType": cv2.BORDER_CONSTANT}
    total = cv2.boxFilter(values * weight[..., None], -1, side, **border)
    return total / np.maximum(cv2.boxFilter(weight, -1, side, **border), 1)[..., None]
