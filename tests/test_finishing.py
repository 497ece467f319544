"""Finished photographs: their format, quality, colours, EXIF, and the pixels around the hole."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from skimage import data

from wizard import images, records
from wizard.finishing import finish
from wizard.records import Unusable

ROOT = Path(__file__).parents[1]

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


def test_a_result_takes_on_the_colours_of_the_photographs_profile():
    photo = with_another_profile()
    pixels = images.read(photo, 10**6, to_srgb=True).pixels
    after = np.asarray(finished(photo, HOLE, pixels)).astype(int)
    before = np.asarray(Image.open(io.BytesIO(photo)))
    assert np.abs(pixels.astype(int) - before)[HOLE].mean() > 3, "the profile makes a difference"
    assert np.abs(after - before)[HOLE].mean() < 1.5


def with_another_profile() -> bytes:
    """A photograph whose profile has red and blue exchanged, which is far from sRGB."""
    profile = bytearray(PROFILE)
    count = int.from_bytes(profile[128:132], "big")
    entries = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, blue = entries[b"rXYZ"] + 4, entries[b"bXYZ"] + 4
    profile[red : red + 8], profile[blue : blue + 8] = (
        profile[blue : blue + 8],
        profile[red : red + 8],
    )
    return written(PHOTO, "PNG", icc_profile=bytes(profile))


def test_the_command_writes_results_by_their_own_names_and_the_picked_sample(tmp_path):
    (tmp_path / "photos").mkdir()
    original = written(PHOTO, "JPEG", quality=90)
    (tmp_path / "photos/My cat.JPG").write_bytes(original)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for key, value in (("source", "photos"), ("fit", "whole")):
        text = re.sub(rf"^(  {key}:).*$", rf"\1 {value}", text, count=1, flags=re.M)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def stage(name: str):
        command = [sys.executable, ROOT / "stages" / f"{name}.py"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert stage("fetch").returncode == 0
    (photo,) = records.read(tmp_path / "data/images.jsonl")
    hole = {"id": f"{photo['id']}_mask000", "image": photo["id"], "mask": 0, "status": "ok"}
    records.write_atomic(tmp_path / f"data/masks/{hole['id']}.png", images.encode(HOLE))
    rows = []
    for sample, level in enumerate((10, 250)):
        rows.append(hole | {"run": "model", "sample": sample, "file": f"inpainted/{sample}.png"})
        plain = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
        records.write_atomic(tmp_path / "data" / rows[-1]["file"], images.encode(plain))
    records.write(tmp_path / "data/inpainted.jsonl", rows)
    rows[1]["grow"] = 9
    records.write(tmp_path / "data/inpainted.jsonl", rows)
    picks = tmp_path / "data/picks.csv"
    for text, level in (("id,sample\n", 10), (f"id,sample\n{hole['id']},1\n", 250)):
        picks.write_text(text)
        assert stage("finish").returncode == 0
        made = np.asarray(Image.open(tmp_path / "data/own/results/My cat.JPG"))
        assert abs(int(made[30, 40, 0]) - level) < 8
    assert abs(int(made[13, 40, 0]) - 250) < 8, "the pixels of a grown hole are put back too"
    assert (tmp_path / "photos/My cat.JPG").read_bytes() == original
    (tmp_path / "photos/My cat.JPG").write_bytes(written(PHOTO, "JPEG", quality=50))
    answer = stage("finish")
    assert answer.returncode == 1 and "was changed since" in answer.stderr
