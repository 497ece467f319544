"""Shapes of holes. A shape is a file here with a function `draw`, and a line in `SHAPES`.

A shape's file has

- `draw(rng, height, width, ratio, **options)`: a hole, bool height×width, True = hole. `options`
  are those of :func:`draw`; a shape takes the ones it needs and leaves the others alone
- `VARIANTS`: what `mask.variant` may name, the default first; without it there are none
- `WITHOUT_RATIO = True` where a law of its own can determine how large the hole is

`files` is no shape: it pairs and reads masks that a user brings along.
"""

from importlib import import_module
from types import ModuleType

import numpy as np

from wizard.console import BadSetting
from wizard.records import Unusable

SHAPES = {
    "rectangles": "wizard.masks.rectangles",
    "box": "wizard.masks.box",
    "strokes": "wizard.masks.strokes",
    "scratches": "wizard.masks.scratches",
    "half": "wizard.masks.half",
    "border": "wizard.masks.border",
    "parts": "wizard.masks.parts",
    "detect_scratches": "wizard.masks.detect_scratches",
    "comodgan": "wizard.masks.comodgan",
    "mat": "wizard.masks.mat",
    "repaint": "wizard.masks.repaint",
}


def check(shape: str, variant: str | None, ratio: float | list[float] | None) -> None:
    """Whether the mask settings fit each other, asked before any work.

    Raises BadSetting, which names the setting and what is allowed.
    """
    if shape == "files":
        return
    if shape not in SHAPES:
        raise BadSetting(f"mask.shape = {shape!r}: allowed: {', '.join(SHAPES)}, files")
    module = _module(shape)
    variants = getattr(module, "VARIANTS", ())
    if variant is not None and variant not in variants:
        raise BadSetting(
            f"mask.variant = {variant!r}: allowed for shape {shape}: {', '.join(variants)} or null"
            if variants
            else f"mask.variant = {variant!r}: shape {shape} has no variants; set it to null"
        )
    if ratio is None and not getattr(module, "WITHOUT_RATIO", False):
        raise BadSetting(f"mask.ratio = null: shape {shape} needs one, for example 0.25")


def draw(
    shape: str,
    rng: np.random.Generator,
    height: int,
    width: int,
    ratio: float | None,
    variant: str | None = None,
    **options,
) -> np.ndarray:
    """A hole of the given shape: bool height×width, True = hole, never full, and empty only where a
    shape looks for something that the image does not have.

    `ratio` is the hole's share of the image area, 0 < ratio < 1, or None for a shape with a law
    of its own; `variant` is one of the shape's VARIANTS or None, the first of them. Of `options`
    there are `image`, uint8 height×width×3, and `aligned`: whether it is framed like FFHQ. The same
    state of `rng` gives the same mask. Raises Unusable for an image of fewer than two pixels a
    side, and for a photograph that a shape cannot be drawn on.
    """
    if min(height, width) < 2:
        raise Unusable(f"an image of {width}×{height} is too small to hold a hole")
    module = _module(shape)
    if variants := getattr(module, "VARIANTS", ()):
        options["variant"] = variant or variants[0]
    return module.draw(rng, height, width, ratio, **options)


def _module(shape: str) -> ModuleType:
    return import_module(SHAPES[shape])
