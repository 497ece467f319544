"""Shapes of holes: the asked area, the same mask for the same seed; a user's own masks."""

import io
import json
import os
import re
import subprocess
import sys
import time
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation, label
from skimage import data

from wizard import images, masks, records
from wizard.console import BadSetting
from wizard.masks import files, strokes

ROOT = Path(__file__).parents[1]
LAWS = ROOT / "tests/mask_laws.json"
SIDES = st.integers(32, 160)
RATIOS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32)


def drawn(shape, seed, height, width, ratio, variant=None, **options):
    rng = np.random.default_rng(seed)
    return masks.draw(shape, rng, height, width, ratio, variant, **options)


@pytest.mark.parametrize("shape", ["rectangles", "box", "border"])
@given(height=SIDES, width=SIDES, ratio=RATIOS, seed=SEEDS)
def test_ratio_is_met_within_half_a_percentage_point(shape, height, width, ratio, seed):
    mask = drawn(shape, seed, height, width, ratio)
    assert abs(mask.mean() - ratio) <= 0.005


@pytest.mark.parametrize("shape", ["strokes", "scratches"])
@settings(max_examples=25, deadline=None)
@given(ratio=st.floats(0.05, 0.9), seed=SEEDS, size=st.integers(64, 160))
def test_free_forms_stop_at_the_ratio(shape, ratio, seed, size):
    mask = drawn(shape, seed, size, size, ratio)
    assert abs(mask.mean() - ratio) <= 0.01


@pytest.mark.parametrize("shape", sorted(masks.SHAPES.keys() - {"detect_scratches"}))
@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, ratio=st.floats(0.05, 0.9), seed=SEEDS)
def test_same_seed_same_mask_and_never_empty_or_full(shape, height, width, ratio, seed):
    if shape == "parts":
        width = height
    mask = drawn(shape, seed, height, width, ratio, aligned=True)
    assert mask.shape == (height, width) and mask.dtype == bool
    assert 0 < mask.sum() < mask.size
    assert np.array_equal(mask, drawn(shape, seed, height, width, ratio, aligned=True))


@given(ratio=st.floats(0.05, 0.9), seed=SEEDS)
def test_rectangles_are_whole_rectangles(ratio, seed):
    mask = drawn("rectangles", seed, 128, 128, ratio)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert mask.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_rectangles_vary_in_place_and_proportion():
    found = [drawn("rectangles", seed, 128, 128, 0.25) for seed in range(40)]
    tall = [mask.any(1).sum() / mask.any(0).sum() for mask in found]
    assert min(tall) < 0.6 and max(tall) > 1.6
    assert len({mask.tobytes() for mask in found}) == 40


@pytest.mark.parametrize("side", [128, 256, 512])
def test_strokes_follow_lamas_law(side):
    """Counts, lengths, widths and angles, from what the brush is told to draw."""
    lengths, widths, angles = [], [], set()
    published = 512 if side == 512 else 256
    brush, scale = strokes.BRUSHES[published]["thin"], side / published
    for number in range(200):
        rng = np.random.default_rng(number)
        segments = list(strokes._stroke(rng, brush, scale, number, 10**6, 10**6))
        assert 1 <= len(segments) <= 5
        for (x0, y0), (x1, y1), width in segments:
            lengths.append(np.hypot(x1 - x0, y1 - y0) / scale)
            widths.append(width / scale)
            if lengths[-1] > 30:
                heading = np.degrees(np.arctan2(x1 - x0, y1 - y0))
                angles.add((number % 2, round(heading / 57.3)))
    assert min(lengths) >= 8 and max(lengths) <= brush.length[1] + 2
    assert {round(width) for width in widths} == set(range(brush.width[0], brush.width[1] + 1))
    assert angles == {(1, 0), (1, 1), (1, 2), (1, 3), (0, 0), (0, -1), (0, -2), (0, -3)}


@pytest.mark.parametrize(("variant", "boxes"), [("thin", 0.0), ("medium", 0.23), ("thick", 0.23)])
def test_lamas_masks_are_boxes_as_often_as_published_and_never_above_half(variant, boxes):
    found = [drawn("strokes", seed, 256, 256, None, variant) for seed in range(150)]
    assert max(mask.mean() for mask in found) <= 0.5
    straight = np.mean([all_corners_are_right(mask) for mask in found])
    assert abs(straight - boxes) < 0.1


def all_corners_are_right(mask):
    """Whether a mask is a union of rectangles of some size: no row differs in a single pixel."""
    edges = np.diff(mask.astype(np.int8), axis=0, prepend=0, append=0) != 0
    runs = [
        np.diff(np.flatnonzero(np.diff(row.astype(np.int8), prepend=0, append=0))) for row in edges
    ]
    changes = [run[::2].min() for run in runs if len(run)]
    return bool(changes) and min(changes) >= 5


@pytest.mark.parametrize("law", json.loads(LAWS.read_text()), ids=itemgetter("law"))
def test_a_published_law_has_its_statistics(law):
    """Against 2,000 draws of the generators that were published."""
    shape, variant, side = law["law"].split()
    variant = None if variant == "-" else variant
    draws = 120
    found = [drawn(shape, [7, k], int(side), int(side), None, variant) for k in range(draws)]
    shares = [mask.mean() for mask in found]
    four_errors = 4 * np.std(shares) / draws**0.5
    assert abs(np.mean(shares) - law["mean"]) < four_errors
    low, high = np.quantile(shares, [0.1, 0.9])
    assert abs(low - law["quantiles"][0]) < 0.08 and abs(high - law["quantiles"][2]) < 0.08
    components = [label(mask, np.ones((3, 3)))[1] for mask in found]
    assert abs(np.mean(components) - law["components"]) < 4 * np.std(components) / draws**0.5


@pytest.mark.parametrize(
    ("variant", "known"),
    [
        ("half", np.s_[:, :128]),
        ("expand", np.s_[96:160, 96:160]),
        ("every-second-line", np.s_[1::2]),
        ("super-resolution", np.s_[1::2, 1::2]),
    ],
)
def test_repaints_masks_keep_what_repaint_keeps(variant, known):
    expected = np.ones((256, 256), bool)
    expected[known] = False
    assert np.array_equal(drawn("repaint", 0, 256, 256, None, variant), expected)


@pytest.mark.parametrize(
    ("part", "inside", "outside"),
    [
        ("eyes", [(0.4735, 0.3725), (0.4735, 0.6255)], [(0.6, 0.5)]),
        ("nose", [(0.6, 0.5)], [(0.4735, 0.3725), (0.75, 0.5)]),
        ("mouth", [(0.735, 0.5)], [(0.6, 0.5)]),
        ("lower-half", [(0.735, 0.5), (0.95, 0.05)], [(0.4735, 0.3725)]),
        ("hair-line", [(0.23, 0.5)], [(0.4735, 0.3725)]),
    ],
)
def test_parts_of_a_face_lie_where_they_are(part, inside, outside):
    """At the places of FFHQ's landmarks (row, column), whatever the jitter."""
    found = [drawn("parts", seed, 200, 200, None, part, aligned=True) for seed in range(20)]
    for mask in found:
        assert all(mask[int(200 * y), int(200 * x)] for y, x in inside)
        assert not any(mask[int(200 * y), int(200 * x)] for y, x in outside)
    assert len({mask.tobytes() for mask in found}) > 4


def test_one_eye_is_either_eye():
    found = [drawn("parts", seed, 200, 200, None, "one-eye", aligned=True) for seed in range(20)]
    assert {(bool(mask[95, 75]), bool(mask[95, 125])) for mask in found} == {
        (True, False),
        (False, True),
    }


def test_parts_of_a_face_do_not_apply_to_other_framings():
    with pytest.raises(records.Unusable, match="does not apply: the photograph is not framed"):
        drawn("parts", 0, 200, 200, None, "eyes", aligned=False)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_half_is_the_half_it_names(side):
    mask = drawn("half", 0, 40, 60, 0.3, side)
    rows, columns = np.nonzero(mask)
    centre = {"left": columns.mean() < 20, "right": columns.mean() > 39}
    centre |= {"top": rows.mean() < 15, "bottom": rows.mean() > 24}
    assert mask.mean() == 0.5 and centre[side]


def test_border_surrounds_the_middle():
    mask = drawn("border", 0, 64, 64, 0.5)
    assert mask[0].all() and mask[-1].all() and mask[:, 0].all() and mask[:, -1].all()
    assert not mask[32, 32]


@pytest.mark.parametrize(
    ("shape", "variant", "ratio", "told"),
    [
        ("circle", None, 0.2, "mask.shape = 'circle': allowed: rectangles, box, .*, files"),
        ("strokes", "fat", 0.2, "mask.variant = 'fat': allowed for shape strokes: medium, thin"),
        ("box", "left", 0.2, "mask.variant = 'left': shape box has no variants"),
        ("box", None, None, "mask.ratio = null: shape box needs one"),
    ],
)
def test_wrong_settings_name_the_choices(shape, variant, ratio, told):
    with pytest.raises(BadSetting, match=told):
        masks.check(shape, variant, ratio)
    masks.check("half", "left", None)


def save(path, values):
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


@pytest.fixture
def square():
    values = np.zeros((40, 60), np.uint8)
    values[10:20, 30:50] = 255
    return values


def test_own_masks_are_paired_by_name(tmp_path, square):
    for name in ["cat.png", "cat_mask000.jpg", "cat_left eye.tif", "cats.png", "dog_mask.png"]:
        save(tmp_path / name, square)
    (tmp_path / "cat.txt").write_text("not a mask")
    (tmp_path / ".cat_hidden.png").write_text("")
    os.mkfifo(tmp_path / "cat_pipe.png")
    library = files.Library(tmp_path, ["cat.jpg", "cats", "dog"])
    expected = ["cat.png", "cat_left eye.tif", "cat_mask000.jpg"]
    for name in ("cat.jpg", "cat", "cat.avif", "holidays/cat.JP2"):
        assert [path.name for path in library.of(name)] == expected
    assert library.of("bird") == []
    with pytest.raises(BadSetting, match="no such folder"):
        files.Library(tmp_path / "none", [])


def test_a_mask_belongs_to_the_longest_name_that_it_begins_with(tmp_path, square):
    save(tmp_path / "beach_2.png", square)
    library = files.Library(tmp_path, ["beach.jpg", "beach_2.jpg"])
    assert library.of("beach.jpg") == [] and library.of("beach_2.jpg") == library.paths
    save(tmp_path / "beach_mask.png", square)
    library = files.Library(tmp_path, ["beach.jpg", "beach_2.jpg"])
    assert [path.name for path in library.of("beach.jpg")] == ["beach_mask.png"]
    assert files.Library(tmp_path, ["beach.jpg"]).of("beach.jpg") == library.paths


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_a_mask_is_found_for_every_format_that_is_read(tmp_path, square, suffix):
    save(tmp_path / "cat.png", square)
    assert files.Library(tmp_path, ["cat"]).of(f"cat{suffix}")


def test_finding_masks_takes_time_by_their_number_only(tmp_path):
    for number in range(2000):
        (tmp_path / f"face_{number:04d}_mask000.png").touch()
    start = time.monotonic()
    library = files.Library(tmp_path, [f"face_{number:04d}.jpg" for number in range(2000)])
    assert all(len(library.of(f"face_{number:04d}.jpg")) == 1 for number in range(2000))
    assert time.monotonic() - start < 5  # it took 50 s when each photograph listed the folder


def test_one_file_serves_every_photograph(tmp_path, square):
    path = save(tmp_path / "watermark.png", square)
    assert files.Library(path, []).of("any.jpg") == [path]


def test_a_library_mask_is_drawn_by_seed_and_stretched_by_nearest(tmp_path, square):
    for name in "abcdefgh":
        save(tmp_path / f"{name}.png", square)
    library = files.Library(tmp_path, [])
    names = [library.draw(np.random.default_rng(seed)).name for seed in range(40)]
    assert names == [library.draw(np.random.default_rng(seed)).name for seed in range(40)]
    assert len(set(names)) == 8
    assert np.array_equal(
        files.resized(library.paths[0], 80, 120, "white"), np.kron(square, np.ones((2, 2))) > 0
    )
    with pytest.raises(BadSetting, match="no mask in it"):
        (tmp_path / "empty").mkdir()
        files.Library(tmp_path / "empty", []).draw(np.random.default_rng(0))


def test_polarity_is_what_is_stated(tmp_path, square):
    path = save(tmp_path / "a.png", square)
    white = files.load(path, 40, 60, "white")
    assert np.array_equal(white, square > 0)
    assert np.array_equal(files.load(path, 40, 60, "black"), ~white)


def test_jpeg_edges_are_no_grey(tmp_path, square):
    picture = Image.fromarray(square)
    picture.save(tmp_path / "a.jpg", quality=85)
    mask = files.load(tmp_path / "a.jpg", 40, 60, "white")
    assert (mask != (square > 0)).mean() < 0.01


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.zeros((40, 60)), "the hole is nothing"),
        (np.full((40, 60), 255), "the hole is the whole image"),
        (np.full((40, 60), 128), "grey"),
        (np.zeros((60, 40)), "mask is 40×60, its image 60×40"),
    ],
)
def test_unusable_own_masks_are_refused_by_name(tmp_path, values, told):
    path = save(tmp_path / "bad.png", values)
    with pytest.raises(records.Unusable, match=told) as caught:
        files.load(path, 40, 60, "white")
    assert "bad.png" in str(caught.value) and "\n" not in str(caught.value)


def huge_png() -> bytes:
    """A 20000×20000 mask of 48 KB, which would take 400 MB and more as pixels."""
    data = io.BytesIO()
    Image.new("1", (20000, 20000)).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x89PNG\r\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (huge_png(), "20000×20000 pixels exceed"),
    ],
)
@pytest.mark.parametrize("loader", [files.load, files.resized])
def test_what_no_photograph_may_be_no_mask_may_be(tmp_path, data, told, loader):
    (tmp_path / "torn.png").write_bytes(data)
    with pytest.raises(records.Unusable, match=f"torn.png: {told}"):
        loader(tmp_path / "torn.png", 40, 60, "white")


def test_a_mask_at_the_size_of_the_original_goes_the_way_of_its_photograph(tmp_path):
    drawn = np.zeros((40, 60), np.uint8)
    drawn[:, :10] = 255  # left of the centre square, cut away with the photograph
    drawn[17, 31] = 255  # one pixel, which must not get lost
    Image.fromarray(drawn).save(tmp_path / "a.png")
    mask = files.load(tmp_path / "a.png", 10, 10, "white", original_size=(60, 40))
    assert np.argwhere(mask).tolist() == [[4, 5]]
    with pytest.raises(ValueError, match="mask is 60×40, its image 10×10 or 61×40"):
        files.load(tmp_path / "a.png", 10, 10, "white", original_size=(61, 40))


@pytest.mark.parametrize(("side", "size"), [(480, (6000, 4000)), (56, (58, 87))])
def test_the_centre_of_a_mask_never_reaches_beyond_it(tmp_path, side, size):
    drawn = np.zeros(size[::-1], np.uint8)
    drawn[: size[1] // 2] = 255
    mask = files.load(save(tmp_path / "a.png", drawn), side, side, "white", original_size=size)
    assert mask[: side // 2].all() and not mask[side // 2 + 1 :].any()


def test_a_mask_that_lies_outside_what_fetch_keeps_says_so(tmp_path):
    drawn = np.zeros((40, 80), np.uint8)
    drawn[:, :10] = 255
    path = save(tmp_path / "a.png", drawn)
    with pytest.raises(records.Unusable, match="wholly outside the centre"):
        files.load(path, 10, 10, "white", original_size=(80, 40))
    whole = files.load(path, 20, 40, "white", original_size=(80, 40))
    assert whole[:, :5].all() and not whole[:, 5:].any()


def run_stage(place, stage, **settings):
    """A stage of the pipeline, run as DVC runs it; its exit code and what it says."""
    text = (ROOT / "params.yaml").read_text()
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^  {key}: .*$", f"  {key}: {value}", text, count=1)
        assert count == 1, key
    (place / "params.yaml").write_text(text)
    command = [sys.executable, ROOT / "stages" / f"{stage}.py"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    return done.returncode, done.stderr


def photographs(folder, *sizes, **settings):
    """Photographs of these names and (width, height), fetched."""
    (folder / "photos").mkdir()
    for name, size in sizes:
        noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
        Image.fromarray(noise).save(folder / "photos" / name)
    code, said = run_stage(folder, "fetch", source="photos", side=64, **settings)
    assert code == 0, said


def hole_rows(folder):
    return list(records.read(folder / "data/masks.jsonl"))


def test_the_mask_stage_uses_masks_of_ones_own(tmp_path, square):
    photographs(tmp_path, ("cat.png", (60, 40)), ("dog.png", (60, 40)))
    (tmp_path / "mine").mkdir()
    save(tmp_path / "mine" / "cat_mask.png", square)
    own = {"shape": "files", "folder": "mine", "source": "photos"}
    code, said = run_stage(tmp_path, "mask", **own)
    assert code == 1 and "dog" in said and "no mask in mask.folder" in said
    assert "Traceback" not in said
    code, said = run_stage(tmp_path, "mask", max_failures=1, **own)
    assert code == 0, said
    assert [row["status"] for row in hole_rows(tmp_path)] == ["ok", "failed"]
    assert (tmp_path / "metrics/masks.png").is_file()
    os.remove(tmp_path / "mine" / "cat_mask.png")
    code, said = run_stage(tmp_path, "mask", max_failures=2, **own)
    assert code == 1 and "cat" in said and "no hole in any photograph" in said
    assert "Traceback" not in said


def test_a_mask_may_be_called_by_the_id_of_its_photograph(tmp_path, square):
    """As data/own/draw.html saves it where data/images/<id>.png was drawn on."""
    for folder in ("photos/trip", "mine"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a.png", "trip/a.png"):
        Image.new("RGB", (60, 40)).save(tmp_path / "photos" / name)
    assert run_stage(tmp_path, "fetch", source="photos", side=64)[0] == 0
    holes = {"a": np.eye(64, k=-9), "trip-a": np.eye(64, k=9)}
    own = {"shape": "files", "folder": "mine"}
    for photo_id, hole in holes.items():
        save(tmp_path / "mine" / f"{photo_id}.png", 255 * hole)
    code, said = run_stage(tmp_path, "mask", **own)
    assert code == 0, said
    for photo_id, hole in holes.items():
        mask = images.load_mask(tmp_path / "data/masks" / f"{photo_id}_mask000.png")
        assert np.array_equal(mask, hole > 0)
    rows = (tmp_path / "data/images.jsonl").read_text()
    (tmp_path / "data/images.jsonl").write_text(rows.replace('"trip/a.png"', '"row 3: a.webp"'))
    assert run_stage(tmp_path, "mask", **own)[0] == 0


def test_a_mask_of_an_undecodable_name_is_found_and_named(tmp_path, square):
    photographs(tmp_path, ("caf\udce9.png", (60, 40)), ("dog.png", (60, 40)))
    (tmp_path / "mine").mkdir()
    own = {"shape": "files", "folder": "mine", "source": "photos"}
    for name in ("caf\udce9_mask.png", "dog.png"):
        save(tmp_path / "mine" / name, square)
    code, said = run_stage(tmp_path, "mask", **own)
    assert code == 0, said
    save(tmp_path / "mine" / "caf\udce9_mask.png", 0 * square)
    code, said = run_stage(tmp_path, "mask", max_failures=1, **own)
    assert code == 0, said
    failed, good = hole_rows(tmp_path)
    assert good["status"] == "ok"
    assert r"caf\udce9_mask.png: the hole is nothing" in failed["error"]


def test_a_mask_fits_its_photograph_as_viewers_show_it(tmp_path):
    """A phone held upright stores the picture on its side and says so in EXIF."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "mine").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 60)).save(tmp_path / "photos" / "phone.png", exif=exif)
    assert run_stage(tmp_path, "fetch", source="photos", side=64)[0] == 0
    own = {"shape": "files", "folder": "mine", "source": "photos"}
    stored = np.zeros((60, 80), np.uint8)
    stored[:, :40] = 255
    save(tmp_path / "mine" / "phone.png", stored)
    code, said = run_stage(tmp_path, "mask", **own)
    assert code == 1 and "mask is 80×60, its image 60×80" in said
    upright = np.zeros((80, 60), np.uint8)
    upright[:40] = 255
    save(tmp_path / "mine" / "phone.png", upright)
    code, said = run_stage(tmp_path, "mask", **own)
    assert code == 0, said
    mask = images.load_mask(tmp_path / "data/masks" / f"{hole_rows(tmp_path)[0]['id']}.png")
    assert mask[:30].all() and not mask[34:].any()


def test_a_library_serves_photographs_of_any_number(tmp_path, square):
    photographs(tmp_path, ("cat.png", (60, 40)), ("dog.png", (60, 40)))
    save(tmp_path / "one.png", square)
    library = {"shape": "files", "pairing": "shuffle", "per_image": 2, "source": "photos"}
    code, said = run_stage(tmp_path, "mask", folder="one.png", **library)
    assert code == 0, said
    assert [row["mask"] for row in hole_rows(tmp_path)] == [0, 1, 0, 1]


def test_a_range_is_drawn_from_for_each_mask(tmp_path):
    photographs(tmp_path, ("cat.png", (60, 40)))
    code, said = run_stage(tmp_path, "mask", shape="box", ratio="[0.2, 0.6]", per_image=12)
    assert code == 0, said
    shares = [row["hole_fraction"] for row in hole_rows(tmp_path)]
    assert 0.19 < min(shares) < 0.3 and 0.5 < max(shares) < 0.61 and len(set(shares)) > 6


@pytest.mark.parametrize(
    ("source", "fit", "framed"),
    [
        ("samples", "square", True),
        ("samples", "whole", False),
        ("FFHQ thumbnails", "square", True),
        ("photos", "square", False),
        ("ffhq-tools/holiday", "square", False),
    ],
)
def test_parts_of_a_face_are_drawn_where_faces_are_framed(tmp_path, source, fit, framed):
    if source != "samples":
        (tmp_path / source).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tmp_path / source / "cat.png")
    assert run_stage(tmp_path, "fetch", source=source, side=64, fit=fit)[0] == 0
    code, said = run_stage(tmp_path, "mask", shape="parts", variant="mouth", per_image=1)
    refused = "take FFHQ or the samples, with fetch.fit: square" in said
    assert (code, refused) == ((0, False) if framed else (1, True)), said
    assert {row["status"] for row in hole_rows(tmp_path)} == {"ok" if framed else "failed"}


def test_a_name_that_no_shape_has_is_refused_before_anything_is_deleted(tmp_path):
    kept = tmp_path / "data/masks/kept.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"earlier")
    for stage in ("check", "mask"):
        code, said = run_stage(tmp_path, stage, shape="circle")
        assert code == 2 and said.count("\n") == 1 and "mask.shape = 'circle': allowed:" in said
        assert kept.read_bytes() == b"earlier"


def test_check_refuses_a_folder_of_masks_that_is_not_there(tmp_path):
    code, said = run_stage(tmp_path, "check", shape="files", folder="mine")
    assert code == 2 and said == "check.py: mask.folder = 'mine': no such folder or file\n"
    (tmp_path / "mine").mkdir()
    assert run_stage(tmp_path, "check", shape="files", folder="mine") == (0, "")


def scratched(photograph, tone=(242, 240, 235), ratio=0.05, seed=0):
    """A photograph with damage drawn over it, and where."""
    mask = drawn("scratches", seed, *photograph.shape[:2], ratio)
    noise = np.random.default_rng(seed).normal(0, 4, photograph.shape)
    damage = np.where(mask[..., None], tone + noise, photograph)
    return damage.clip(0, 255).astype(np.uint8), mask


def detected(photograph):
    height, width = photograph.shape[:2]
    return drawn("detect_scratches", 0, height, width, None, image=photograph)


def shipped(name):
    photograph = getattr(data, name)()
    if photograph.ndim == 2:
        photograph = np.repeat(photograph[..., None], 3, axis=2)
    return photograph


@pytest.mark.parametrize("name", ["cat", "moon", "rocket"])
def test_scratches_are_found(name):
    damaged, mask = scratched(shipped(name))
    found = detected(damaged)
    near = binary_dilation(mask, iterations=1)
    assert (found & mask).sum() / mask.sum() > 0.8
    assert (found & near).sum() / found.sum() > 0.85


@pytest.mark.parametrize(
    "name",
    ["astronaut", "camera", "cat", "coffee", "coins", "moon", "rocket", "gravel", "grass", "brick"],
)
def test_a_clean_photograph_gets_no_hole(name):
    assert not detected(shipped(name)).any()


def test_a_photograph_without_a_hole_passes_through_the_pipeline(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ratings.csv").write_text("rater,id,run,criterion,value,note\n")
    clean = shipped("cat")[:300, :300]
    Image.fromarray(clean).save(tmp_path / "photos" / "clean.png")
    Image.fromarray(scratched(clean)[0]).save(tmp_path / "photos" / "damaged.png")
    changed = {"source": "photos", "fit": "whole", "shape": "detect_scratches", "backend": "telea"}
    said = {}
    for stage in ("fetch", "mask", "inpaint", "evaluate"):
        code, said[stage] = run_stage(tmp_path, stage, **changed)
        assert code == 0, said[stage]
    assert [row["status"] for row in hole_rows(tmp_path)] == ["no hole", "ok"]
    assert "found none, so this photograph stays as it is" in said["mask"]
    scores = (tmp_path / "metrics/scores.csv").read_text()
    assert "damaged" in scores and "clean" not in scores
    (tmp_path / "photos" / "damaged.png").unlink()
    assert run_stage(tmp_path, "fetch", **changed)[0] == 0
    code, told = run_stage(tmp_path, "mask", **changed)
    assert code == 1 and "no hole in any photograph" in told and "Traceback" not in told
    (tmp_path / "data/images.jsonl").write_text("")
    code, told = run_stage(tmp_path, "mask", **changed)
    assert code == 1 and "fetch found no photograph" in told and "Traceback" not in told


def test_photographs_of_any_size_are_masked_in_one_run(tmp_path):
    """Each at its own size, down to a hole of one pixel in four million."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "mine").mkdir()
    sizes = {"large": (2048, 2048), "small": (61, 37)}
    for name, size in sizes.items():
        Image.new("RGB", size, "teal").save(tmp_path / "photos" / f"{name}.png")
        hole = np.zeros(size[::-1], np.uint8)
        hole[20, 30] = 255
        save(tmp_path / "mine" / f"{name}.png", hole)
    whole = {"source": "photos", "fit": "whole"}
    assert run_stage(tmp_path, "fetch", **whole)[0] == 0
    code, said = run_stage(tmp_path, "mask", shape="files", folder="mine", **whole)
    assert code == 0, said
    for row, size in zip(hole_rows(tmp_path), sizes.values(), strict=True):
        mask = images.load_mask(tmp_path / "data" / row["file"])
        assert mask.shape == size[::-1] and np.argwhere(mask).tolist() == [[20, 30]]
        assert row["hole_fraction"] == pytest.approx(1 / mask.size, rel=1e-4)
