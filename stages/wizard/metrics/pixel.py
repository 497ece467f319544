"""SSIM, PSNR and mean absolute error over the image, in the hole, and in the ring at its edge.

Conventions determine these numbers, so here they are:

- Images are uint8 RGB and are compared as they are: range 255, no colour conversion.
- SSIM: Wang et al. 2004, "Image quality assessment: from error visibility to structural
  similarity": Gaussian window of σ = 1.5 cut to 11×11, population covariance, K1 = 0.01,
  K2 = 0.03, each channel by itself and then the mean. Equal to scikit-image's
  ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
  data_range=255, channel_axis=2)``.
- PSNR: 10·log10(255² / MSE), MSE over pixels and the three channels. It is a number for one
  result; averages are averages of these numbers. Identical pixels have no finite PSNR: None.
"""

from itertools import product

import cv2
import numpy as np

from wizard import images

WINDOW = 11
# Memory stays bounded whatever the image's size, and a tile's arrays stay in the processor's cache.
_TILE = 64
_KERNEL = cv2.getGaussianKernel(WINDOW, 1.5, cv2.CV_64F)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def score(
    original: np.ndarray, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """Compare a result with its original.

    Both are uint8 H×W×3, the mask bool H×W. Of the values, ``ssim`` and ``psnr`` (dB) are those
    of the whole image, ``hole_ssim`` is the mean of the SSIM map over the hole's pixels,
    ``hole_psnr`` (dB) and ``hole_mae`` (levels, 0–255) are of the hole's pixels alone, and
    ``ring_psnr`` (dB) of those within ``ring_px`` of the hole's edge. None stands for a PSNR of
    identical pixels and for a ring without pixels.
    """
    similarity = ssim_map(original, result)
    error = cv2.subtract(original, result, dtype=cv2.CV_16S)
    in_hole = error[mask]
    # scikit-image leaves the frame, where windows hang over the edge, out of its mean.
    frame = WINDOW // 2
    return {
        "ssim": float(similarity[frame:-frame, frame:-frame].mean()),
        "psnr": psnr(error),
        "hole_ssim": float(similarity[mask].mean()),
        "hole_psnr": psnr(in_hole),
        "hole_mae": float(np.abs(in_hole).mean()),
        "ring_psnr": psnr(error[ring(mask, ring_px)]),
    }


def ssim_map(original: np.ndarray, result: np.ndarray) -> np.ndarray:
    """SSIM around each pixel: float64 H×W, mean over the channels, at most 1.

    Raises ValueError for images of different shape or smaller than the window.
    """
    if original.shape != result.shape or min(original.shape[:2]) < WINDOW:
        raise ValueError(
            f"SSIM needs two images of one size, at least {WINDOW}×{WINDOW} pixels: "
            f"got {original.shape} and {result.shape}"
        )
    similarity = np.ones(original.shape[:2])
    differ = images.differ(original, result)
    if differ.any():
        # Equal windows have an SSIM of exactly 1, so only a box around the differing pixels is
        # computed; it is wide enough that its own border lies among equal windows.
        box = around(differ, WINDOW - 1)
        _tiled_ssim(original[box], result[box], differ[box], similarity[box])
    return similarity


def _tiled_ssim(
    original: np.ndarray, result: np.ndarray, differ: np.ndarray, similarity: np.ndarray
) -> None:
    """Write the SSIM into ``similarity`` wherever a differing pixel is in reach."""
    reach = WINDOW // 2
    for top, left in product(*(range(0, side, _TILE) for side in differ.shape)):
        above, before = max(0, top - reach), max(0, left - reach)
        seen = slice(above, top + _TILE + reach), slice(before, left + _TILE + reach)
        if differ[seen].any():
            tile = _windowed_ssim(original[seen], result[seen])[top - above :, left - before :]
            similarity[top : top + _TILE, left : left + _TILE] = tile[:_TILE, :_TILE]


def _windowed_ssim(original: np.ndarray, result: np.ndarray) -> np.ndarray:
    x, y = original.astype(np.float64), result.astype(np.float64)
    mean_x, mean_y = _smooth(x), _smooth(y)
    both = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = _smooth(x * y) - both
    variances = _smooth(x * x + y * y) - squares
    numerator = (2 * both + _C1) * (2 * covariance + _C2)
    similarity = numerator / ((squares + _C1) * (variances + _C2))
    red, green, blue = np.moveaxis(similarity, 2, 0)
    return (red + green + blue) / 3  # ten times as fast as a mean over so short an axis


def _smooth(values: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(values, -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_REFLECT)


def psnr(error: np.ndarray) -> float | None:
    """Peak signal-to-noise ratio in dB of an error in levels; None for no error or no pixels."""
    squares = cv2.norm(error, cv2.NORM_L2SQR) if error.size else 0
    return float(10 * np.log10(255**2 * error.size / squares)) if squares else None


def ring(mask: np.ndarray, width: int) -> np.ndarray:
    """The hole's pixels within ``width`` pixels (Euclidean) of a known pixel: bool H×W.

    The image's own border is no edge: nothing is known beyond it to be continued.
    """
    if mask.all() or not mask.any():
        return np.zeros_like(mask)
    # The known pixel next to the hole's nearest lies at most one pixel outside the box around it.
    box = around(mask, 1)
    hole = mask[box].astype(np.uint8)
    near = np.zeros_like(mask)
    distance = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near[box] = (hole > 0) & (distance <= width)
    return near


def around(marked: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The box around the marked pixels (bool H×W, at least one), ``margin`` wider each way."""
    lines = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(max(0, at[0] - margin), at[-1] + margin + 1) for at in lines)
    return rows, columns
