"""Scratches that are in the photograph: thin lines of one tone, almost white or almost black.

A classical method. Top-hats keep what is thinner than a disc, and openings by lines in sixteen
directions keep of that what is long (Soille, "Morphological Image Analysis", 2nd edition, 2003).
Hair, whiskers and wires are thin and long too. What sets damage apart is its tone: where the
emulsion is gone, every line has the same colour, whatever it crosses, while the things in a picture
are lit. So a photograph gets a hole only where long lines agree on one tone, which hardly
anything but lines has; then everything thin of that tone, specks too, belongs to the hole.

Filling what is no damage harms a photograph, so the thresholds leave some damaged ones alone
rather than touch a clean one. Pale scratches, and those of many tones, need a drawn mask.
"""

import cv2
import numpy as np
from scipy.ndimage import uniform_filter
from skimage.morphology import skeletonize

WITHOUT_RATIO = True

# Lengths in shares of the shorter side, which is reduced to SIDE first where it is longer.
SIDE = 512
WIDEST, SPECK, LINE = 12 / 512, 20 / 512, 28 / 512
DIRECTIONS = 16
# In levels: over the surroundings, from black or white, within one tone, around a tone.
CONTRAST, EXTREME, TONE, AROUND = 25, 60, 16, 48
# The evidence: length of the lines of one tone in shorter sides; share of the lines that have it;
# share of those with a colour near it; share of everything in that tone that is thin.
LENGTH, SHARE, PURITY, THIN = 0.5, 0.5, 0.7, 0.17


def draw(
    rng: np.random.Generator,
    height: int,
    width: int,
    ratio: float | None,
    image: np.ndarray,
    **_,
) -> np.ndarray:
    """The scratches of `image`, uint8 H×W×3: bool H×W, without a hole where there are none.

    Nothing is random and `ratio` has no part.
    """
    scale = min(1.0, SIDE / min(height, width))
    size = round(width * scale), round(height * scale)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    found = (_bright(small) | _bright(255 - small)).astype(np.uint8)
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _bright(image: np.ndarray) -> np.ndarray:
    """The scratches that are brighter than their surroundings; none without the evidence."""
    side = min(image.shape[:2])
    grey = image.min(axis=2)
    hat = _narrower(grey, WIDEST * side)
    thin, lines = hat > CONTRAST, _longest(hat, side) > CONTRAST
    nothing = np.zeros_like(thin)
    extreme = lines & (grey >= 255 - EXTREME)
    if not extreme.any():
        return nothing
    distance = np.abs(image.astype(int) - _commonest(image[extreme])).max(axis=2)
    same = distance <= TONE
    of_tone = lines & same
    evidence = (
        skeletonize(of_tone).sum() / side >= LENGTH
        and _share(of_tone, lines) >= SHARE
        and _share(lines & (distance <= 0.75 * TONE), lines & (distance <= AROUND)) >= PURITY
        and _share(thin & same, same) >= THIN
    )
    if not evidence:
        return nothing
    hat = _narrower(grey, SPECK * side)
    found = (hat > CONTRAST) & (distance <= 1.25 * TONE)
    # A line's edge is a mixture of the line and what is beside it.
    edge = cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return found | (edge & (hat > CONTRAST / 2))


def _narrower(grey: np.ndarray, width: float) -> np.ndarray:
    """How much brighter than its surroundings what is narrower than `width` pixels is."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, round(width) | 1),) * 2)
    return cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, disc)


def _longest(hat: np.ndarray, side: int) -> np.ndarray:
    """What of a top-hat is long in some direction: the highest of its openings by lines."""
    reach = max(3, round(LINE * side) // 2)
    opened = np.zeros_like(hat)
    for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        line = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
        x, y = round(reach * np.cos(angle)), round(reach * np.sin(angle))
        cv2.line(line, (reach - x, reach - y), (reach + x, reach + y), 1)
        opened = np.maximum(opened, cv2.morphologyEx(hat, cv2.MORPH_OPEN, line))
    return opened


def _commonest(pixels: np.ndarray) -> np.ndarray:
    """The tone that most of the pixels, uint8 N×3, are near: a median of three channels."""
    cells = pixels // 8 + 1
    counts = np.zeros((34, 34, 34))
    np.add.at(counts, tuple(cells.T), 1)
    peak = np.unravel_index(uniform_filter(counts, 3).argmax(), counts.shape)
    return np.median(pixels[np.abs(cells.astype(int) - peak).max(axis=1) <= 1], axis=0)


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return np.count_nonzero(part) / max(1, int(np.count_nonzero(whole)))
