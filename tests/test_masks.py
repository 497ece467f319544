"""Shapes of holes: the asked area, the same mask for the same seed; a user's own masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wizard import masks
from wizard.masks import files

SIDES = st.integers(32, 160)
RATIOS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32)
OPTIONS = {"strokes": "medium", "side": "random"}


def drawn(shape, seed, height, width, ratio, **options):
    rng = np.random.default_rng(seed)
    return masks.draw(shape, rng, height, width, ratio, **OPTIONS | options)


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


@pytest.mark.parametrize("shape", masks.SHAPES)
@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, ratio=st.floats(0.05, 0.9), seed=SEEDS)
def test_same_seed_same_mask_and_never_empty_or_full(shape, height, width, ratio, seed):
    mask = drawn(shape, seed, height, width, ratio)
    assert mask.shape == (height, width) and mask.dtype == bool
    assert 0 < mask.sum() < mask.size
    assert np.array_equal(mask, drawn(shape, seed, height, width, ratio))


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


@pytest.mark.parametrize("size", [64, 256])
def test_strokes_are_wider_from_thin_to_thick_at_every_size(size):
    """Without a ratio the brush decides; area over outline is half of the mean width."""

    def width(brush):
        total = np.zeros(2)
        for seed in range(30):
            mask = masks.draw(
                "strokes", np.random.default_rng(seed), size, size, None, strokes=brush
            )
            edge = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
            total += mask.sum(), edge
        return total[0] / total[1] / size

    assert width("thin") < width("medium") < width("thick")


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_half_is_the_half_it_names(side):
    mask = drawn("half", 0, 40, 60, 0.3, side=side)
    rows, columns = np.nonzero(mask)
    centre = {"left": columns.mean() < 20, "right": columns.mean() > 39}
    centre |= {"top": rows.mean() < 15, "bottom": rows.mean() > 24}
    assert mask.mean() == 0.5 and centre[side]


def test_border_surrounds_the_middle():
    mask = drawn("border", 0, 64, 64, 0.5)
    assert mask[0].all() and mask[-1].all() and mask[:, 0].all() and mask[:, -1].all()
    assert not mask[32, 32]


@pytest.mark.parametrize(
    ("shape", "ratio", "options", "told"),
    [
        ("circle", 0.2, {}, "rectangles, box, strokes"),
        ("box", 1.0, {}, "outside"),
        ("strokes", 0.2, {"strokes": "fat"}, "thin, medium, thick"),
        ("half", 0.2, {"side": "up"}, "left, right, top, bottom"),
    ],
)
def test_wrong_settings_name_the_choices(shape, ratio, options, told):
    with pytest.raises(ValueError, match=told):
        drawn(shape, 0, 64, 64, ratio, **options)


def save(path, values):
    Image.fromarray(np.asarray(values, np.uint8)).save(path)
    return path


@pytest.fixture
def square():
    values = np.zeros((40, 60), np.uint8)
    values[10:20, 30:50] = 255
    return values


def test_own_masks_are_paired_by_name(tmp_path, square):
    for name in ["cat.png", "cat_mask000.jpg", "cat_left eye.webp", "cats.png", "dog_mask.png"]:
        save(tmp_path / name, square)
    (tmp_path / "cat.txt").write_text("not a mask")
    expected = ["cat.png", "cat_left eye.webp", "cat_mask000.jpg"]
    assert [path.name for path in files.find(tmp_path, "cat.jpg")] == expected
    assert [path.name for path in files.find(tmp_path, "cat")] == expected
    assert files.find(tmp_path, "bird") == []
    with pytest.raises(ValueError, match="no mask in"):
        files.load(None, 40, 60, "white")
    with pytest.raises(ValueError, match="no such folder"):
        files.find(tmp_path / "none", "cat")


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
        (np.full((40, 60), 255), "the hole is whole image"),
        (np.full((40, 60), 128), "grey"),
        (np.zeros((60, 40)), "mask is 40×60, its image 60×40"),
    ],
)
def test_unusable_own_masks_are_refused_by_name(tmp_path, values, told):
    path = save(tmp_path / "bad.png", values)
    with pytest.raises(ValueError, match=told) as caught:
        files.load(path, 40, 60, "white")
    assert "bad.png" in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ValueError, match="torn.png"):
        files.load(tmp_path / "torn.png", 40, 60, "white")


def test_a_mask_at_the_size_of_the_original_goes_the_way_of_its_photograph(tmp_path):
    drawn = np.zeros((40, 60), np.uint8)
    drawn[:, :10] = 255  # left of the centre square, cut away with the photograph
    drawn[17, 31] = 255  # one pixel, which must not get lost
    Image.fromarray(drawn).save(tmp_path / "a.png")
    mask = files.load(tmp_path / "a.png", 10, 10, "white", original_size=(60, 40))
    assert np.argwhere(mask).tolist() == [[4, 5]]
    with pytest.raises(ValueError, match="mask is 60×40, its image 10×10 or 61×40"):
        files.load(tmp_path / "a.png", 10, 10, "white", original_size=(61, 40))
