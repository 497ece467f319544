"""What is measured on people that training never saw: holes, scores, means by hole fraction."""

from collections.abc import Callable, Sequence

import numpy as np

from wizard import masks
from wizard.images import composite, to_grid
from wizard.records import seed

KINDS = ("rectangles", "strokes")
VARIANTS = {"rectangles": None, "strokes": "thick"}
BINS = (0.0, 0.3, 0.5, 0.7, 1.0)
METRICS = ("hole_psnr", "hole_ssim", "hole_sharpness", "hole_colour", "edge_seam")
PROMPT = "a portrait photograph of a face"
BATCH_SIZE = 8

Pictures = Sequence[np.ndarray] | np.ndarray  # or one array N×S×S×3


def holes(kind: str, names: Sequence[str], size: int, base_seed: int) -> list[np.ndarray]:
    """One hole for each name: a rectangle of a quarter of the area, or strokes over 0.5 to 0.9.

    Each depends on its own name alone. Masks are bool size×size.
    """
    drawn = []
    for name in names:
        rng = np.random.default_rng(seed(base_seed, f"validate {kind}", name))
        ratio = 0.25 if kind == "rectangles" else rng.uniform(0.5, 0.9)
        drawn.append(masks.draw(kind, rng, size, size, ratio, variant=VARIANTS[kind]))
    return drawn


def hidden(images: Pictures, drawn: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The images (uint8 S×S×3) with mid-grey holes."""
    grey = np.full_like(images[0], 128)
    return [composite(image, grey, mask) for image, mask in zip(images, drawn, strict=True)]


def inpaint(
    parts: dict, images: Pictures, drawn: Sequence[np.ndarray], names: Sequence[str]
) -> list[np.ndarray]:
    """One-step results of networks in training: uint8 S×S×3, exact outside the holes.

    `parts` are those of a checkpoint; noise follows from the names. What `dvc repro` makes of the
    exported folder differs by its half-precision weights alone.
    """
    import torch
    from diffusers import StableDiffusionInpaintPipeline

    pipe = StableDiffusionInpaintPipeline(
        **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    grid = pipe.vae_scale_factor
    results: list[np.ndarray] = []
    for start in range(0, len(images), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        grown = [to_grid(mask, grid) for mask in drawn[part]]
        pixels = np.stack(hidden(images[part], grown))
        made = pipe(
            prompt=[PROMPT] * len(pixels),
            image=torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255,
            mask_image=torch.from_numpy(np.stack(grown)).unsqueeze(1).float(),
            height=pixels.shape[1],
            width=pixels.shape[2],
            num_inference_steps=1,
            guidance_scale=1.0,
            generator=[torch.Generator().manual_seed(seed(0, "preview", n)) for n in names[part]],
            output_type="np",
        ).images
        filled = np.rint(made * 255).clip(0, 255).astype(np.uint8)
        results += map(composite, images[part], filled, drawn[part])
    return results


def trial(
    parts: dict, kind: str, images: Pictures, names: Sequence[str], base_seed: int, score: Callable
) -> tuple[list[np.ndarray], list[np.ndarray], dict]:
    """One hole of this kind for each image, what the networks make of it, and the mean scores.

    See :func:`holes`, :func:`inpaint`, :func:`score_all` and :func:`means`.
    """
    drawn = holes(kind, names, images[0].shape[0], base_seed)
    results = inpaint(parts, images, drawn, names)
    return drawn, results, means(score_all(images, results, drawn, score))


def score_all(
    originals: Pictures,
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
        rows.append({"hole_fraction": float(mask.mean()), **kept})
    return rows


def means(rows: Sequence[dict]) -> dict:
    """The count and the mean of each metric over the rows that have it, to four digits."""
    summary: dict = {"count": len(rows)}
    for name in (*METRICS, "hole_diversity"):
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            summary[name] = round(float(np.mean(values)), 4)
    return summary


def by_fraction(rows: Sequence[dict]) -> dict[str, dict]:
    """Means for each bin of the hole fraction, low ≤ fraction < high; empty bins are left out."""
    table = {}
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = [row for row in rows if low <= row["hole_fraction"] < high]
        if inside:
            table[f"{low:g}-{high:g}"] = means(inside)
    return table
