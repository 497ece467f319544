"""How much the samples of one hole differ from each other."""

from itertools import combinations

import numpy as np


def diversity(samples: list[np.ndarray], mask: np.ndarray) -> float:
    """Mean absolute difference in the hole over all pairs of samples, in levels, 0–255.

    ``samples`` are two or more uint8 H×W×3 images, the mask is bool H×W. 0: all are the same.
    Diversity is not quality, noise is diverse: read it beside the expected and best scores.
    (The pairwise distance of Zhu et al. 2017, "Toward multimodal image-to-image translation",
    in pixels, where they take LPIPS.)
    """
    holes = [sample[mask].astype(np.int16) for sample in samples]
    return float(np.mean([np.abs(one - other).mean() for one, other in combinations(holes, 2)]))
