"""Photographs and masks as arrays: decode, fit, encode, composite."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from wizard.records import Unusable

# Formats that Pillow reads by itself, without starting another program.
SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip

# The caller's limit is checked from the header before any pixel is decoded; Pillow's own limit
# would only warn.
Image.MAX_IMAGE_PIXELS = None

# Pillow knows a file by its content, whatever its name, and starts Ghostscript to read these.
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")

RUN_LENGTHS = 3  # zlib's Z_RLE
HEADER_BYTES = 8 + 25  # a PNG's signature and IHDR chunk


def decode(data: bytes, max_pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Decode an encoded photograph of any mode.

    EXIF orientation is applied, 16-bit values are scaled to 8, transparency is laid on white,
    and CMYK, palette and grey become RGB.

    Returns (uint8 H×W×3, (width, height) of it, upright). Raises records.Unusable with a reason:
    not an image, broken, PostScript, or more than ``max_pixels`` pixels.
    """
    with _opened(data, max_pixels, f"fetch.max_pixels {max_pixels}") as upright:
        return np.asarray(_to_rgb(upright)), upright.size


def decode_grey(data: bytes, max_pixels: int) -> np.ndarray:
    """Decode an encoded mask: uint8 H×W, upright, transparency ignored.

    Raises records.Unusable like :func:`decode`, which has the same guards.
    """
    with _opened(data, max_pixels, f"the {max_pixels} allowed here") as upright:
        return np.asarray(_to_8_bit(upright).convert("L"))


@contextmanager
def _opened(data: bytes, max_pixels: int, limit: str) -> Iterator[Image.Image]:
    """An encoded picture, upright; whatever goes wrong with it is one reason in one line."""
    if data.startswith(POSTSCRIPT):
        raise Unusable("PostScript, which only another program could draw; save it as PNG")
    try:
        with Image.open(io.BytesIO(data)) as photo:
            width, height = photo.size
            if width * height > max_pixels:
                raise Unusable(f"{width}×{height} pixels exceed {limit}")
            photo.load()
            yield ImageOps.exif_transpose(photo)
    except Image.UnidentifiedImageError:
        raise Unusable("not an image in a format that Pillow reads") from None
    except Unusable:
        raise
    except Exception as error:
        # What a damaged file makes a reader of Pillow throw has no common base.
        raise Unusable(f"broken image: {error or type(error).__name__}") from None


def _to_rgb(photo: Image.Image) -> Image.Image:
    photo = _to_8_bit(photo)
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return photo.convert("RGB")


def _to_8_bit(photo: Image.Image) -> Image.Image:
    if photo.mode in ("I;16", "I;16L", "I;16B", "I"):
        wide = np.asarray(photo, dtype=np.float64)
        return Image.fromarray(np.rint(wide.clip(0, 65535) / 257).astype(np.uint8))
    if photo.mode == "F":
        raise Unusable("floating-point image: its value range is unknown; save it as 8 or 16 bit")
    return photo


def fit(image: np.ndarray, size: int) -> np.ndarray:
    """Centre-crop to a square and resize to ``size``×``size`` (Lanczos, antialiased).

    ``image`` is uint8 H×W×3; so is the result.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS, box=box)
    return np.asarray(resized)


def encode(array: np.ndarray) -> bytes:
    """PNG bytes of an image (uint8 H×W×3) or a mask (bool H×W, True becomes white).

    The same array gives the same bytes.
    """
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    buffer = io.BytesIO()
    # For photographs, which compress little, the quickest settings give the smallest files too.
    Image.fromarray(array).save(buffer, "PNG", compress_level=1, compress_type=RUN_LENGTHS)
    return buffer.getvalue()


def with_text(png: bytes, text: dict[str, str]) -> bytes:
    """The same picture with ``text`` in the file's text chunks, without encoding it again."""
    info, chunks = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, value in text.items():
        info.add_itxt(key, value)
    for kind, data, *_ in info.chunks:
        PngImagePlugin.putchunk(chunks, kind, data)
    return png[:HEADER_BYTES] + chunks.getvalue() + png[HEADER_BYTES:]


def load(path: Path | str) -> np.ndarray:
    """One of our own images: uint8 H×W×3. Raises records.Unusable when it cannot be read."""
    return _own(path, "RGB")


def load_mask(path: Path | str) -> np.ndarray:
    """One of our own masks: bool H×W, True = hole. Errors are :func:`load`'s."""
    return _own(path, "L") >= 128


def _own(path: Path | str, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as photo:
            return np.asarray(photo.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:  # what a damaged PNG makes Pillow throw
        raise Unusable(f"{path}: cannot be read: {error}") from None


def composite(original: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``filled`` inside the mask, ``original`` outside, without any blending.

    Both images are uint8 H×W×3, the mask bool H×W. Raises ValueError when shapes differ.
    """
    if original.shape != filled.shape or original.shape[:2] != mask.shape:
        raise ValueError(f"shapes differ: {original.shape}, {filled.shape}, mask {mask.shape}")
    return np.where(mask[..., None], filled, original)


def patches(hole: np.ndarray, seed: int) -> np.ndarray:
    """A second hole beside the first: 40% of those cells of a 16×16 grid that it leaves alone.

    ``hole`` is bool H×W; so is the answer, all False when the hole touches every cell. The same
    seed gives the same patches.
    """
    row, column = (np.arange(side) * 16 // side for side in hole.shape)
    cell_of = row[:, None] * 16 + column
    free = np.setdiff1d(cell_of, cell_of[hole])
    count = max(1, round(0.4 * len(free))) if len(free) else 0
    return np.isin(cell_of, np.random.default_rng(seed).choice(free, count, replace=False))
