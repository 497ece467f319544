"""Finished photographs: their format, quality, colours, EXIF, and the pixels around the hole."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from skimage import data

from wizard.finishing import finish
from wizard.records import Unusable

HEIGHT, WIDTH = 64, 80
PHOTO = Image.fromarray(data.astronaut()[:HEIGHT, :WIDTH])
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[20:40, 30:50] = True
RESULT = np.full((HEIGHT, WIDTH, 3), (200, 30, 60), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written(photo: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def finished(original: bytes, hole: np.ndarray = HOLE, result: np.ndarray = RESULT):
    made, kind = finish(original, result, hole)
    photo = Image.open(io.BytesIO(made))
    photo.load()
    assert photo.format == kind
    return photo


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "JPEG2000"])
def test_without_loss_every_pixel_outside_the_hole_is_the_originals(kind, mode):
    photo = PHOTO.convert(mode)
    if mode == "RGBA":
        photo.putalpha(Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    try:
        original = written(photo, kind, **options)
    except OSError:
        pytest.skip(f"{kind} has no {mode}")
    before, after = Image.open(io.BytesIO(original)), finished(original)
    if mode in ("P", "1"):
        before = before.convert(after.mode)
    assert after.format == kind and after.mode == before.mode
    assert np.array_equal(np.asarray(after)[~HOLE], np.asarray(before)[~HOLE])
    filled = np.asarray(after.convert("RGB" if after.mode != "L" else "L"))[30, 40]
    assert np.array_equal(filled, (200, 30, 60) if after.mode != "L" else 84)


def test_grey_of_16_bits_keeps_them():
    wide = np.asarray(PHOTO.convert("L")).astype(np.uint16) * 251
    after = np.asarray(finished(written(Image.fromarray(wide), "PNG")))
    assert np.array_equal(after[~HOLE], wide[~HOLE])
    assert (after[HOLE] == 84 * 257).all()


def test_a_jpeg_keeps_its_tables_sampling_profile_and_exif_upright_and_without_its_preview():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "A photographer"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "50 mm"
    original = written(
        PHOTO,
        "JPEG",
        quality=83,
        subsampling="4:4:4",
        exif=exif,
        icc_profile=PROFILE,
        dpi=(300, 300),
    )
    after = finished(original, HOLE.T, RESULT.transpose(1, 0, 2))
    before = Image.open(io.BytesIO(original))
    assert after.size == (HEIGHT, WIDTH)
    for n, table in before.quantization.items():
        assert np.array_equal(
            np.reshape(after.quantization[n], (8, 8)).T, np.reshape(table, (8, 8))
        )
    assert after.layer == before.layer and after.info["dpi"] == (300, 300)
    assert after.info["icc_profile"] == PROFILE
    kept = after.getexif()
    assert kept[ExifTags.Base.Orientation] == 1
    assert kept[ExifTags.Base.Copyright] == "A photographer"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] == "50 mm"
    turned = np.rot90(np.asarray(before), -1).astype(int)
    far = np.ones(HOLE.T.shape, bool)
    far[24:56, 16:40] = False  # blocks of 8×8 pixels that the hole touches
    assert np.abs(np.asarray(after).astype(int)[far] - turned[far]).max() <= 3


def test_a_preview_that_still_shows_what_was_removed_is_dropped():
    thumbnail = written(PHOTO.resize((16, 12)), "JPEG")
    # A second directory with offset and length of the preview, as cameras write it.
    first = b"II*\x00\x08\x00\x00\x00" + b"\x00\x00" + (14).to_bytes(4, "little")
    entries = [(513, 44), (514, len(thumbnail))]
    second = (2).to_bytes(2, "little")
    for tag, value in entries:
        second += tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        second += value.to_bytes(4, "little")
    block = (first + second + bytes(4)).ljust(44, b"\0") + thumbnail
    original = written(PHOTO, "JPEG", exif=b"Exif\0\0" + block)
    assert thumbnail in original
    made, _ = finish(original, RESULT, HOLE)
    assert thumbnail not in made


def test_colours_of_a_gif_are_no_colours_for_a_result_so_it_becomes_png():
    after = finished(written(PHOTO.quantize(16), "GIF"))
    assert after.format == "PNG" and tuple(np.asarray(after)[30, 40]) == (200, 30, 60)


def test_a_webp_with_loss_stays_one():
    lossy = written(PHOTO, "WEBP", quality=80)
    made, kind = finish(lossy, RESULT, HOLE)
    assert kind == "WEBP" and b"VP8L" not in made[:64]


def test_another_size_or_a_broken_file_is_one_line():
    with pytest.raises(Unusable, match="80×64, its result 64×80; set fetch.fit to whole"):
        finish(written(PHOTO, "PNG"), RESULT.transpose(1, 0, 2), HOLE.T)
    with pytest.raises(Unusable):
        finish(written(PHOTO, "PNG")[:200], RESULT, HOLE)
