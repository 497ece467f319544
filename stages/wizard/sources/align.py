"""Frame a face the way FFHQ frames faces: turned and scaled until the eyes lie where they should.

The positions are those of the centres of the eyes in FFHQ (Karras, Laine, Aila, "A Style-Based
Generator Architecture for Generative Adversarial Networks", CVPR 2019), as fractions of the frame.
"""

import numpy as np
from PIL import Image

from wizard.records import Unusable

LEFT_EYE, RIGHT_EYE = 0.3725 + 0.4735j, 0.6255 + 0.4735j

Eyes = tuple[tuple[float, float], tuple[float, float]]


def corners(eyes: Eyes) -> list[tuple[float, float]]:
    """Top left, top right, bottom right, bottom left of the frame in pixels of the photograph.

    ``eyes`` are the (x, y) centres of the two eyes, the one further left first. Two points
    determine a similarity z ↦ a·z + b of the complex plane, frame to photograph.
    """
    left, right = (complex(*eye) for eye in eyes)
    scale = (right - left) / (RIGHT_EYE - LEFT_EYE)
    origin = left - scale * LEFT_EYE
    points = [origin + scale * corner for corner in (0, 1, 1 + 1j, 1j)]
    return [(point.real, point.imag) for point in points]


def frame(image: Image.Image, eyes: Eyes, size: int) -> np.ndarray:
    """The face as uint8 size×size×3 from a photograph in RGB.

    The warp samples at twice the photograph's resolution or finer and Lanczos brings that down,
    so nothing is aliased. Raises Unusable when the frame would reach beyond the photograph.
    """
    width, height = image.size
    top_left, top_right, bottom_right, bottom_left = quad = corners(eyes)
    if any(not (0 <= x <= width and 0 <= y <= height) for x, y in quad):
        raise Unusable(
            f"the frame around the eyes {eyes} extends beyond the {width}×{height} photograph"
        )
    side = abs(complex(*top_right) - complex(*top_left))
    fine = size * int(np.ceil(max(1.0, 2 * side / size)))
    warped = image.transform(
        (fine, fine),
        Image.Transform.QUAD,
        (*top_left, *bottom_left, *bottom_right, *top_right),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(warped.resize((size, size), Image.Resampling.LANCZOS))
