"""Windows around holes: what they cover, what they show, and that the rest stays as it is."""

import cv2
import numpy as np
import pytest
from skimage import data

from wizard.models import canvas, windows
from wizard.records import Unusable

SIDE = 64


def flat(plan):
    return [window for turn in plan for window in turn]


def scratched(height: int, width: int, count: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(count):
        ends = rng.integers(0, (width, height), (2, 2))
        cv2.line(mask, ends[0].tolist(), ends[1].tolist(), 1, 3)
    return mask.astype(bool)


def dusty(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).random((height, width)) < 0.002


def framed(height: int, width: int) -> np.ndarray:
    mask = np.ones((height, width), bool)
    mask[40:-40, 50:-50] = False
    return mask


HOLES = {
    "a disc": lambda h, w: np.hypot(*np.ogrid[-20 : h - 20, -30 : w - 30]) < 25,
    "scratches": scratched,
    "dust": dusty,
    "a frame": framed,
    "a half": lambda h, w: np.broadcast_to(np.arange(w) < w // 2, (h, w)).copy(),
    "every second line": lambda h, w: np.broadcast_to(
        np.arange(h)[:, None] % 2 == 0, (h, w)
    ).copy(),
    "everything": lambda h, w: np.ones((h, w), bool),
    "a corner pixel": lambda h, w: np.pad(np.ones((1, 1), bool), ((h - 1, 0), (w - 1, 0))),
}
SHAPES = [(64, 64), (40, 50), (301, 219), (120, 1000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", HOLES)
def test_each_pixel_of_a_hole_is_filled_once_by_a_square_inside_the_photograph(name, shape):
    mask = np.asarray(HOLES[name](*shape), bool)
    filled = np.zeros(shape, int)
    for turn in windows.plan(mask, SIDE, 1.5):
        seen = np.zeros(shape, int)
        for window in turn:
            height, width = window.hole.shape
            assert height == width >= min(SIDE, *shape) and window.hole.any()
            assert filled[window.area].shape == (height, width)
            filled[window.area] += window.hole
            seen[window.area] += 1
        assert seen.max() == 1, "windows of one round overlap"
    assert np.array_equal(filled, mask)


@pytest.mark.parametrize("name", ["a disc", "scratches", "dust", "a frame"])
def test_what_a_window_fills_keeps_a_margin_except_at_the_edge_of_the_photograph(name):
    mask = np.asarray(HOLES[name](301, 219), bool)
    for window in flat(windows.plan(mask, SIDE, 1.5)):
        margin = (len(window.hole) - len(window.hole) / 1.5) // 2
        for axis, length, start in ((1, 301, window.top), (0, 219, window.left)):
            places = np.flatnonzero(window.hole.any(axis=axis))
            assert places[0] >= margin or start == 0
            assert len(window.hole) - 1 - places[-1] >= margin or start + len(window.hole) == length


@pytest.mark.parametrize("radius", [5, 30, 90])
def test_a_compact_hole_has_one_window_with_the_hole_in_its_middle(radius):
    mask = np.hypot(*np.ogrid[-150:250, -140:260]) < radius
    (window,) = flat(windows.plan(mask, SIDE, 1.2))
    assert len(window.hole) == max(SIDE, np.ceil((2 * radius - 1) * 1.2))
    middle = np.argwhere(window.hole).mean(axis=0)
    assert np.abs(middle - (len(window.hole) - 1) / 2).max() <= 1


def test_scratches_are_filled_at_full_scale_and_a_large_hole_among_them_at_once():
    mask = scratched(600, 800)
    assert {len(window.hole) for window in flat(windows.plan(mask, SIDE, 1.2))} == {SIDE}
    disc = np.hypot(*np.ogrid[-300:300, -400:400]) < 100
    apart = mask & ~(np.hypot(*np.ogrid[-300:300, -400:400]) < 110)
    plan = flat(windows.plan(apart | disc, SIDE, 1.2))
    assert sorted({len(window.hole) for window in plan}) == [SIDE, 239]
    (large,) = (window for window in plan if len(window.hole) == 239)
    assert np.array_equal(large.hole, disc[large.area])


def test_small_holes_close_to_each_other_share_a_window():
    mask = np.zeros((300, 300), bool)
    mask[100:104, 100:104] = mask[120:124, 110:114] = mask[250:254, 20:24] = True
    assert len(flat(windows.plan(mask, SIDE, 1.2))) == 2


def test_a_panorama_of_40000_pixels_needs_no_more_windows_than_its_hole():
    mask = np.zeros((90, 40_000), bool)
    mask[40:44, 10:39_990] = True
    plan = windows.plan(mask, SIDE, 1.2)
    assert 40_000 / SIDE <= len(flat(plan)) <= 40_000 / SIDE * 1.25 and len(plan) <= 3


def test_a_method_without_a_side_gets_the_photograph_as_it_is():
    image, mask = data.astronaut()[:70, :90], scratched(70, 90)
    photograph = canvas.Canvas(image, mask, None, 1.2)
    ((window,),) = photograph.rounds
    seen, hole = photograph.cut(window)
    assert np.array_equal(seen, image) and np.array_equal(hole, mask)


@pytest.mark.parametrize("length", [30, 64, 100, 171])
def test_nothing_under_a_hole_shows_outside_it_at_any_scale(length):
    image = data.astronaut()[:length, :length]
    hole = scratched(length, length, 2)
    other = np.where(hole[..., None], 255 - image, image)
    seen, small = canvas.to_side(image, hole, SIDE, hidden=True)
    again, _ = canvas.to_side(other, hole, SIDE, hidden=True)
    assert seen.shape == (SIDE, SIDE, 3) and small.shape == (SIDE, SIDE)
    assert np.array_equal(seen[~small], again[~small]) and small.mean() < 0.5
    if length < SIDE:
        assert np.array_equal(seen, again)


def test_a_window_sees_what_was_filled_before_it_and_hides_what_is_not_filled_yet():
    image, mask = np.full((64, 200, 3), 100, np.uint8), np.zeros((64, 200), bool)
    mask[30:34] = True
    image[mask] = 255
    photograph = canvas.Canvas(image, mask, SIDE, 1.2)
    for number, turn in enumerate(photograph.rounds):
        for window in turn:
            seen, hole = photograph.cut(window)
            assert (seen[~hole] < 255).all(), "a hidden pixel shows"
            assert np.array_equal(hole & window.hole, window.hole)
            if number:
                assert (seen[~hole] == 7).any(), "what was filled before is not seen"
            photograph.put(window, np.where(hole[..., None], np.uint8(7), seen))
    assert (photograph.output[mask] == 7).all() and (photograph.output[~mask] < 255).all()


def test_a_small_hole_of_a_square_photograph_leaves_the_large_one_as_it_was_filled():
    image, mask = data.astronaut()[:256, :256], np.zeros((256, 256), bool)
    mask[60:250, 60:250] = mask[5:12, 5:12] = True
    photograph = canvas.Canvas(image, mask, SIDE, 1.5)
    (large,), (small,) = photograph.rounds
    assert large.hole.shape == mask.shape
    photograph.put(large, np.full((SIDE, SIDE, 3), 7, np.uint8))
    _, left = photograph.cut(small)
    assert left.sum() == 7 * 7
    photograph.put(small, np.full((SIDE, SIDE, 3), 9, np.uint8))
    assert (photograph.output[large.hole] == 7).all() and (photograph.output[5:12, 5:12] == 9).all()


def test_a_smooth_photograph_comes_back_from_a_window_four_times_as_large():
    rows, columns = np.mgrid[:300, :400]
    image = np.stack([rows // 2, columns // 2, (rows + columns) // 4], axis=-1).astype(np.uint8)
    mask = np.zeros((300, 400), bool)
    mask[30:246, 100:310] = True
    photograph = canvas.Canvas(image, mask, SIDE, 1.2)
    ((window,),) = photograph.rounds
    seen, _ = photograph.cut(window, hidden=False)
    photograph.put(window, seen)
    error = photograph.output[mask].astype(int) - image[mask]
    assert np.abs(error).max() <= 2


IMAGE = data.astronaut()
SMALL = np.pad(np.ones((8, 8), bool), 28)
PHOTOGRAPHS = {
    "small": (IMAGE[:64, :64], SMALL),
    "scratched": (IMAGE[:200, :300], scratched(200, 300)),
    "also small": (IMAGE[64:128, :64], SMALL),
    "wide": (IMAGE[:90, :500], scratched(90, 500)),
    "tiny": (IMAGE[:40, :50], np.asarray(HOLES["a disc"](40, 50))),
    "low": (IMAGE[:40, :300], scratched(40, 300)),
}


def fill(chosen: list[str], batch_size: int, function) -> dict[str, np.ndarray]:
    canvases = [canvas.Canvas(*PHOTOGRAPHS[name], SIDE, 1.2) for name in chosen]
    prompts = [(name, "") for name in chosen]
    seeds = [100 + list(PHOTOGRAPHS).index(name) for name in chosen]
    made = canvas.fill(canvases, seeds, prompts, function, batch_size)
    return dict(zip(chosen, made, strict=True))


def test_windows_of_several_photographs_share_batches_and_each_photograph_comes_back_whole():
    sizes = []

    def function(images, masks, seeds, prompts):
        assert len({image.shape for image in images}) == 1
        if images[0].shape == (SIDE, SIDE, 3):
            sizes.append(len(images))
        return [np.where(m[..., None], np.uint8(9), i) for i, m in zip(images, masks, strict=True)]

    done = fill(list(PHOTOGRAPHS), 4, function)
    for name, (image, mask) in PHOTOGRAPHS.items():
        assert done[name].shape == image.shape
        if name != "low":  # scaled back by a filter that reaches further than a pixel
            assert (done[name][mask] == 9).all(), name
    rounds = max(len(windows.plan(mask, SIDE, 1.2)) for _, mask in PHOTOGRAPHS.values())
    assert len(sizes) - sizes.count(4) <= rounds, "a round has one batch at most that is not full"


def test_a_photograph_is_filled_alike_whatever_it_shares_its_batches_with():
    def function(images, masks, seeds, prompts):
        return [
            np.where(mask[..., None], np.uint8(seed % 251), image // 2 + len(prompt[0]))
            for image, mask, seed, prompt in zip(images, masks, seeds, prompts, strict=True)
        ]

    together = fill(list(PHOTOGRAPHS), 3, function)
    for name in PHOTOGRAPHS:
        assert np.array_equal(fill([name], 1, function)[name], together[name]), name
    assert together["small"][30, 30, 0] == 100, "the only window has its photograph's own seed"


def test_a_window_that_cannot_be_filled_fails_its_photograph_alone():
    def function(images, masks, seeds, prompts):
        return [
            image if seed < 200 else Unusable("no")
            for image, seed in zip(images, seeds, strict=True)
        ]

    made = fill(["small", "wide", "also small"], 2, function)
    kinds = {name: type(one) for name, one in made.items()}
    assert kinds == {"small": np.ndarray, "wide": Unusable, "also small": np.ndarray}
