"""One rectangle of random place and aspect ratio."""

import numpy as np

TOLERANCE = 0.004
MAX_ASPECT = 2.5


def draw(rng: np.random.Generator, height: int, width: int, ratio: float, **_) -> np.ndarray:
    """A rectangle whose area is `ratio` of the image, within half a percentage point.

    Sides are drawn among all that meet the area with neither more than 2.5 times the other
    (where the image allows that), the place uniformly. From about 32 pixels a side on, and
    except where the image holds no such rectangle (ratios close to 1), the hole is whole;
    else its last column is cut short, which meets the area exactly.
    """
    tall, wide = _pick(rng, sides(height, width, ratio))
    top = rng.integers(height - tall + 1)
    left = rng.integers(width - wide + 1)
    return place(height, width, ratio, tall, wide, top, left)


def sides(height: int, width: int, ratio: float) -> np.ndarray:
    """All (tall, wide) that meet the area closest for their height; int N×2, N ≥ 1.

    Where none is within the tolerance, those whose width is rounded up.
    """
    area = ratio * height * width
    tall = np.arange(1, height + 1)
    wide = np.clip(np.rint(area / tall), 1, width).astype(int)
    close = np.abs(tall * wide - area) <= TOLERANCE * height * width
    if not close.any():
        wide = np.ceil(area / tall).astype(int)
        close = wide <= width
    return np.column_stack([tall, wide])[close]


def place(
    height: int, width: int, ratio: float, tall: int, wide: int, top: int, left: int
) -> np.ndarray:
    """The rectangle as a mask; pixels beyond the tolerance are given back, bottom right first."""
    mask = np.zeros((height, width), bool)
    mask[top : top + tall, left : left + wide] = True
    area = min(max(round(ratio * height * width), 1), height * width - 1)
    excess = tall * wide - area
    if excess > TOLERANCE * height * width or tall * wide == height * width:
        mask[top + tall - excess : top + tall, left + wide - 1] = False
    return mask


def _pick(rng: np.random.Generator, pairs: np.ndarray) -> np.ndarray:
    """One pair, uniform over the logarithm of the aspect ratio."""
    aspect = np.log(pairs[:, 0] / pairs[:, 1])
    usual = np.abs(aspect) <= np.log(MAX_ASPECT)
    if usual.any():
        pairs, aspect = pairs[usual], aspect[usual]
    wanted = rng.uniform(aspect.min(), aspect.max())
    return pairs[np.abs(aspect - wanted).argmin()]
