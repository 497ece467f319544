"""Holes and errors made visible. Images are uint8 H×W×3, masks bool H×W (True = hole)."""

import numpy as np
from PIL import Image

ERROR_RANGE = 64
TINT = np.array([190, 0, 190])  # rare in photographs: not skin, sky, foliage or wood


def reduced(picture: np.ndarray, side: int) -> np.ndarray:
    """An image or a mask with its longer side at most ``side`` pixels; never enlarged.

    Every picture of one size goes the same way; a pixel of which half is hole is hole.
    """
    longest = max(picture.shape[:2])
    if longest <= side:
        return picture
    height, width = (max(1, round(length * side / longest)) for length in picture.shape[:2])
    if picture.dtype == bool:
        share = Image.fromarray(picture.astype(np.uint8) * 255)
        return np.asarray(share.resize((width, height), Image.Resampling.BOX)) >= 128
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def masked(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with diagonal grey stripes where the hole is; uint8 H×W×3.

    Stripes, because no single colour is sure to differ from the photograph around the hole.
    """
    rows, columns = np.indices(mask.shape)
    period = max(4, mask.shape[1] // 16)
    stripes = np.where((rows + columns) % period < period / 2, 110, 150).astype(np.uint8)
    return np.where(mask[..., None], stripes[..., None], image)


def overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with the hole tinted and what lies under it still to be seen; uint8 H×W×3."""
    tinted = np.rint(image * 0.4 + TINT * 0.6).astype(np.uint8)
    return np.where(mask[..., None], tinted, image)


def error_map(original: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Absolute error, mean of the three channels, in the colours of Matplotlib's "magma".

    Black is no error, the lightest yellow ``ERROR_RANGE`` levels (of 255) or more; uint8 H×W×3.
    The scale is fixed so that maps of different results can be compared.
    """
    from matplotlib import colormaps

    error = np.abs(original.astype(np.int16) - filled).mean(axis=2) / ERROR_RANGE
    return colormaps["magma"](error.clip(0, 1), bytes=True)[..., :3]
