"""Photographs and masks as arrays: decode, fit, encode, composite."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

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

    Returns (uint8 H×W×3, (width, height) as stored). Raises ValueError with a reason: not an
    image, broken, PostScript, or more than ``max_pixels`` pixels.
    """
    if data.startswith(POSTSCRIPT):
        raise ValueError("PostScript, which only another program could draw; save it as PNG")
    try:
        with Image.open(io.BytesIO(data)) as photo:
            width, height = photo.size
            if width * height > max_pixels:
                raise ValueError(f"{width}×{height} pixels exceed fetch.max_pixels {max_pixels}")
            photo.load()
            upright = ImageOps.exif_transpose(photo)
            return np.asarray(_to_rgb(upright)), (width, height)
    except Image.UnidentifiedImageError:
        raise ValueError("not an image in a format that Pillow reads") from None
    except ValueError:
        raise
    except Exception as error:
        # What a damaged file makes a reader of Pillow throw has no common base.
        raise ValueError(f"broken image: {error or type(error).__name__}") from None


def _to_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode in ("I;16", "I;16L", "I;16B", "I"):
        wide = np.asarray(photo, dtype=np.float64)
        grey = np.rint(wide.clip(0, 65535) / 257).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if photo.mode == "F":
        raise ValueError("floating-point image: its value range is unknown; save it as 8 or 16 bit")
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return photo.convert("RGB")


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
    """One of our own images: uint8 H×W×3."""
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB"))


def load_mask(path: Path | str) -> np.ndarray:
    """One of our own masks: bool H×W, True = hole."""
    with Image.open(path) as photo:
        return np.asarray(photo.convert("L")) >= 128


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
