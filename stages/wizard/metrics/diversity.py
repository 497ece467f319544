"""How much several fills of one hole differ from each other."""

from itertools import combinations

import numpy as np


def diversity(fills: list[np.ndarray], mask: np.ndarray) -> float:
    """Mean absolute difference in the hole over all pairs of fills, in levels, 0–255.

    ``fills`` are two or more uint8 H×W×3 images, the mask is bool H×W. 0: every fill is the
    same. Diversity is no quality, noise is diverse: read it beside the expected and best scores.
    (The pairwise distance of Zhu et al. 2017, "Toward multimodal image-to-image translation",
    in pixels, where they take LPIPS.)
    """
    holes = [fill[mask].astype(np.int16) for fill in fills]
    return float(np.mean([np.abs(one - other).mean() for one, other in combinations(holes, 2)]))
