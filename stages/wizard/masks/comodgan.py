"""CoModGAN's free-form masks, which SH-GAN and MI-GAN report on too."""

import numpy as np

from wizard.masks.free_form import Counts, sample

WITHOUT_RATIO = True


def draw(rng: np.random.Generator, height: int, width: int, ratio: float | None, **_) -> np.ndarray:
    """A hole of CoModGAN's law, which :mod:`wizard.masks.free_form` states; `ratio` has no part.

    Its mean share is .727 at 256 pixels and .644 at 512.
    """
    return sample(rng, height, width, Counts(small=10, large=5, strokes=20))
