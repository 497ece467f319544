"""How sure a number is: 95% intervals of means and shares.

The unit that is resampled is the photograph, not the hole: several holes of one photograph are
alike, and counting them as independent would make every interval too narrow.
"""

import math

import numpy as np
from scipy import special, stats

LEVEL = 0.95
# The span of n values holds their true median with a probability of 1 − 2¹⁻ⁿ only, and resampling
# cannot reach beyond it: with fewer than six photographs "95%" would be untrue.
MIN_IMAGES = 6
_CELLS_AT_ONCE = 250_000


def bootstrap_means(
    values: np.ndarray, images: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """95% bootstrap intervals of the means of several quantities.

    ``values`` is float, results×quantities, NaN where a result has no value; ``images`` names
    the photograph of each result. Differences of two methods in one column give a paired
    interval. Photographs are drawn with replacement, each with all its results.

    Returns the lower and the upper ends, one for each quantity, NaN for a quantity with values
    from fewer than ``MIN_IMAGES`` photographs.
    """
    means, photographs = resampled_means(values, images, resamples, seed)
    return ends(means, photographs)


def resampled_means(
    values: np.ndarray, images: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The means of every resample, resamples×quantities, and of how many photographs each is.

    Arguments are those of :func:`bootstrap_means`. All quantities see the same draws, and a
    quantity's draws depend on no other quantity. Means are NaN where a resample drew no value.
    """
    names, photograph = np.unique(images, return_inverse=True)
    sums, counts = np.empty((2, len(names), values.shape[1]))
    for number, column in enumerate(values.T):
        known = ~np.isnan(column)
        sums[:, number] = np.bincount(photograph, np.where(known, column, 0.0), len(names))
        counts[:, number] = np.bincount(photograph, known, len(names))
    photographs = (counts > 0).sum(axis=0)
    if not (photographs >= MIN_IMAGES).any():
        return np.full((resamples, values.shape[1]), np.nan), photographs
    return _draw(sums, counts, resamples, np.random.default_rng(seed)), photographs


def ends(means: np.ndarray, photographs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of 95% intervals from the means of resamples, as :func:`bootstrap_means` gives them.

    The percentiles are those of the expanded percentile interval (Hesterberg 2015, "What teachers
    should know about the bootstrap"), which corrects for few photographs.
    """
    low, high = (np.full(means.shape[1], np.nan) for _ in range(2))
    for quantity, count in enumerate(photographs):
        if count >= MIN_IMAGES:
            stretched = math.sqrt(count / (count - 1)) * special.stdtrit(count - 1, (1 - LEVEL) / 2)
            tail = special.ndtr(stretched)
            low[quantity], high[quantity] = np.nanquantile(means[:, quantity], [tail, 1 - tail])
    return low, high


def _draw(
    sums: np.ndarray, counts: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Means of every resample, resamples×quantities; NaN where a resample drew no value."""
    photographs = len(sums)
    evenly = np.full(photographs, 1 / photographs)
    at_once = max(1, _CELLS_AT_ONCE // photographs)
    parts = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = rng.multinomial(photographs, evenly, size=size).astype(np.float64)
        with np.errstate(invalid="ignore"):
            parts.append((drawn @ sums) / (drawn @ counts))
    return np.concatenate(parts)


def binomial(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927, "Probable inference, the law of succession")."""
    interval = stats.binomtest(successes, trials).proportion_ci(LEVEL, "wilson")
    return interval.low, interval.high
