"""Parts of a face at their places in a frame that is aligned like FFHQ.

Whole parts are much harder than random holes of the same size, since nothing of them is left.
"""

import numpy as np

from wizard.records import Unusable

# Centre and half axes (x, y, across, down) in shares of the frame; the eyes of FFHQ lie at
# (.3725, .4735) and (.6255, .4735), its other parts where these ellipses are.
LEFT_EYE, RIGHT_EYE = (0.3725, 0.4735, 0.105, 0.065), (0.6255, 0.4735, 0.105, 0.065)
PARTS = {
    "eyes": (LEFT_EYE, RIGHT_EYE),
    "one-eye": (LEFT_EYE,),
    "nose": ((0.5, 0.585, 0.1, 0.105),),
    "mouth": ((0.5, 0.735, 0.16, 0.085),),
    "lower-half": (),
    "hair-line": ((0.5, 0.23, 0.32, 0.11),),
}
VARIANTS = ("random", *PARTS)
WITHOUT_RATIO = True
NOSTRILS = 0.58
SHIFT, SCALE = 0.015, (0.9, 1.15)


def draw(
    rng: np.random.Generator,
    height: int,
    width: int,
    ratio: float | None,
    variant: str,
    aligned: bool = False,
    **_,
) -> np.ndarray:
    """The part that `variant` names, or one of them at random, jittered; `ratio` has no part.

    `lower-half` is everything below the nose's bridge. Raises Unusable where the frame is not
    `aligned` like FFHQ: nobody knows where the face is.
    """
    if not aligned or height != width:
        raise Unusable(
            "mask.shape parts does not apply: the photograph is not framed like FFHQ, so the "
            "places of eyes, nose and mouth are unknown; take FFHQ or the samples, with "
            "fetch.fit: square"
        )
    if variant == "random":
        variant = list(PARTS)[rng.integers(len(PARTS))]
    right, down = rng.uniform(-SHIFT, SHIFT, 2)
    grow = rng.uniform(*SCALE)
    mirrored = variant == "one-eye" and rng.random() < 0.5
    y, x = np.ogrid[:height, :width]
    x, y = (x + 0.5) / width - right, (y + 0.5) / height - down
    if variant == "lower-half":
        return np.broadcast_to(y > NOSTRILS, (height, width)).copy()
    mask = np.zeros((height, width), bool)
    for centre_x, centre_y, across, down_ in PARTS[variant]:
        centre_x = 1 - centre_x if mirrored else centre_x
        distance = ((x - centre_x) / across) ** 2 + ((y - centre_y) / down_) ** 2
        mask |= distance <= grow**2
    return mask
