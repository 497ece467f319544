"""Masks that a user brings along: found by name, checked, never guessed at."""

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# JPEG rings around an edge; what lies between is grey for a reason that only its maker knows.
BLACK, WHITE = 63, 192
MAX_GREY_SHARE = 0.01


def find(folder: Path, name: str) -> list[Path]:
    """The masks of the photograph called `name` (with or without suffix), sorted by file name.

    A mask is called `<name>.png`, `<name>_mask.png`, `<name>_mask000.png` or `<name>_<any>.png`;
    jpg, jpeg, webp and bmp do as well. Where another photograph's name begins with this one's
    and an underscore, its masks are found for both: name photographs apart.

    Empty when there is none. Raises ValueError when the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"mask.folder {folder}: no such folder; put <image>.png masks there")
    stem = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else Path(name).name
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
        and (path.stem == stem or path.stem.startswith(f"{stem}_"))
    )


def load(
    path: Path | None,
    height: int,
    width: int,
    hole: str,
    original_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """A mask as bool height×width, True = hole.

    `hole` states the polarity, white or black: nothing is guessed. A mask may also have the
    `original_size` (width, height) of a photograph that was cropped to its centre and resized
    to height×width: then it goes the same way, and a pixel that the hole touches is hole. Raises
    ValueError, naming the file, when it is missing (None), no image, of another size, grey (more
    than 1% of the pixels between 63 and 192), or marks nothing or everything.
    """
    if path is None:
        raise ValueError("no mask in mask.folder; name it <image>.png or <image>_mask.png")
    if hole not in ("white", "black"):
        raise ValueError(f"mask.hole {hole!r} is unknown; choose white or black")
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture.convert("L"))
    except OSError as error:
        raise ValueError(f"{path}: not a readable image ({error}); save the mask as PNG") from None
    sizes = {(width, height), original_size} - {None}
    if values.shape[::-1] not in sizes:
        allowed = " or ".join(f"{wide}×{tall}" for wide, tall in sorted(sizes))
        raise ValueError(
            f"{path}: mask is {values.shape[1]}×{values.shape[0]}, its image {allowed} "
            "(width×height); save the mask at the image's size"
        )
    grey = float(((values > BLACK) & (values < WHITE)).mean())
    if grey > MAX_GREY_SHARE:
        raise ValueError(f"{path}: {grey:.0%} of the mask is grey; make it black and white only")
    mask = (values >= 128) == (hole == "white")
    if mask.shape != (height, width):
        mask = _fit(mask, height, width)
    if not mask.any() or mask.all():
        state = "whole image" if mask.all() else "nothing"
        raise ValueError(f"{path}: the hole is {state} (mask.hole is {hole}); check mask.hole")
    return mask


def _fit(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """The centre square of a mask, resized; any share of hole makes a pixel hole."""
    side = min(mask.shape)
    top, left = ((length - side) // 2 for length in mask.shape)
    square = Image.fromarray(mask[top : top + side, left : left + side]).convert("F")
    return np.asarray(square.resize((width, height), Image.Resampling.BOX)) > 0
