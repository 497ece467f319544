"""Masks that a user brings along: found by name or drawn from a library, and checked."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from wizard.console import BadSetting, plain
from wizard.images import SUFFIXES, decode_grey
from wizard.records import Unusable

# JPEG rings around an edge; what lies between is grey for a reason that only its maker knows.
BLACK, WHITE = 63, 192
MAX_GREY_SHARE = 0.01
# A mask that is resized may have any size up to this.
MAX_PIXELS = 100_000_000
BYTES_PER_PIXEL = 8


class Library:
    """The masks of a folder, or the one mask that a file is, listed once.

    `photographs` are the names (with or without suffix) by which masks may be called. Raises
    BadSetting when there is nothing to list.
    """

    def __init__(self, place: Path, photographs: Iterable[str]):
        self._is_file = place.is_file()
        if self._is_file:
            self.paths = [place]
        elif place.is_dir():
            self.paths = sorted(path for path in place.iterdir() if _is_mask(path))
        else:
            raise BadSetting(f"mask.folder = {str(place)!r}: no such folder or file")
        self._of: dict[str, list[Path]] = {_stem(name): [] for name in photographs}
        for path in self.paths:
            words = _stem(path.name).split("_")
            names = ("_".join(words[:count]) for count in range(len(words), 0, -1))
            if owner := next((name for name in names if name in self._of), None):
                self._of[owner].append(path)

    def of(self, name: str) -> list[Path]:
        """The masks of the photograph called `name` (with or without suffix), by file name.

        A mask is called `<name>.png`, `<name>_mask.png`, `<name>_mask000.png` or
        `<name>_<any>.png`; every other suffix of a photograph does as well. Where several
        photographs' names begin a mask's, it belongs to the longest. A single file is everyone's.
        """
        return self.paths if self._is_file else self._of.get(_stem(name), [])

    def draw(self, rng: np.random.Generator) -> Path:
        """Any one of the masks. Raises BadSetting when there are none."""
        if not self.paths:
            raise BadSetting("mask.folder: no mask in it; put some there or name another folder")
        return self.paths[rng.integers(len(self.paths))]


def _stem(name: str) -> str:
    """A name without its suffix; what is not UTF-8 is escaped, as it is in the manifest."""
    path = Path(name)
    return plain(path.stem if path.suffix.lower() in SUFFIXES else path.name)


def _is_mask(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def load(
    path: Path, height: int, width: int, hole: str, original_size: tuple[int, int] | None = None
) -> np.ndarray:
    """A mask at its photograph's size: bool height×width, True = hole.

    `hole` states the polarity, white or black: nothing is guessed. A mask may also have the
    `original_size` (width, height, upright) of a photograph that was cropped to its centre and
    resized to height×width: then it goes the same way, and a pixel that the hole touches is
    hole. Raises Unusable, naming the file, when it is no image, of another size, grey (more than
    1% of the pixels between 63 and 192), or marks nothing or everything.
    """
    sizes = {(width, height), original_size or (width, height)}
    mask = _read(path, hole, max(wide * tall for wide, tall in sizes), sizes)
    if mask.shape == (height, width):
        return mask
    cropped = _like_its_photograph(mask, height, width)
    if not cropped.any():
        raise Unusable(
            f"{path}: the hole lies wholly outside the centre that fetch keeps of its photograph; "
            "draw it inside, or keep whole photographs"
        )
    return _checked(cropped, path, hole)


def resized(path: Path, height: int, width: int, hole: str) -> np.ndarray:
    """A mask of any size, stretched by nearest neighbour: bool height×width, True = hole.

    Raises Unusable like :func:`load`, which tells more.
    """
    mask = Image.fromarray(_read(path, hole, MAX_PIXELS))
    return _checked(np.asarray(mask.resize((width, height), Image.Resampling.NEAREST)), path, hole)


def _read(path: Path, hole: str, max_pixels: int, sizes: set | None = None) -> np.ndarray:
    """The hole in a file, at the file's own size, which must be one of `sizes` where given."""
    try:
        with path.open("rb") as file:
            data = file.read(max_pixels * BYTES_PER_PIXEL + 2**20)
        values = decode_grey(data, max_pixels)
    except (Unusable, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unusable(f"{path}: {reason}; save the mask as PNG at the image's size") from None
    if sizes and values.shape[::-1] not in sizes:
        allowed = " or ".join(f"{wide}×{tall}" for wide, tall in sorted(sizes))
        raise Unusable(
            f"{path}: mask is {values.shape[1]}×{values.shape[0]}, its image {allowed} "
            "(width×height); save the mask at the image's size"
        )
    grey = float(((values > BLACK) & (values < WHITE)).mean())
    if grey > MAX_GREY_SHARE:
        raise Unusable(f"{path}: {grey:.0%} of the mask is grey; make it black and white only")
    return _checked((values >= 128) == (hole == "white"), path, hole)


def _checked(mask: np.ndarray, path: Path, hole: str) -> np.ndarray:
    if mask.all() or not mask.any():
        state = "the whole image" if mask.all() else "nothing"
        raise Unusable(f"{path}: the hole is {state} (mask.hole is {hole}); check mask.hole")
    return mask


def _like_its_photograph(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """The centre of a mask in the proportions of height×width, resized to it.

    Any share of hole makes a pixel hole.
    """
    tall, wide = mask.shape
    # Products first, which are exact: a rounded scale could reach beyond the mask.
    across, down = min(wide, tall * width / height), min(tall, wide * height / width)
    left, top = (wide - across) // 2, (tall - down) // 2
    box = (left, top, left + across, top + down)
    shares = Image.fromarray(mask).convert("F")
    return np.asarray(shares.resize((width, height), Image.Resampling.BOX, box=box)) > 0
