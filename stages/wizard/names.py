"""The words that several rooms share: methods, metrics, and the parts of file names.

A method is one way of filling every hole, under the name that it has in ``inpainted.jsonl``
(``run``), in ``scores.csv`` (``method``) and as a folder of results: ``model``, ``baseline``, or a
contender's own name. Two further runs are scored like methods but never ranked: what the model
made of the whole image, and the originals after its autoencoder.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from wizard.runs import AGAIN as AGAIN
from wizard.runs import AUXILIARY, BASELINE, MODEL, RAW, ROUNDTRIP

_LABELS = {
    MODEL: "Model",
    BASELINE: "Baseline",
    ROUNDTRIP: "Autoencoder round trip",
    RAW: "Model before paste-back",
}


def label(method: str) -> str:
    """What people read for a method; a contender's name is its label."""
    return _LABELS.get(method, method)


def called(inpaint: dict) -> dict[str, str]:
    """What to print for model and baseline: the checkpoint's or method's own name.

    ``inpaint`` has the settings of that block. Where another method has the same name, the role
    tells them apart.
    """
    model = inpaint["backend"]
    if model == "diffusers":
        model = inpaint["model"].rstrip("/").rpartition("/")[2]
    own = {MODEL: model, BASELINE: inpaint["baseline"]}
    taken = Counter([*own.values(), *inpaint["contenders"]])
    return {role: name if taken[name] == 1 else f"{name} ({role})" for role, name in own.items()}


def in_order(methods: Iterable[str]) -> list[str]:
    """Each method once: model, baseline, the contenders as they come, then the auxiliary runs."""
    known = dict.fromkeys(methods)
    first = [method for method in (MODEL, BASELINE) if method in known]
    last = [method for method in AUXILIARY if method in known]
    return [*first, *(method for method in known if method not in (*first, *last)), *last]


def hole(image: str, mask: int) -> str:
    """Id of a photograph's mask number ``mask``: the name of its file and of all results."""
    return f"{image}_mask{mask:03d}"


def result(hole_id: str, sample: int) -> str:
    """Name of one result; the first of several samples is called like the hole."""
    return f"{hole_id}_sample{sample:02d}" if sample else hole_id


HIGHER, LOWER = math.inf, -math.inf


@dataclass(frozen=True)
class Metric:
    """How a metric is read.

    ``unit`` is empty where there is none. ``best`` is the value that a perfect result would have:
    HIGHER or LOWER where more or less is always better, a number where nearer to it is better, None
    where neither is. ``digits`` are the decimals that another machine reproduces; no more are shown
    or kept in git.
    """

    label: str
    unit: str = ""
    best: float | None = None
    digits: int = 3

    @property
    def title(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def direction(self) -> str:
        """ "higher", "lower", "nearest to 0" and so on; empty where no value is better."""
        if self.best is None:
            return ""
        return {HIGHER: "higher", LOWER: "lower"}.get(self.best, f"nearest to {self.best:g}")

    def loss(self, value):
        """What to minimise: a number, or an array of them, that is less for a better value.

        The value itself where lower is better, its negative where higher is, else the distance
        to the best value. Raises ValueError for a metric without a best value.
        """
        if self.best is None:
            raise ValueError(f"{self.label}: no value is better than another")
        if math.isinf(self.best):
            return value if self.best == LOWER else -value
        return abs(value - self.best)

    def rounded(self, value: float) -> float:
        """``value`` with the decimals that are reproducible, and no negative zero."""
        return round(float(value), self.digits) + 0.0


# Every column of scores.csv, and every figure over all results of a method, in the order in which
# they are shown. A new metric gets its line here.
METRICS = {
    "ssim": Metric("SSIM", "", HIGHER),
    "psnr": Metric("PSNR", "dB", HIGHER, 2),
    "hole_ssim": Metric("SSIM in the hole", "", HIGHER),
    "hole_psnr": Metric("PSNR in the hole", "dB", HIGHER, 2),
    "hole_mae": Metric("Mean absolute error in the hole", "levels", LOWER, 2),
    "ring_psnr": Metric("PSNR in the ring inside the edge", "dB", HIGHER, 2),
    "edge_seam": Metric("Seam against the original", "levels", 0, 2),
    "edge_step": Metric("Seam against the surroundings", "levels", 0, 2),
    "hole_colour": Metric("Colour difference in the hole", "CIEDE2000", LOWER, 2),
    "hole_colour_shift": Metric("Shift of the mean colour", "CIEDE2000", LOWER, 2),
    "edge_colour": Metric("Colour difference across the edge", "CIEDE2000", LOWER, 2),
    "hole_sharpness": Metric("Sharpness against the original", "", 1),
    "hole_sharpness_around": Metric("Sharpness against the surroundings", "", 1),
    "outside_psnr": Metric("PSNR outside the hole, as BrushBench", "dB", HIGHER, 2),
    "outside_mse": Metric("MSE outside the hole, as BrushBench", "", LOWER, 5),
    "self_consistency": Metric("Self-consistency", "", HIGHER),
    "learned_lpips": Metric("LPIPS (AlexNet)", "", LOWER),
    "learned_identity": Metric("Likeness of the face", "", HIGHER),
    "learned_clip": Metric("CLIP score of the prompt", "", HIGHER, 2),
    "learned_rc_s": Metric("Coherence with the surroundings (RC-S)", "", HIGHER),
    "learned_fid": Metric("FID", "", LOWER, 2),
    "learned_kid": Metric("KID", "", LOWER, 4),
    "learned_p_ids": Metric("P-IDS", "", HIGHER),
    "learned_u_ids": Metric("U-IDS", "", HIGHER),
    "learned_fd": Metric("FD (DINOv2)", "", LOWER, 2),
    "learned_kd": Metric("KD (DINOv2)", "", LOWER, 4),
    "hole_diversity": Metric("Diversity of the samples", "levels", None, 2),
    "hole_fraction": Metric("Hole fraction", "", None, 4),
}


def metric(column: str) -> Metric:
    """How a column is read; one that is no metric has its own name as label and no best value."""
    return METRICS.get(column) or Metric(column.replace("_", " ").capitalize())
