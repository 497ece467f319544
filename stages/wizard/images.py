"""Photographs and masks as arrays: decode, fit, encode, composite."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, TiffImagePlugin

from wizard.records import Unusable

SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
# Pillow knows a file by its content, whatever its name, and tries all that it knows: some formats
# start another program, some decode a picture inside while the header is read. These do neither.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
HEIF = (
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
)  # fmt: skip
# How PostScript begins, which is no such format: its line tells more.
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")

# The caller's limit is checked from the header before any pixel is decoded; Pillow's own limit
# would only warn.
Image.MAX_IMAGE_PIXELS = None

# Pixels of a TIFF's tile, which may be larger than a small picture and is decoded whole.
TILE = 2**20

# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as this many times the pixels
# that are wanted are left for Lanczos to bring down.
REDUCING_GAP = 2
STRIP = 256  # rows of a 16-bit picture that are scaled at once

HEADER_BYTES = 8 + 25  # a PNG's signature and IHDR chunk


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph and what its file tells of it.

    ``rgb`` is the picture, upright; ``size`` the upright (width, height) in the file, which is
    larger where pixels were decoded at reduced scale; ``format`` Pillow's name of the file
    format; ``note`` a line that the user should read, or empty.
    """

    rgb: Image.Image
    size: tuple[int, int]
    format: str
    note: str = ""

    @property
    def pixels(self) -> np.ndarray:
        """The picture as uint8 H×W×3."""
        return np.asarray(self.rgb)


def read(
    data: bytes, max_pixels: int, side: int | None = None, to_srgb: bool = False
) -> Photograph:
    """Decode an encoded photograph of any mode.

    EXIF orientation is applied, 16-bit values are scaled to 8, transparency is laid on white,
    and CMYK, palette and grey become RGB. ``side`` allows to decode a JPEG at a reduced scale
    from which ``side`` pixels can still be had. ``to_srgb`` converts colours by the file's ICC
    profile; one that cannot be read is noted, and the colours are taken for sRGB.

    Raises records.Unusable with a reason: not an image, broken, PostScript, or more than
    ``max_pixels`` pixels.
    """
    with opened(data, max_pixels, f"fetch.max_pixels {max_pixels}") as photo:
        form, size = photo.format or "", photo.size
        if side is not None:
            _draft(photo, REDUCING_GAP * side)
        drafted = photo.size
        ImageOps.exif_transpose(photo, in_place=True)
        if photo.size != drafted:
            size = size[::-1]
        rgb, note = _by_profile(photo) if to_srgb else (_to_rgb(photo), "")
        return Photograph(rgb, size, form, note)


def _draft(photo: Image.Image, least: int) -> None:
    """Let a JPEG be decoded smaller, with at least ``least`` pixels left on its shorter side.

    Only by factors that divide both sides: else the picture would be stretched by a part of a
    pixel. Other formats know no such way and stay as they are.
    """
    width, height = photo.size
    for factor in (8, 4, 2):
        if min(photo.size) >= factor * least and width % factor == height % factor == 0:
            photo.draft(None, (width // factor, height // factor))
            return


def decode(data: bytes, max_pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Pixels (uint8 H×W×3) and (width, height) of a photograph, upright; see :func:`read`."""
    photo = read(data, max_pixels)
    return photo.pixels, photo.size


def decode_grey(data: bytes, max_pixels: int) -> np.ndarray:
    """Decode an encoded mask: uint8 H×W, upright, transparency ignored.

    Raises records.Unusable like :func:`decode`, which has the same guards.
    """
    with opened(data, max_pixels, f"the {max_pixels} allowed here") as photo:
        ImageOps.exif_transpose(photo, in_place=True)
        return np.asarray(_to_8_bit(photo).convert("L"))


@contextmanager
def opened(data: bytes, max_pixels: int, limit: str) -> Iterator[Image.Image]:
    """An encoded picture of at most ``max_pixels``, not decoded yet; ``limit`` is what says so.

    Whatever goes wrong with it, here or in the block, is Unusable with one reason in one line; lack
    of memory is not its fault and passes through.
    """
    if data.startswith(POSTSCRIPT):
        raise Unusable("PostScript, which only another program could draw; save it as PNG")
    formats: tuple[str, ...] = FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in HEIF:
        _read_heif_too()
        formats = (*FORMATS, "HEIF")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as photo:
            width, height = photo.size
            if width * height > max_pixels:
                raise Unusable(f"{width}×{height} pixels exceed {limit}")
            wide, tall = _tile(photo)
            if wide * tall > max(max_pixels, TILE):
                raise Unusable(f"its tiles of {wide}×{tall} pixels exceed {limit}")
            yield photo
    except Image.UnidentifiedImageError:
        raise Unusable(
            f"not an image in a format that is read: {', '.join(FORMATS)}, HEIF"
        ) from None
    except (Unusable, MemoryError):
        raise
    except Exception as error:
        # What a damaged file makes a reader of Pillow throw has no common base.
        raise Unusable(f"broken image: {error or type(error).__name__}") from None


def _tile(photo: Image.Image) -> tuple[int, int]:
    """Width and height of the tiles of a TIFF, 0 where it has none."""
    tags = getattr(photo, "tag_v2", {})
    return tags.get(TiffImagePlugin.TILEWIDTH, 0), tags.get(TiffImagePlugin.TILELENGTH, 0)


@cache
def _read_heif_too() -> None:
    import pi_heif

    pi_heif.register_heif_opener()


def _by_profile(photo: Image.Image) -> tuple[Image.Image, str]:
    """A photograph as RGB in sRGB, and what has to be noted about its colour profile."""
    data = photo.info.get("icc_profile")
    if not data:
        return _to_rgb(photo), ""
    is_grey = photo.mode in ("1", "L", "LA", "I", "I;16", "I;16L", "I;16B")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        flat = photo if photo.mode == "CMYK" else _to_rgb(photo)
        if is_grey and profile.profile.xcolor_space.strip() == "GRAY":
            flat = flat.convert("L")
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(flat, profile, srgb, outputMode="RGB")
        assert converted is not None  # it is None only for a conversion in place
        return converted, ""
    except (ImageCms.PyCMSError, OSError):
        return _to_rgb(photo), "its ICC profile cannot be used: colours are taken for sRGB"


def _to_rgb(photo: Image.Image) -> Image.Image:
    photo = _to_8_bit(photo)
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    photo.load()
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _to_8_bit(photo: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits, strip by strip; other modes as they are."""
    if photo.mode in ("I;16", "I;16L", "I;16B", "I"):
        grey = Image.new("L", photo.size)
        for top in range(0, photo.height, STRIP):
            bottom = min(top + STRIP, photo.height)
            wide = np.asarray(photo.crop((0, top, photo.width, bottom)), dtype=np.float32)
            strip = np.rint(wide.clip(0, 65535) / 257).astype(np.uint8)
            grey.paste(Image.fromarray(strip), (0, top))
        return grey
    if photo.mode == "F":
        raise Unusable("floating-point image: its value range is unknown; save it as 8 or 16 bit")
    return photo


def fit(image: Image.Image, size: int) -> np.ndarray:
    """Centre-crop RGB to a square and resize it (Lanczos, antialiased): uint8 size×size×3.

    What is more than six times too large is first averaged over whole pixels, to no less than
    three times the size.
    """
    width, height = image.size
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box, reducing_gap=3))


def encode(array: np.ndarray) -> bytes:
    """PNG bytes of an image (uint8 H×W×3) or a mask (bool H×W, True becomes white).

    The same array gives the same bytes.
    """
    import cv2

    is_mask = array.dtype == bool
    pixels = array.astype(np.uint8) * 255 if is_mask else cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    settings = {
        cv2.IMWRITE_PNG_COMPRESSION: 1,
        cv2.IMWRITE_PNG_STRATEGY: cv2.IMWRITE_PNG_STRATEGY_RLE,
        cv2.IMWRITE_PNG_FILTER: cv2.IMWRITE_PNG_FILTER_PAETH,
    }
    _, png = cv2.imencode(".png", pixels, [number for pair in settings.items() for number in pair])
    return png.tobytes()


def with_text(png: bytes, text: dict[str, str]) -> bytes:
    """The same picture with ``text`` in the file's text chunks, without encoding it again."""
    info, chunks = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, value in text.items():
        info.add_itxt(key, value)
    for kind, data, *_ in info.chunks:
        PngImagePlugin.putchunk(chunks, kind, data)
    return png[:HEADER_BYTES] + chunks.getvalue() + png[HEADER_BYTES:]


def load(path: Path | str | IO[bytes]) -> np.ndarray:
    """One of our own images: uint8 H×W×3. Raises records.Unusable when it cannot be read."""
    return _own(path, "RGB")


def load_mask(path: Path | str, grow: int = 0) -> np.ndarray:
    """One of our own masks, grown by ``grow`` pixels: bool H×W, True = hole.

    Errors are those of :func:`load` and :func:`grown`.
    """
    return grown(_own(path, "L") >= 128, grow)


def _own(path: Path | str | IO[bytes], mode: str) -> np.ndarray:
    try:
        with Image.open(path) as photo:
            return np.asarray(photo.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:  # what a damaged PNG makes Pillow throw
        raise Unusable(f"{path}: cannot be read: {error}") from None


def grown(hole: np.ndarray, pixels: int) -> np.ndarray:
    """The hole (bool H×W) and all that is at most ``pixels`` away from it, Euclidean.

    Raises records.Unusable when nothing of the photograph would be left.
    """
    if not pixels:
        return hole
    mask = _depth(~hole) <= pixels
    if mask.all():
        raise Unusable(
            f"grown by {pixels} pixels the hole is the whole photograph; lower inpaint.grow"
        )
    return mask


def cells(mask: np.ndarray, grid: int) -> np.ndarray:
    """Which ``grid``×``grid`` cells the mask (bool H×W) touches: bool H/grid × W/grid.

    Both sides of the mask must be multiples of ``grid``.
    """
    height, width = mask.shape
    blocks = mask.reshape(height // grid, grid, width // grid, grid)
    return np.logical_or.reduce(blocks, axis=(1, 3))


def to_grid(mask: np.ndarray, grid: int) -> np.ndarray:
    """The union of all cells that the mask touches, as :func:`cells` finds them: bool H×W.

    Pipelines shrink masks to latents by nearest sampling, which drops holes off the latent grid
    (InvokeAI #2447).
    """
    return cells(mask, grid).repeat(grid, axis=0).repeat(grid, axis=1)


def _depth(inside: np.ndarray) -> np.ndarray:
    """How far each pixel of ``inside`` (bool H×W) is from the nearest one outside: float32 H×W.

    0 outside. The border of the image is no edge.
    """
    import cv2

    return cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def composite(
    original: np.ndarray, filled: np.ndarray, mask: np.ndarray, feather: int = 0
) -> np.ndarray:
    """``filled`` inside the mask, ``original`` outside.

    Inside, within ``feather`` pixels of the edge, the two are blended: the share of ``filled``
    rises in proportion to the distance from the nearest pixel outside. So ``feather`` must not
    exceed what the hole was grown by, or what it hides would show through.

    Both images are uint8 H×W×3, the mask bool H×W. Raises ValueError when shapes differ.
    """
    if original.shape != filled.shape or original.shape[:2] != mask.shape:
        raise ValueError(f"shapes differ: {original.shape}, {filled.shape}, mask {mask.shape}")
    result = np.where(mask[..., None], filled, original)
    if feather:
        depth = _depth(mask)
        edge = mask & (depth < feather)
        share = depth[edge][:, None] / feather
        result[edge] = np.rint(share * filled[edge] + (1 - share) * original[edge])
    return result


def differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where two images (uint8 H×W×3) differ in any channel: bool H×W."""
    red, green, blue = np.moveaxis(first ^ second, 2, 0)
    return (red | green | blue) != 0  # ten times as fast as any() over so short an axis


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
