"""RC-S: whether a hole is filled with what surrounds it, without a truth to be held against.

PROVE (ACM MM 2026, xiaomi-research/prove): DINOv2 features of the hole are compared with those
around it, window by window, by the kernel distance of the two sets. 1 is best, towards 0 the hole
holds something else than its surroundings, as where an object was not removed but replaced. The
numbers below are the published ones; published results are of DINOv2-giant.
"""

import math
from collections.abc import Iterable

import cv2
import numpy as np
import torch
from skimage.measure import label, regionprops
from transformers import Dinov2Model

from wizard.metrics import networks

MIN_PIXELS = 200  # smaller parts of a hole are left out where it has larger ones
MARGIN = 1 / 3  # of the part's longer side, on each side of it
SIDE = 448  # of what the network sees, in pixels
GRID, WINDOW, STRIDE = 64, 16, 8  # the last two are features of a grid of that many
MORE_THAN = 5  # features that a set needs
SIGMA, SCALE, TEMPERATURE = 10, 1000, 3


def score(
    masks: Iterable[np.ndarray], results: Iterable[np.ndarray], setup: networks.Setup
) -> list[float | None]:
    """RC-S of each uint8 H×W×3 result in the hole of its mask (bool H×W), 0 to 1.

    Each connected part of the hole counts alike. None where no window has enough of both.
    Raises Unusable when the weights cannot be had.
    """
    network = networks.pretrained(Dinov2Model, setup.dino, use_safetensors=True)
    network.eval().to(setup.place)
    cells = SIDE // network.config.patch_size
    side = cells * network.config.patch_size
    values = []
    for mask, result in zip(masks, results, strict=True):
        boxes = squares(mask)
        crops = [cv2.resize(result[box], (side, side)) for box in boxes]
        parts = []
        for pixels in networks.batches(crops, setup.batch, networks.IMAGENET):
            with torch.inference_mode():
                features = network(pixels.to(setup.place)).last_hidden_state[:, 1:].cpu()
            parts.extend(features.reshape(len(features), cells, cells, -1).double().numpy())
        found = (
            coherence(part, _to_grid(mask[box], side, cells))
            for part, box in zip(parts, boxes, strict=True)
        )
        known = [value for value in found if value is not None]
        values.append(float(np.mean(known)) if known else None)
    return values


def squares(mask: np.ndarray) -> list[tuple[slice, slice]]:
    """A square around each connected part of the hole, wider as far as there is room."""
    parts = regionprops(label(mask, connectivity=1))
    least = min(MIN_PIXELS, max((part.area for part in parts), default=0))
    return [_square(part.bbox, mask.shape) for part in parts if part.area >= least]


def _square(bbox: tuple[int, int, int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    top, left, bottom, right = bbox
    size = max(bottom - top, right - left)
    starts = round((top + bottom - size) / 2), round((left + right - size) / 2)
    room = (min(start, side - start - size) for start, side in zip(starts, shape, strict=True))
    margin = max(0, min(round(size * MARGIN), size // 2, *room))
    final = min(size + 2 * margin, *shape)
    corner = (
        min(max(0, start - margin), side - final) for start, side in zip(starts, shape, strict=True)
    )
    rows, columns = (slice(start, start + final) for start in corner)
    return rows, columns


def _to_grid(mask: np.ndarray, side: int, cells: int) -> np.ndarray:
    """A square mask on the network's grid: a cell with a pixel of the hole belongs to it."""
    enlarged = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    patch = side // cells
    return enlarged.reshape(cells, patch, cells, patch).any(axis=(1, 3))


def coherence(features: np.ndarray, hole: np.ndarray) -> float | None:
    """RC-S of a grid of features, float H×W×C, and where the hole is, bool H×W.

    In each window the hole's features are held against the others in it or, where there are no
    others, against all outside the hole. None where no window has enough.
    """
    share = max(hole.shape) / GRID
    window, stride = (max(1, int(one * share)) for one in (WINDOW, STRIDE))
    features = features / np.maximum(np.linalg.norm(features, axis=2, keepdims=True), 1e-12)
    everywhere = features[~hole]
    distances = []
    for top in range(0, hole.shape[0] - window + 1, stride):
        for left in range(0, hole.shape[1] - window + 1, stride):
            seen = slice(top, top + window), slice(left, left + window)
            inside, outside = features[seen][hole[seen]], features[seen][~hole[seen]]
            if not len(outside):
                outside = everywhere
            elif len(outside) <= MORE_THAN:
                continue
            if len(inside) > MORE_THAN and len(outside):
                distances.append(_distance(inside, outside))
    if not distances:
        return None
    return math.exp(-max(0.0, float(np.mean(distances))) / TEMPERATURE)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy of two sets of unit vectors under a Gaussian kernel."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return np.exp((x @ y.T - 1) / SIGMA**2).mean()

    return SCALE * (kernel(first, first) + kernel(second, second) - 2 * kernel(first, second))
