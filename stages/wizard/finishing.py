"""A finished photograph: a result put back into the file that the photograph came from."""

import io

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, JpegImagePlugin

from wizard import images
from wizard.records import Unusable

# Formats that hold any photograph; what comes in another (256 colours of a GIF) goes out as PNG.
KEPT = {"AVIF", "BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"}
INFO = ("icc_profile", "xmp", "dpi")
QUALITY = 95  # where a format with loss does not say at what quality it was written

_TAGS = ExifTags.Base
# A TIFF's tags say how its pixels are stored, too; these say what they are.
_ABOUT = {
    _TAGS.ImageDescription, _TAGS.Make, _TAGS.Model, _TAGS.XResolution, _TAGS.YResolution,
    _TAGS.ResolutionUnit, _TAGS.Software, _TAGS.DateTime, _TAGS.Artist, _TAGS.Copyright,
    _TAGS.ExifOffset, _TAGS.GPSInfo,
}  # fmt: skip


def kind(original: str) -> str:
    """The format of what is finished, by that of the photograph; both are Pillow's names."""
    if original == "MPO":  # a telephone's JPEG with further pictures behind it
        return "JPEG"
    return original if original in KEPT else "PNG"


def suffix(own: str, original: str) -> str:
    """The suffix of what is finished: the photograph's own unless the format is another."""
    return own if kind(original) in (original, "JPEG") else ".png"


def finish(data: bytes, result: np.ndarray, hole: np.ndarray) -> tuple[bytes, str]:
    """The photograph ``data`` with the pixels of ``result`` in the hole; and a note, or nothing.

    ``data`` is the encoded original; ``result`` is uint8 H×W×3 in sRGB and ``hole`` bool H×W, both
    of its upright size. What comes back is encoded as the original was: format, quality, colour
    model and profile, transparency outside the hole, 16 bits of grey, EXIF, XMP. It is upright, its
    orientation is 1, and the preview in its EXIF block, which would still show what was removed,
    is gone. In a format without loss, every pixel outside the hole is the original's. Of colours of
    16 bits 8 are kept, which the note says.

    Raises Unusable when the original has another size, or cannot be read or written.
    """
    try:
        with images.opened(data, 2**40, "any limit") as photo:
            note = _note(photo)
            photo.load()
            form, options = kind(photo.format or ""), _as_written(photo, data)
            upright = ImageOps.exif_transpose(photo)
        if hole.shape != upright.size[::-1]:
            raise Unusable(
                f"the photograph is {upright.width}×{upright.height}, its result "
                f"{hole.shape[1]}×{hole.shape[0]}; set fetch.fit to whole"
            )
        # Those of the upright one: XMP, too, may say how a photograph is to be turned.
        options |= {key: upright.info[key] for key in INFO if key in upright.info}
        buffer = io.BytesIO()
        _put_in(upright, result, hole).save(buffer, form, exif=_exif(upright, form), **options)
    except Unusable:
        raise
    except Exception as error:
        # What a damaged file makes Pillow throw has no common base.
        raise Unusable(f"cannot be finished: {error or type(error).__name__}") from None
    return buffer.getvalue(), note


def _note(photo: Image.Image) -> str:
    """What is lost whatever is done with it: Pillow reads 16 bits of colour as 8, of grey as 16."""
    raw = [str(tile[3]) for tile in getattr(photo, "tile", ())]  # modes of the pixels in the file
    deep = any(";16" in mode for mode in raw) and not photo.mode.startswith("I")
    return "its colours have 16 bits each, of which 8 are kept" if deep else ""


def _as_written(photo: Image.Image, data: bytes) -> dict:
    """Options of Pillow's that write a photograph the way it was written."""
    options: dict = {}
    if isinstance(photo, JpegImagePlugin.JpegImageFile):
        swapped = photo.getexif().get(_TAGS.Orientation, 1) > 4
        options |= {
            # Turned by a quarter, a block's rows of frequencies are its columns.
            "qtables": {n: _transposed(t) if swapped else t for n, t in photo.quantization.items()},
            "subsampling": JpegImagePlugin.get_sampling(photo),
            "progressive": "progressive" in photo.info,
        }
    elif photo.format == "WEBP":
        options |= {"lossless": True, "exact": True} if _is_lossless(data) else {"quality": QUALITY}
    elif photo.format == "AVIF":
        options |= {"quality": QUALITY}
    return options


def _transposed(table: list[int]) -> list[int]:
    return [table[8 * column + row] for row in range(8) for column in range(8)]


def _is_lossless(webp: bytes) -> bool:
    """Whether a WebP file has a lossless picture: chunks of a name and a length each."""
    place = 12
    while place + 8 <= len(webp):
        if webp[place : place + 4] == b"VP8L":
            return True
        length = int.from_bytes(webp[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return False


def _exif(photo: Image.Image, kind: str | None) -> bytes:
    exif = photo.getexif()
    if kind == "TIFF":
        for tag in exif.keys() - _ABOUT:
            del exif[tag]
    exif[_TAGS.Orientation] = 1
    return exif.tobytes()  # without the second directory, which holds the preview


def _put_in(photo: Image.Image, result: np.ndarray, hole: np.ndarray) -> Image.Image:
    """``photo`` with ``result`` in the hole, in its own colour model if that has every colour."""
    if photo.mode.startswith("I"):
        grey = np.asarray(_in_profile(Image.fromarray(result), photo).convert("L"))
        values = np.array(photo)
        values[hole] = grey[hole].astype(values.dtype) * 257
        return Image.fromarray(values)
    if photo.mode == "1":
        photo = photo.convert("L")
    elif photo.mode in ("P", "PA") or photo.has_transparency_data:
        photo = photo.convert("RGBA" if photo.has_transparency_data else "RGB")
    photo = photo.copy()
    photo.info.pop("transparency", None)
    filled = _in_profile(Image.fromarray(result), photo).convert(photo.mode)
    photo.paste(filled, mask=Image.fromarray(hole))
    return photo


def _in_profile(result: Image.Image, photo: Image.Image) -> Image.Image:
    """``result``, which is sRGB, in the colours of the photograph's profile."""
    own = photo.info.get("icc_profile")
    mode = {"RGBA": "RGB", "LA": "L"}.get(photo.mode, photo.mode)
    mode = "L" if mode.startswith("I") else mode
    if not own:
        return result
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(own))
        made = ImageCms.profileToProfile(
            result, ImageCms.createProfile("sRGB"), profile, outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):
        return result  # fetch could not read it either, and took the colours for sRGB
    return made or result
