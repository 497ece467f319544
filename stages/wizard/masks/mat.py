"""MAT's large and small masks.

Li et al., "MAT: Mask-Aware Transformer for Large Hole Image Inpainting", CVPR 2022;
github.com/fenglinglwb/MAT, datasets/mask_generator_{256,512}{,_small}.py.
"""

import math

import numpy as np

from wizard.masks.free_form import Counts, sample

VARIANTS = ("large", "small")
WITHOUT_RATIO = True
COUNTS = {
    256: {"large": Counts(4, 2, 8), "small": Counts(2, 2, 3)},
    512: {"large": Counts(5, 3, 9), "small": Counts(3, 2, 4)},
}


def draw(
    rng: np.random.Generator, height: int, width: int, ratio: float | None, variant: str, **_
) -> np.ndarray:
    """A hole of MAT's law: CoModGAN's with fewer marks; `ratio` has no part.

    The counts are those of the nearer of 256 and 512 pixels.
    """
    side = min(COUNTS, key=lambda published: abs(math.log(min(height, width) / published)))
    return sample(rng, height, width, COUNTS[side][variant])
