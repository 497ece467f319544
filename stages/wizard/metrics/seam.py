"""How visible the edge of the hole is: jumps of brightness across it.

A filled hole betrays itself where it meets the photograph. The step between a hole pixel and
its known neighbour is what gradient-domain blending removes (Pérez et al. 2003, "Poisson image
editing"); here its excess is the measure. The formulas are this project's own.
"""

import numpy as np


def score(
    original: np.ndarray, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """``edge_seam``: by how much the result's steps across the edge exceed the original's.

    mean |p − q| in the result minus mean |p − q| in the original, over all pairs of a hole pixel
    p and a known 4-neighbour q, and over the channels. In levels, −255 to 255: 0 is best, above
    0 the edge shows, below 0 it is smoother than it was. None when no known pixel is left.
    """
    edge, _ = _pairs(mask)
    if not edge.any():
        return {"edge_seam": None}
    return {"edge_seam": float(_steps(result)[edge].mean() - _steps(original)[edge].mean())}


def score_alone(result: np.ndarray, mask: np.ndarray, ring_px: int) -> dict[str, float | None]:
    """``edge_step``: by how much steps across the edge exceed those just outside it.

    mean |p − q| over the same pairs minus mean |q − r| over the pairs of known pixels that
    follow outwards in the same row or column. Unit, range and direction as for ``edge_seam``. None
    when no such pairs are left.
    """
    edge, outside = _pairs(mask)
    if not edge.any() or not outside.any():
        return {"edge_step": None}
    steps = _steps(result)
    return {"edge_step": float(steps[edge].mean() - steps[outside].mean())}


def _steps(image: np.ndarray) -> np.ndarray:
    """Absolute difference to the right and to the lower neighbour: 2×H×W, mean over channels."""
    values = image.astype(np.float64)
    return np.stack([_towards(values, axis) for axis in (1, 0)]).mean(axis=-1)


def _towards(values: np.ndarray, axis: int) -> np.ndarray:
    last = values.take([-1], axis)
    return np.abs(np.diff(values, axis=axis, append=last))


def _pairs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the steps cross the edge, and which follow such a step outwards: bool 2×H×W."""
    edge, outside = [], []
    for axis in (1, 0):
        crosses = np.diff(mask, axis=axis, append=mask.take([-1], axis))
        known = ~mask & ~np.roll(mask, -1, axis)
        # The last pixel of a row has no neighbour to the right: rolling brought in the first.
        known[(slice(None),) * axis + (-1,)] = False
        edge.append(crosses)
        outside.append(known & (np.roll(crosses, 1, axis) | np.roll(crosses, -1, axis)))
    return np.stack(edge), np.stack(outside)
