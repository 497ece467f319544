"""The regular masks of RePaint; its thick and thin ones are LaMa's strokes.

Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic Models", CVPR 2022;
github.com/andreas128/RePaint.
"""

import numpy as np

VARIANTS = ("half", "expand", "every-second-line", "super-resolution")
WITHOUT_RATIO = True


def draw(
    rng: np.random.Generator, height: int, width: int, ratio: float | None, variant: str, **_
) -> np.ndarray:
    """What is hidden; nothing is random and `ratio` has no part.

    `half`: the right half. `expand`: all but the centre, a quarter of each side (64 of 256
    pixels). `every-second-line`: rows 0, 2, 4, …. `super-resolution`: all but every second pixel
    of every second row, with the first known pixel at (1, 1).
    """
    mask = np.ones((height, width), bool)
    if variant == "half":
        mask[:, : width // 2] = False
    elif variant == "expand":
        top, left = 3 * height // 8, 3 * width // 8
        mask[top : height - top, left : width - left] = False
    elif variant == "every-second-line":
        mask[1::2] = False
    else:
        mask[1::2, 1::2] = False
    return mask
