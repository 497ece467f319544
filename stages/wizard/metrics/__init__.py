"""What a result is worth. One file per metric; the tables below say which are measured when.

A metric's file has ``score(original, result, mask, ring_px)`` and, when it can also judge
without a truth, ``score_alone(result, mask, ring_px)``. Both take uint8 H×W×3 images and a
bool H×W mask and return named numbers, None where there is no value. The names become columns
of scores.csv as they are.
"""

from importlib import import_module

import numpy as np

from wizard.console import BadSetting

AGAINST_ORIGINAL = ("pixel", "seam", "colour", "sharpness")
WITHOUT_ORIGINAL = ("seam", "colour", "sharpness")
# What pretrained networks measure, when evaluate.learned names it; see learned.py. Of a result: the
# file with score(beside, results, setup), and what it sees beside the results.
OF_A_RESULT = {
    "lpips": ("perceptual", "original"),
    "identity": ("identity", "original"),
    "clip": ("clip", "prompt"),
    "rc_s": ("coherence", "mask"),
}
# Of all results together: the file with features(pictures, setup), and how these are compared.
OF_ALL = {
    "fid": ("inception", "frechet"),
    "kid": ("inception", "kernel"),
    "ids": ("inception", "discrimination"),
    "fd": ("dino", "frechet"),
    "kd": ("dino", "kernel"),
}


def check(learned: list[str], reference: str) -> None:
    """Whether there are these measures by pretrained networks, asked before any work.

    Raises BadSetting, which names the setting and what is allowed; also for one that needs an
    original where ``reference`` is "none".
    """
    for name in learned:
        if name not in OF_A_RESULT and name not in OF_ALL:
            allowed = ", ".join([*OF_A_RESULT, *OF_ALL])
            raise BadSetting(f"evaluate.learned = {learned}: allowed: a list of ({allowed})")
        if reference == "none" and OF_A_RESULT.get(name, ("", ""))[1] == "original":
            raise BadSetting(
                f"evaluate.learned = {learned}: without an original (reference: none) there is no "
                f"{name}; remove it or set reference to original"
            )


def score(
    original: np.ndarray | None, result: np.ndarray, mask: np.ndarray, ring_px: int
) -> dict[str, float | None]:
    """Every metric of one result, against the original or, when that is None, without a truth.

    Images are uint8 H×W×3, the mask bool H×W with at least one hole pixel. Raises ValueError
    when shapes differ or the mask is empty.
    """
    if mask.shape != result.shape[:2] or (original is not None and original.shape != result.shape):
        shapes = [result.shape, mask.shape, *([] if original is None else [original.shape])]
        raise ValueError(f"sizes differ: result, mask (and original) are {shapes}")
    if not mask.any():
        raise ValueError("the mask has no hole, there is nothing to score")
    values: dict[str, float | None] = {}
    for name in AGAINST_ORIGINAL if original is not None else WITHOUT_ORIGINAL:
        metric = import_module(f"wizard.metrics.{name}")
        if original is not None:
            values |= metric.score(original, result, mask, ring_px)
        else:
            values |= metric.score_alone(result, mask, ring_px)
    return values
