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
    made, _ = finish(original, result, hole)
    photo = Image.open(io.BytesIO(made))
    photo.load()
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
    made, _ = finish(lossy, RESULT, HOLE)
    assert Image.open(io.BytesIO(made)).format == "WEBP" and b"VP8L" not in made[:64]


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


def test_colours_of_16_bits_lose_half_of_them_and_that_is_told(tmp_path):
    import cv2

    for name in ("deep.png", "deep.tif"):
        cv2.imwrite(str(tmp_path / name), np.asarray(PHOTO).astype(np.uint16) * 257)
        _, note = finish((tmp_path / name).read_bytes(), RESULT, HOLE)
        assert note == "its colours have 16 bits each, of which 8 are kept"
    grey = Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)
    assert [finish(written(one, "PNG"), RESULT, HOLE)[1] for one in (PHOTO, grey)] == ["", ""]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_nothing_in_a_photograph_that_is_upright_now_says_turn_it(kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6" b="kept"/></x:xmpmeta>'
    original = written(PHOTO, kind, exif=exif, xmp=xmp)
    after = finished(original, HOLE.T, RESULT.transpose(1, 0, 2))
    assert after.getexif()[ExifTags.Base.Orientation] == 1
    assert b"tiff:Orientation" not in after.info["xmp"] and b'b="kept"' in after.info["xmp"]


def test_a_grey_profile_counts_for_8_and_for_16_bits():
    """One that says of each value that it is brighter than sRGB has it."""
    profile = grey_profile(gamma=1.0)
    tone = Image.new("L", (WIDTH, HEIGHT), 117)
    wide = Image.fromarray(np.full((HEIGHT, WIDTH), 117 * 257, np.uint16))
    for photo, scale in ((tone, 1), (wide, 257)):
        original = written(photo, "PNG", icc_profile=profile)
        pixels = images.read(original, 10**6, to_srgb=True).pixels
        assert pixels[0, 0, 0] > 150, "the profile makes a difference"
        after = np.asarray(finished(original, HOLE, pixels)).astype(int)
        assert np.abs(after[HOLE] / scale - 117).max() < 2


def grey_profile(gamma: float) -> bytes:
    """A monochrome ICC profile of version 2: white point, description and one curve."""
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + int(gamma * 256).to_bytes(2, "big")
    white = b"XYZ " + bytes(4) + b"".join(n.to_bytes(4, "big") for n in (63190, 65536, 54061))
    text = b"text" + bytes(4) + b"none\0"
    name = b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"grey\0" + bytes(78)
    parts = {b"desc": name, b"wtpt": white, b"kTRC": curve, b"cprt": text}
    table, body = len(parts).to_bytes(4, "big"), b""
    for tag, content in parts.items():
        start = 128 + 4 + 12 * len(parts) + len(body)
        table += tag + start.to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    header = bytearray(128)
    header[0:4] = (128 + len(table) + len(body)).to_bytes(4, "big")
    header[8:12], header[12:24] = b"\x02\x40\0\0", b"mntrGRAYXYZ "
    header[36:40] = b"acsp"
    header[68:80] = b"".join(n.to_bytes(4, "big") for n in (63190, 65536, 54061))
    return bytes(header) + table + body


class Project:
    """A folder with whole photographs, each with a hole and results of the model."""

    def __init__(self, folder: Path, photographs: dict[str, bytes], levels: tuple[int, ...]):
        self.folder = folder
        for name, content in photographs.items():
            records.write_atomic(folder / "photos" / name, content)
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        for key, value in (("source", "photos"), ("fit", "whole")):
            text = re.sub(rf"^(  {key}:).*$", rf"\1 {value}", text, count=1, flags=re.M)
        (folder / "params.yaml").write_text(text, encoding="utf-8")
        assert self.stage("fetch").returncode == 0
        self.pick()
        self.rows = []
        for photo in records.read(folder / "data/images.jsonl"):
            hole = {"id": f"{photo['id']}_mask000", "image": photo["id"], "mask": 0, "status": "ok"}
            records.write_atomic(folder / f"data/masks/{hole['id']}.png", images.encode(HOLE))
            for sample, level in enumerate(levels):
                row = {"run": "model", "sample": sample, "file": f"made/{photo['id']}{sample}.png"}
                self.rows.append(hole | row)
                plain = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
                records.write_atomic(folder / "data" / row["file"], images.encode(plain))
        self.write()

    def write(self) -> None:
        records.write(self.folder / "data/inpainted.jsonl", self.rows)

    def pick(self, *lines: str) -> None:
        (self.folder / "data/picks.csv").write_text("\n".join(["id,sample", *lines, ""]))

    def stage(self, name: str):
        return subprocess.run(
            [sys.executable, ROOT / "stages" / f"{name}.py"],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )

    def result(self, name: str) -> np.ndarray:
        return np.asarray(Image.open(self.folder / "data/own/results" / name))


def test_the_command_writes_results_by_their_own_names_and_the_picked_sample(tmp_path):
    original = written(PHOTO, "JPEG", quality=90)
    project = Project(tmp_path, {"My cat.JPG": original}, levels=(10, 250))
    project.rows[1]["grow"] = 9
    project.write()
    for picked, level in (((), 10), (("My-cat_mask000,1",), 250)):
        project.pick(*(line.replace("My-cat_mask000", project.rows[0]["id"]) for line in picked))
        answer = project.stage("finish")
        assert answer.returncode == 0 and "not of this run" not in answer.stderr
        made = project.result("My cat.JPG")
        assert abs(int(made[30, 40, 0]) - level) < 8
    assert abs(int(made[13, 40, 0]) - 250) < 8, "the pixels of a grown hole are put back too"
    assert (tmp_path / "photos/My cat.JPG").read_bytes() == original
    (tmp_path / "photos/My cat.JPG").write_bytes(written(PHOTO, "JPEG", quality=50))
    answer = project.stage("finish")
    assert answer.returncode == 1 and "was changed since" in answer.stderr
    assert "not of this run, in data/own/results: My cat.JPG\n" in answer.stderr


def test_a_name_is_kept_whatever_it_holds(tmp_path):
    """On this system a backslash is a letter like any other, and leads nowhere."""
    named = ("y.png", "x\\..\\y.png", "a\\b.png", "caf\udce9.png", "trip/cat.png")
    project = Project(tmp_path, dict.fromkeys(named, written(PHOTO, "PNG")), levels=(10,))
    answer = project.stage("finish")
    assert answer.returncode == 0, answer.stderr
    results = tmp_path / "data/own/results"
    made = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert made == {name.replace("\udce9", r"\udce9") for name in named}


def test_no_result_takes_anothers_place_by_another_path(tmp_path):
    photographs = {"a/cat.png": written(PHOTO, "PNG"), "b/cat.png": written(PHOTO, "PNG")}
    project = Project(tmp_path, photographs, levels=(10,))
    (tmp_path / "data/own/results/a").mkdir(parents=True)
    (tmp_path / "data/own/results/b").symlink_to("a")
    answer = project.stage("finish")
    assert answer.returncode == 1
    assert "results/b/cat.png: another result has this name" in answer.stderr


def test_a_heic_becomes_a_png_and_no_result_takes_anothers_name(tmp_path):
    import pillow_heif  # the reader in use cannot write

    buffer = io.BytesIO()
    pillow_heif.from_pillow(PHOTO).save(buffer, quality=95)
    same = {"cat.gif": written(PHOTO.quantize(64), "GIF"), "cat.png": written(PHOTO, "PNG")}
    project = Project(tmp_path, {"phone.heic": buffer.getvalue()} | same, levels=(10,))
    answer = project.stage("finish")
    assert answer.returncode == 1
    assert answer.stderr.count("another result has this name; rename one photograph") == 1
    assert sorted(one.name for one in (tmp_path / "data/own/results").iterdir()) == [
        "cat.png",
        "phone.png",
    ]
    assert tuple(project.result("phone.png")[30, 40]) == (10, 10, 10)


def test_what_cannot_be_finished_is_a_line_and_the_rest_is_finished(tmp_path):
    photographs = {f"{name}.png": written(PHOTO, "PNG") for name in ("a", "b", "c", "d")}
    project = Project(tmp_path, photographs, levels=(10, 20))
    project.pick("a_mask000,5", "b_mask000,1")
    failed = {"status": "failed", "error": "out of memory"}
    project.rows[4] |= failed  # c's first
    project.write()
    kept = [row for row in records.read(tmp_path / "data/images.jsonl") if row["id"] != "d"]
    records.write(tmp_path / "data/images.jsonl", kept)
    answer = project.stage("finish")
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    for line in (
        "a_mask000: sample 5 is not there; pick another in data/picks.csv",
        "c_mask000: sample 0 failed (out of memory); pick another",
        "d_mask000: the photograph is gone or was changed since",
    ):
        assert line in answer.stderr
    assert [one.name for one in (tmp_path / "data/own/results").iterdir()] == ["b.png"]
    project.pick("b_mask000,best")
    answer = project.stage("finish")
    assert answer.returncode == 1 and "picks.csv:2: sample 'best'" in answer.stderr
