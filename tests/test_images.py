"""Decoding, fitting, encoding and compositing."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from wizard import images
from wizard.records import Unusable

pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def png(photo: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG", **options)
    return buffer.getvalue()


@given(pictures)
def test_encode_then_decode_gives_the_same_pixels(image):
    decoded, size = images.decode(images.encode(image), max_pixels=100)
    assert np.array_equal(decoded, image)
    assert size == (image.shape[1], image.shape[0])


def test_text_goes_into_the_file():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    data = images.with_text(images.encode(pixels), {"settings": "ä <x>", "more": "1"})
    with Image.open(io.BytesIO(data)) as written:
        assert written.text == {"settings": "ä <x>", "more": "1"}
        assert np.array_equal(np.asarray(written), pixels)


def test_mask_on_disk_is_white_where_the_hole_is(tmp_path):
    mask = np.array([[True, False], [False, False]])
    (tmp_path / "m.png").write_bytes(images.encode(mask))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "m.png")), [[255, 0], [0, 0]])
    assert np.array_equal(images.load_mask(tmp_path / "m.png"), mask)


def test_exif_orientation_is_applied():
    photo = Image.new("RGB", (4, 2))
    photo.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to view
    decoded, size = images.decode(png(photo, exif=exif), 100)
    assert decoded.shape == (4, 2, 3) and size == (2, 4)
    assert decoded[0, 1].tolist() == [255, 0, 0]


def test_sixteen_bits_are_scaled_not_cut():
    wide = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    decoded, _ = images.decode(png(wide), 100)
    assert decoded[0, :, 0].tolist() == [0, 128, 255]


def test_transparency_is_laid_on_white():
    palette = Image.new("P", (1, 1))
    palette.putpalette([10, 20, 30])
    decoded, _ = images.decode(png(palette, transparency=0), 100)
    assert decoded[0, 0].tolist() == [255, 255, 255]


def test_cmyk_becomes_rgb():
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(buffer, "JPEG")
    decoded, _ = images.decode(buffer.getvalue(), 100)
    assert decoded.min() >= 254


def test_too_many_pixels_are_refused_before_decoding():
    header_only = png(Image.new("1", (3000, 3000)))[:64]
    with pytest.raises(ValueError, match="3000×3000 pixels exceed fetch.max_pixels 1000"):
        images.decode(header_only, 1000)


@pytest.mark.parametrize("data", [b"", b"hello", png(Image.new("RGB", (64, 64)))[:60]])
def test_what_is_no_image_says_so(data):
    with pytest.raises(ValueError, match="image"):
        images.decode(data, 10_000)


def test_fit_crops_the_centre_and_antialiases():
    stripes = np.zeros((64, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[:, :32] = (255, 0, 0)  # outside the centre square
    fitted = images.fit(Image.fromarray(stripes), 16)
    assert fitted.shape == (16, 16, 3)
    assert np.all(np.abs(fitted.astype(int) - 127.5) < 20)


@given(pictures, st.data())
def test_composite_takes_each_pixel_from_the_right_image(original, data):
    filled = data.draw(arrays.arrays(np.uint8, original.shape))
    mask = data.draw(arrays.arrays(bool, original.shape[:2]))
    result = images.composite(original, filled, mask)
    assert np.array_equal(result[mask], filled[mask])
    assert np.array_equal(result[~mask], original[~mask])


def test_composite_refuses_other_sizes():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="shapes differ"):
        images.composite(image, image[:2], np.zeros((4, 4), bool))


def test_a_hole_grows_alike_in_all_directions_until_nothing_is_left():
    hole = np.zeros((41, 61), bool)
    hole[20, 30] = True
    rows, columns = np.mgrid[-20:21, -30:31]
    assert np.array_equal(images.grown(hole, 5), rows**2 + columns**2 <= 25)
    assert np.array_equal(images.grown(hole, 0), hole)
    with pytest.raises(Unusable, match="grown by 40 pixels the hole is the whole photograph"):
        images.grown(hole, 40)


@given(arrays.arrays(bool, (24, 32)).filter(np.any), st.integers(1, 4), st.data())
def test_a_feathered_edge_never_shows_what_the_hole_hides(hole, grow, data):
    try:
        mask = images.grown(hole, grow)
    except Unusable:
        return
    feather = data.draw(st.integers(0, grow))
    dark, light = np.zeros((*hole.shape, 3), np.uint8), np.full((*hole.shape, 3), 240, np.uint8)
    result = images.composite(dark, light, mask, feather)
    assert (result[hole] == 240).all() and (result[~mask] == 0).all()


def test_a_feathered_edge_rises_evenly_from_the_photograph_to_the_filling():
    hole = np.zeros((20, 60), bool)
    hole[:, 40:] = True
    dark, light = np.zeros((20, 60, 3), np.uint8), np.full((20, 60, 3), 200, np.uint8)
    result = images.composite(dark, light, images.grown(hole, 12), 10)
    (profile,) = np.unique(result[..., 1], axis=0)
    assert profile[:28].max() == 0 and profile[37:].min() == 200
    assert np.array_equal(profile[28:38], np.arange(20, 201, 20))


holes = arrays.arrays(bool, st.tuples(st.integers(16, 70), st.integers(16, 70)))


@given(holes, st.integers(0, 2**62))
def test_patches_leave_the_hole_alone_and_cover_part_of_the_rest(hole, seed):
    patches = images.patches(hole, seed)
    assert patches.shape == hole.shape and patches.dtype == bool
    assert not (patches & hole).any()
    assert np.array_equal(patches, images.patches(hole, seed))


def test_patches_cover_two_fifths_of_what_is_free():
    hole = np.zeros((64, 96), bool)
    hole[:, :48] = True
    patches = images.patches(hole, 1)
    assert patches[:, 48:].mean() == pytest.approx(0.4, abs=0.01)
    assert not np.array_equal(patches, images.patches(hole, 2))
    assert not images.patches(np.ones((64, 64), bool), 1).any()


def test_postscript_is_never_drawn_by_another_program():
    with pytest.raises(ValueError, match="PostScript"):
        images.decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", max_pixels=100)


def jpeg(photo: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def smooth(width: int, height: int) -> np.ndarray:
    """A smooth colourful picture with edges: uint8 height×width×3."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(x / (11 + c)) * np.cos(y / (17 - c)) for c in range(3)]
    picture = np.stack(waves, axis=-1)
    picture[height // 3 : height // 2, width // 4 : width // 2] += 30
    return picture.astype(np.uint8)


def test_a_jpeg_decoded_at_reduced_scale_is_as_good_as_the_whole():
    """On a real photograph, enlarged: the difference is below what JPEG itself loses."""
    astronaut = Image.fromarray(data.astronaut()).resize((2048, 2048), Image.Resampling.BICUBIC)
    encoded = jpeg(astronaut)
    full, reduced = images.read(encoded, 10**8), images.read(encoded, 10**8, side=128)
    assert reduced.size == full.size == (2048, 2048)
    assert reduced.pixels.shape == (256, 256, 3)
    truth = images.fit(astronaut, 128)
    one, other = (images.fit(photo.rgb, 128) for photo in (full, reduced))
    assert peak_signal_noise_ratio(one, other) > 48
    assert peak_signal_noise_ratio(truth, other) > 48


def test_a_jpeg_of_odd_sides_is_decoded_whole():
    photo = images.read(jpeg(Image.fromarray(smooth(1021, 769))), 10**8, side=32)
    assert photo.pixels.shape == (769, 1021, 3)


def test_reduced_scale_keeps_the_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = images.read(jpeg(Image.new("RGB", (800, 640)), exif=exif), 10**8, side=64)
    assert photo.size == (640, 800) and photo.pixels.shape[0] > photo.pixels.shape[1]


def wide_gamut() -> bytes:
    """The bytes of an RGB profile that is far from sRGB: its red and green have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def test_colours_follow_the_profile():
    red = png(Image.new("RGB", (8, 8), (200, 0, 0)), icc_profile=wide_gamut())
    assert images.read(red, 100).pixels[0, 0].tolist() == [200, 0, 0]
    managed = images.read(red, 100, to_srgb=True)
    assert managed.pixels[0, 0, 1] > 190 and managed.pixels[0, 0, 0] < 10 and not managed.note


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "I;16"])
def test_a_profile_of_srgb_moves_no_colour(mode):
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(smooth(40, 30))
    picture = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
    data = png(picture, icc_profile=same)
    plain, managed = images.read(data, 10**4), images.read(data, 10**4, to_srgb=True)
    assert not managed.note
    assert np.abs(plain.pixels.astype(int) - managed.pixels).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_profile_that_cannot_be_read_is_noted_and_costs_nothing(mode):
    data = jpeg(Image.new(mode, (8, 8), 90), icc_profile=b"no profile at all")
    managed = images.read(data, 100, to_srgb=True)
    assert "ICC profile cannot be used" in managed.note
    assert np.array_equal(managed.pixels, images.read(data, 100).pixels)


@pytest.mark.parametrize("brand", [b"heic", b"hevm", b"hevs", b"mif1"])
def test_heic_of_a_phone_is_read(brand):
    import pillow_heif  # the reader in use cannot write

    pixels = smooth(64, 48)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, quality=95)
    photo = images.read(buffer.getvalue().replace(b"ftypheic", b"ftyp" + brand, 1), 10**4)
    assert (photo.size, photo.format) == ((64, 48), "HEIF")
    assert np.abs(photo.pixels.astype(int) - pixels).mean() < 4


def test_sixteen_bits_need_no_floats_of_the_whole_picture():
    ramp = np.resize(np.arange(2**16, dtype=np.uint16), (4000, 500))
    data = png(Image.fromarray(ramp))
    tracemalloc.start()
    try:
        photo = images.read(data, ramp.size)
        assert tracemalloc.get_traced_memory()[1] < 4 * ramp.size
    finally:
        tracemalloc.stop()
    assert np.array_equal(photo.pixels[..., 0], np.rint(ramp / 257).astype(np.uint8))


def test_lack_of_memory_is_not_called_a_broken_image(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(images, "_to_rgb", full)
    with pytest.raises(MemoryError):
        images.read(png(Image.new("RGB", (8, 8))), 100)
