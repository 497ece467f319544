"""How visible the edge of the hole is: jumps of brightness across it.

A filled hole betrays itself where it meets the photograph. The step between a hole pixel and
its known neighbour is what gradient-domain blending removes (Pérez et al. 2003, "Poisson image
editing"); here its excess is the measure. The formulas are this project's own.
"""

import numpy as np

from wizard.metrics.pixel import around


def score(
    original: np.ndarray, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """``edge_seam``: by how much the result's steps across the edge exceed the original's.

    mean |p − q| in the result minus mean |p − q| in the original, over all pairs of a hole pixel
    p and a known 4-neighbour q, and over the channels. In levels, −255 to 255: 0 is best, above
    0 the edge shows, below 0 it is smoother than it was. None when no known pixel is left.
    """
    found, _ = _steps(result, mask)
    truth, _ = _steps(original, mask)
    return {"edge_seam": float(found.mean() - truth.mean()) if len(found) else None}


def score_alone(result: np.ndarray, mask: np.ndarray, ring_px: int) -> dict[str, float | None]:
    """``edge_step``: by how much steps across the edge exceed those just outside it.

    mean |p − q| over the same pairs minus mean |q − r| over the pairs of known pixels that
    follow outwards in the same row or column. Unit, range and direction as for ``edge_seam``. None
    when no such pairs are left.
    """
    across, outside = _steps(result, mask)
    known = len(across) and len(outside)
    return {"edge_step": float(across.mean() - outside.mean()) if known else None}


def _steps(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|p − q| in every channel: of pairs across the edge, and of the known pairs that follow."""
    across: list[np.ndarray] = []
    outside: list[np.ndarray] = []
    near = around(mask, 2)
    image, mask = image[near], mask[near]
    for pixels, hole in ((image, mask), (image.swapaxes(0, 1), mask.T)):
        crosses = hole[:, :-1] != hole[:, 1:]
        follows = np.zeros_like(crosses)
        follows[:, 1:] |= crosses[:, :-1]
        follows[:, :-1] |= crosses[:, 1:]
        follows &= ~(hole[:, :-1] | hole[:, 1:])
        for pairs, steps in ((crosses, across), (follows, outside)):
            p, q = pixels[:, :-1][pairs], pixels[:, 1:][pairs]
            steps.append(np.abs(p.astype(np.int16) - q))
    return np.concatenate(across), np.concatenate(outside)
