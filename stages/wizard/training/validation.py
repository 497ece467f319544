"""What is measured on people that training never saw: holes, scores, means by hole fraction."""

from collections.abc import Callable, Sequence

import numpy as np

from wizard import masks
from wizard.records import seed

KINDS = ("rectangles", "strokes")
BINS = (0.0, 0.25, 0.5, 0.7, 1.0)
METRICS = ("hole_psnr", "hole_ssim", "hole_sharpness")


def holes(kind: str, names: Sequence[str], size: int, base_seed: int) -> list[np.ndarray]:
    """One hole for each name: a rectangle of a quarter of the area, or strokes over 0.5 to 0.9.

    Each depends on its own name alone. Masks are bool size×size.
    """
    drawn = []
    for name in names:
        rng = np.random.default_rng(seed(base_seed, f"validate {kind}", name))
        ratio = 0.25 if kind == "rectangles" else rng.uniform(0.5, 0.9)
        drawn.append(masks.draw(kind, rng, size, size, ratio, strokes="thick"))
    return drawn


def score_all(
    originals: Sequence[np.ndarray],
    results: Sequence[np.ndarray],
    drawn: Sequence[np.ndarray],
    score: Callable,
) -> list[dict]:
    """A row for each result: the hole's share of the image and METRICS.

    `score(original, result, mask, ring_px)` returns named numbers, None where there is none.
    """
    rows = []
    for original, result, mask in zip(originals, results, drawn, strict=True):
        values = score(original, result, mask, 8)
        kept = {name: values[name] for name in METRICS}
        rows.append({"fraction": float(mask.mean()), **kept})
    return rows


def means(rows: Sequence[dict]) -> dict:
    """The count and the mean of each metric over the rows that have it, to four digits."""
    summary: dict = {"count": len(rows)}
    for name in METRICS:
        values = [row[name] for row in rows if row[name] is not None]
        if values:
            summary[name] = round(float(np.mean(values)), 4)
    return summary


def by_fraction(rows: Sequence[dict]) -> dict[str, dict]:
    """Means for each bin of the hole fraction (low ≤ fraction < high), bins without rows left out.

    A quarter exactly is met by rectangles only to half a percentage point, so they stand on both
    sides of that edge; the bin is named by what it holds.
    """
    table = {}
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = [row for row in rows if low <= row["fraction"] < high]
        if inside:
            table[f"{low:g}-{high:g}"] = means(inside)
    return table
