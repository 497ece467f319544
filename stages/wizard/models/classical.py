"""Fillings without learning: the baselines, and smooth starts for diffusion."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

RADIUS_PX = 3


def mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean colour of the known pixels; mid-grey where nothing is known."""
    colour = cv2.mean(image, (~mask).view(np.uint8))[:3] if not mask.all() else (127.5,) * 3
    return np.where(mask[..., None], np.rint(colour).astype(np.uint8), image)


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fast marching from the edge inwards (Telea 2004, OpenCV)."""
    return cv2.inpaint(image, mask.astype(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA)


def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lines of equal brightness continued into the hole (Bertalmio et al. 2001, OpenCV)."""
    return cv2.inpaint(image, mask.astype(np.uint8), RADIUS_PX, cv2.INPAINT_NS)


def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The smoothest surface through the known pixels (scikit-image's biharmonic equation)."""
    from skimage.restoration import inpaint_biharmonic

    filled = inpaint_biharmonic(image / 255.0, mask, channel_axis=2)
    return np.rint(filled * 255).clip(0, 255).astype(np.uint8)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean": mean,
    "telea": telea,
    "navier-stokes": navier_stokes,
    "biharmonic": biharmonic,
}

# The others read what is next to the hole, at full scale whatever the photograph's size. The
# biharmonic equation is solved for all pixels of a hole at once, at a cost that grows faster than
# the hole: a window of this side takes a few seconds and 350 MB, a hole of a million pixels took
# five minutes and 9 GB. Its surface is so smooth that larger windows lose nothing by scaling.
SIDES = {"biharmonic": 256}


class Classical:
    """A backend around one of METHODS; it is deterministic and ignores seeds and prompts."""

    stride = grid = 1
    reads_holes = False
    round_trip = None

    def __init__(self, name: str):
        self.identity = {"method": name}
        self.side = SIDES.get(name)
        self._method = METHODS[name]

    def fill(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray], seeds, prompts
    ) -> list[np.ndarray]:
        """Fill each image on its own; see the contract of the room."""
        return [self._method(image, mask) for image, mask in zip(images, masks, strict=True)]


def load(name: str) -> Classical:
    """The classical backend of that name."""
    return Classical(name)
