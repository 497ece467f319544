"""Whether the hole is as sharp as it should be: energy of the Laplacian.

The Laplacian's energy is a classical focus measure (Subbarao, Choi, Nikzad 1993, "Focusing
techniques"); the ratio in the hole is this project's own. Brightness is BT.601 luma, the
Laplacian the four-neighbour one, and pixels at the hole's edge are left out because a seam there
is no sharpness.
"""

import cv2
import numpy as np

from wizard.metrics.pixel import around, ring

_LUMA = np.array([0.299, 0.587, 0.114])
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# Below one squared level the reference is flat and a ratio to it would measure its noise.
_FLAT = 1.0


def score(
    original: np.ndarray, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """``hole_sharpness``: mean squared Laplacian inside the hole, result over original.

    From 0 upwards: 1 is as sharp as the original, towards 0 blurred, above 1 noisy or
    over-sharpened. None for a hole without inner pixels or a flat original.
    """
    near = around(mask, 1)
    original, result, mask = original[near], result[near], mask[near]
    inner = _inner(mask)
    return {"hole_sharpness": _ratio(_energy(result)[inner], _energy(original)[inner])}


def score_alone(result: np.ndarray, mask: np.ndarray, ring_px: int) -> dict[str, float | None]:
    """``hole_sharpness_around``: mean squared Laplacian inside the hole over that around it.

    Around it are the known pixels within ``ring_px`` of the hole. Range and direction as for
    ``hole_sharpness``; a hole that should be smoother or busier than what surrounds it is no
    fault, so read it over many images.
    """
    near = around(mask, ring_px + 2)
    result, mask = result[near], mask[near]
    energy = _energy(result)
    beside = _inner(~mask) & ring(~mask, ring_px)
    return {"hole_sharpness_around": _ratio(energy[_inner(mask)], energy[beside])}


def _energy(image: np.ndarray) -> np.ndarray:
    return cv2.Laplacian(image @ _LUMA, cv2.CV_64F, ksize=1) ** 2


def _inner(area: np.ndarray) -> np.ndarray:
    """Pixels whose four neighbours belong to the area too and lie in the image."""
    eroded = cv2.erode(area.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return eroded.astype(bool)


def _ratio(energy: np.ndarray, reference: np.ndarray) -> float | None:
    if not energy.size or not reference.size or reference.mean() < _FLAT:
        return None
    return float(energy.mean() / reference.mean())
