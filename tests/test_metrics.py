"""Each metric on images whose answer is known, and our numbers beside other libraries'."""

import math
import tracemalloc
from collections.abc import Iterable

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from skimage.color import rgb2gray
from skimage.data import astronaut
from skimage.metrics import structural_similarity

from wizard import metrics, opinions
from wizard.metrics import (
    colour,
    consistency,
    distances,
    outside,
    pixel,
    ratings,
    seam,
    sharpness,
    strength,
    summary,
)
from wizard.metrics.diversity import diversity
from wizard.metrics.intervals import MIN_IMAGES, binomial, bootstrap_means
from wizard.records import Unusable

RING = 4


def grey(level: float, side: int = 48) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def box(side: int = 48) -> np.ndarray:
    """A hole of 16×20 in the middle of the image."""
    mask = np.zeros((side, side), bool)
    mask[12:28, 10:30] = True
    return mask


def pasted(image: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """The image with every channel of its hole raised by some levels."""
    return np.where(mask[..., None], image + np.uint8(levels), image)


def face(side: int = 96) -> np.ndarray:
    return astronaut()[40 : 40 + side, 180 : 180 + side]


def noisy(image: np.ndarray, mask: np.ndarray, sigma: float = 12) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, sigma, image.shape)
    changed = (image + noise).round().clip(0, 255).astype(np.uint8)
    return np.where(mask[..., None], changed, image)


class TestPixel:
    def test_constant_error_in_the_hole_has_its_closed_form(self):
        values = pixel.score(grey(100), pasted(grey(100), box(), 5), box(), RING)
        hole_psnr = 20 * math.log10(255 / 5)
        assert values["hole_mae"] == 5
        assert values["hole_psnr"] == pytest.approx(hole_psnr, abs=1e-12)
        assert values["ring_psnr"] == pytest.approx(hole_psnr, abs=1e-12)
        whole = hole_psnr - 10 * math.log10(box().mean())
        assert values["psnr"] == pytest.approx(whole, abs=1e-12)

    def test_identical_images_have_ssim_one_and_no_psnr(self):
        values = pixel.score(face(), face(), np.ones((96, 96), bool), RING)
        assert values["ssim"] == values["hole_ssim"] == 1
        assert values["psnr"] is values["hole_psnr"] is values["ring_psnr"] is None
        assert values["hole_mae"] == 0

    def test_flat_images_have_the_ssim_of_their_luminances(self):
        x, y, c1 = 100, 140, (0.01 * 255) ** 2
        expected = (2 * x * y + c1) / (x * x + y * y + c1)
        assert pixel.ssim_map(grey(x), grey(y)) == pytest.approx(expected, abs=1e-9)

    @settings(max_examples=30, deadline=None)
    @given(
        arrays(np.uint8, (24, 31, 3)),
        st.tuples(st.integers(0, 23), st.integers(0, 30)),
        st.integers(1, 12),
    )
    def test_ssim_map_equals_scikit_image_wherever_the_difference_lies(self, image, corner, side):
        result = image.copy()
        result[corner[0] : corner[0] + side, corner[1] : corner[1] + side] ^= 0x35
        _, expected = structural_similarity(
            image,
            result,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2,
            full=True,
        )
        assert pixel.ssim_map(image, result) == pytest.approx(expected.mean(axis=2), abs=1e-9)

    def test_tiles_leave_no_trace_in_the_map(self):
        """Sides that no tile divides, differences everywhere, and the same in one piece."""
        rng = np.random.default_rng(0)
        shape = (2 * pixel._TILE + 9, pixel._TILE + 1, 3)
        original, result = rng.integers(0, 256, (2, *shape), np.uint8)
        whole = pixel._windowed_ssim(original, result)
        assert pixel.ssim_map(original, result) == pytest.approx(whole, abs=1e-12)

    def test_a_large_photograph_is_measured_in_bounded_memory(self):
        """The map itself is 8 bytes a pixel; in one piece the arrays behind it would be 300."""
        original = np.tile(np.arange(250, dtype=np.uint8)[None, :, None], (1500, 8, 3))
        result = original.copy()
        result[::64, ::64] ^= 16
        tracemalloc.start()
        ssim = pixel.ssim_map(original, result).mean()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0 < ssim < 1 and peak < 16 * original[..., 0].size

    def test_hole_ssim_is_the_mean_of_the_map_over_the_hole(self):
        mask = box(96)
        values = pixel.score(face(), noisy(face(), mask), mask, RING)
        expected = pixel.ssim_map(face(), noisy(face(), mask))[mask].mean()
        assert values["hole_ssim"] == pytest.approx(expected, abs=1e-12)
        assert values["hole_ssim"] < values["ssim"]

    def test_ring_is_the_hole_within_its_width_of_known_pixels(self):
        ring = pixel.ring(box(), 3)
        assert ring.sum() == 16 * 20 - 10 * 14
        assert not (ring & ~box()).any()

    def test_ring_takes_no_edge_from_the_image_border(self):
        mask = np.zeros((20, 20), bool)
        mask[:, :10] = True
        assert (np.flatnonzero(pixel.ring(mask, 3).any(axis=0)) == [7, 8, 9]).all()
        assert not pixel.ring(np.ones((20, 20), bool), 3).any()

    def test_images_of_two_sizes_are_refused(self):
        with pytest.raises(ValueError, match="one size"):
            pixel.ssim_map(grey(0, 32), grey(0, 40))


class TestSeam:
    def test_a_pasted_step_is_found_at_its_height(self):
        assert seam.score(grey(100), pasted(grey(100), box(), 5), box(), RING)["edge_seam"] == 5
        assert seam.score_alone(pasted(grey(100), box(), 5), box(), RING)["edge_step"] == 5

    def test_an_edge_of_the_original_is_no_seam(self):
        original = pasted(grey(100), box(), 40)
        assert seam.score(original, original, box(), RING)["edge_seam"] == 0
        assert seam.score(original, grey(100), box(), RING)["edge_seam"] == -40

    def test_a_continued_ramp_shows_no_step(self):
        ramp = np.repeat(np.arange(48, dtype=np.uint8)[None, :, None] * 4, 48, axis=0)
        half = np.zeros((48, 48), bool)
        half[:, :20] = True
        assert seam.score_alone(ramp.repeat(3, axis=2), half, RING)["edge_step"] == 0

    def test_errors_away_from_the_edge_do_not_count(self):
        deep = np.zeros_like(box())
        deep[15:25, 15:25] = True
        assert seam.score(grey(100), pasted(grey(100), deep, 90), box(), RING)["edge_seam"] == 0

    def test_texture_in_the_hole_does_not_hide_a_step(self):
        result = pasted(grey(100), box(), 5)
        result[13:27:2, 11:29] = 200
        assert seam.score_alone(result, box(), RING)["edge_step"] == 5

    def test_a_hole_at_the_image_border_has_its_inner_edge_only(self):
        mask = np.zeros((48, 48), bool)
        mask[30:, :] = True
        shifted = pasted(grey(100), mask, 7)
        assert seam.score(grey(100), shifted, mask, RING)["edge_seam"] == 7
        assert seam.score_alone(shifted, mask, RING)["edge_step"] == 7

    def test_an_image_that_is_all_hole_has_no_edge(self):
        everything = np.ones((48, 48), bool)
        assert seam.score(grey(1), grey(2), everything, RING) == {"edge_seam": None}
        assert seam.score_alone(grey(1), everything, RING) == {"edge_step": None}


def ciede2000_of_greys(first: int, second: int) -> float:
    """For greys the formula of Sharma et al. reduces to the lightness term."""

    def lightness(level: int) -> float:
        linear = ((level / 255 + 0.055) / 1.055) ** 2.4
        return 116 * linear ** (1 / 3) - 16

    one, other = lightness(first), lightness(second)
    offset = ((one + other) / 2 - 50) ** 2
    return abs(one - other) / (1 + 0.015 * offset / math.sqrt(20 + offset))


class TestColour:
    def test_a_shift_of_grey_has_its_closed_form(self):
        expected = ciede2000_of_greys(100, 105)
        result = pasted(grey(100), box(), 5)
        values = colour.score(grey(100), result, box(), RING)
        assert values["hole_colour"] == pytest.approx(expected, abs=1e-3)
        assert values["hole_colour_shift"] == pytest.approx(expected, abs=1e-3)
        alone = colour.score_alone(result, box(), RING)
        assert alone["edge_colour"] == pytest.approx(expected, abs=1e-3)

    def test_texture_in_the_wrong_place_is_no_shift(self):
        stripes = grey(90)
        stripes[:, ::2] = 150
        values = colour.score(stripes, np.roll(stripes, 1, axis=1), box(), RING)
        assert values["hole_colour"] > 15
        assert values["hole_colour_shift"] == pytest.approx(0, abs=1e-9)

    def test_only_the_hole_counts(self):
        outside = pasted(grey(100), ~box(), 60)
        assert colour.score(grey(100), outside, box(), RING)["hole_colour"] == 0

    def test_one_texture_on_both_sides_of_the_edge_is_no_jump(self):
        stripes = grey(90)
        stripes[::2] = 150
        half = np.zeros((48, 48), bool)
        half[:, :20] = True
        assert colour.score_alone(stripes, half, RING)["edge_colour"] == pytest.approx(0, abs=1e-9)

    def test_an_image_that_is_all_hole_has_no_edge(self):
        values = colour.score_alone(grey(1), np.ones((48, 48), bool), RING)
        assert values == {"edge_colour": None}


class TestSharpness:
    def wave(self, amplitude: int) -> np.ndarray:
        columns = 128 + amplitude * np.cos(np.pi * np.arange(48))
        return np.repeat(columns[None, :, None], 48, axis=0).repeat(3, axis=2).astype(np.uint8)

    def test_half_the_contrast_is_a_quarter_of_the_energy(self):
        values = sharpness.score(self.wave(40), self.wave(20), box(), RING)
        assert values["hole_sharpness"] == pytest.approx(0.25, abs=1e-12)

    def test_a_blurred_hole_is_below_one_and_noise_above(self):
        mask = box(96)
        soft = face().astype(float)
        soft = sum(np.roll(soft, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
        blurred = np.where(mask[..., None], soft, face()).astype(np.uint8)
        low = sharpness.score(face(), blurred, mask, RING)["hole_sharpness"]
        high = sharpness.score(face(), noisy(face(), mask, 40), mask, RING)["hole_sharpness"]
        assert low < 0.5 and high > 1.5

    def test_a_seam_is_no_sharpness(self):
        shifted = pasted(self.wave(20), box(), 30)
        values = sharpness.score(self.wave(20), shifted, box(), RING)
        assert values["hole_sharpness"] == pytest.approx(1, abs=1e-12)

    def test_alone_it_compares_with_what_surrounds_the_hole(self):
        mixed = np.where(box()[..., None], self.wave(20), self.wave(40))
        values = sharpness.score_alone(mixed, box(), RING)
        assert values["hole_sharpness_around"] == pytest.approx(0.25, abs=1e-12)

    def test_alone_it_does_not_look_further_than_the_ring(self):
        near = np.zeros((48, 48), bool)
        near[6:34, 4:36] = True
        image = np.where(near[..., None], self.wave(40), self.wave(80))
        values = sharpness.score_alone(image, box(), RING)
        assert values["hole_sharpness_around"] == pytest.approx(1, abs=1e-12)

    def test_a_flat_original_gives_no_ratio(self):
        assert sharpness.score(grey(9), face(48), box(), RING) == {"hole_sharpness": None}


def test_what_a_model_changed_outside_the_hole_counts_by_the_definition_of_brushbench():
    original = np.zeros((4, 5, 3), np.uint8)
    mask = np.zeros((4, 5), bool)
    mask[:, :3] = True
    result = original.copy()
    result[mask] = 99
    assert outside.score(original, result, mask) == {"outside_psnr": 1000, "outside_mse": 0}
    result[0, 4] = (255, 255, 0)  # two channels of one of the eight pixels outside
    found = outside.score(original, result, mask)
    assert found["outside_mse"] == pytest.approx(2 / 8)
    assert found["outside_psnr"] == pytest.approx(10 * math.log10(4))
    unknown = {"outside_psnr": None, "outside_mse": None}
    assert outside.score(original, result, np.ones_like(mask)) == unknown


def test_with_a_truth_and_without_every_metric_has_a_value_under_a_name_of_its_own():
    mask, image = box(96), face()
    against = metrics.score(image, noisy(image, mask), mask, RING)
    alone = metrics.score(None, noisy(image, mask), mask, RING)
    assert None not in against.values() and None not in alone.values()
    assert not against.keys() & alone.keys()


@pytest.mark.parametrize(
    ("mask", "message"), [(np.zeros((48, 48), bool), "no hole"), (box(40), "sizes differ")]
)
def test_a_mask_that_does_not_fit_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        metrics.score(grey(1), grey(2), mask, RING)


def test_diversity_is_the_mean_distance_of_pairs_in_the_hole():
    fills = [pasted(grey(100), box(), levels) for levels in (0, 10, 40)]
    assert diversity(fills, box()) == pytest.approx((10 + 40 + 30) / 3)


class TestIntervals:
    def test_coverage_of_the_mean_of_clustered_results_is_95_percent(self):
        """2,000 trials at once, a column each: 40 photographs of 3 alike results, mean known."""
        trials, photographs, each, truth = 2000, 40, 3, 0.8
        rng = np.random.default_rng(11)
        of_photograph = rng.normal(truth, 0.1, (photographs, 1, trials))
        values = of_photograph + rng.normal(0, 0.02, (photographs, each, trials))
        images = np.repeat(np.arange(photographs), each)
        low, high = bootstrap_means(values.reshape(-1, trials), images, 2000, seed=0)
        coverage = ((low <= truth) & (truth <= high)).mean()
        assert coverage == pytest.approx(0.95, abs=0.015)

    def test_results_of_one_photograph_are_not_taken_for_independent(self):
        rng = np.random.default_rng(5)
        values = np.repeat(rng.normal(0, 1, 20), 8)[:, None]
        low, high = bootstrap_means(values, np.repeat(np.arange(20), 8), 2000, seed=0)
        apart_low, apart_high = bootstrap_means(values, np.arange(160), 2000, seed=0)
        assert (high - low)[0] > 2 * (apart_high - apart_low)[0]

    def test_paired_differences_are_surer_than_either_method(self):
        rng = np.random.default_rng(5)
        difficulty = rng.normal(20, 4, 50)
        model, baseline = difficulty + 1 + rng.normal(0, 0.1, 50), difficulty
        values = np.column_stack([model, baseline, model - baseline])
        low, high = bootstrap_means(values, np.arange(50), 2000, seed=0)
        assert (high - low)[2] < (high - low)[:2].min() / 10
        assert low[2] < 1 < high[2]

    def test_a_photograph_counts_by_its_results_as_in_the_mean_itself(self):
        images = np.repeat(np.arange(30), 1 + np.arange(30) % 9)
        values = (images % 9 + np.random.default_rng(5).normal(0, 0.1, len(images)))[:, None]
        low, high = bootstrap_means(values, images, 2000, seed=0)
        assert low[0] < values.mean() < high[0]
        by_photograph = np.mean([values[images == one].mean() for one in range(30)])
        assert not low[0] < by_photograph < high[0]

    def test_too_few_photographs_give_no_interval(self):
        values = np.arange(2.0 * MIN_IMAGES)[:, None]
        few = np.arange(2 * MIN_IMAGES) % (MIN_IMAGES - 1)
        assert np.isnan(bootstrap_means(values, few, 200, seed=0)).all()

    def test_photographs_without_a_value_do_not_count(self):
        values = np.column_stack([np.arange(8.0), [np.nan] * 3 + [1.0] * 5])
        low, high = bootstrap_means(values, np.arange(8), 200, seed=0)
        assert low[0] < 3.5 < high[0]
        assert np.isnan(low[1]) and np.isnan(high[1])

    def test_binomial_interval_equals_the_published_formula(self):
        low, high = binomial(8, 10)
        assert (low, high) == (pytest.approx(0.49016, abs=1e-5), pytest.approx(0.94332, abs=1e-5))
        assert binomial(0, 20)[0] == pytest.approx(0, abs=1e-12)


class TestSummary:
    def rows(self, shares: list[float]) -> list[dict]:
        facts = {"image": "a", "mask": 0, "method": "model", "sample": 0, "status": "ok"}
        return [
            {"id": f"r{k}", **facts, "hole_fraction": share, "psnr": 20.0 + k}
            for k, share in enumerate(shares)
        ]

    def test_a_share_on_the_border_belongs_to_the_bin_below(self):
        bins = summary.by_hole(self.rows([0.1, 0.2, 0.2001, 0.6, 1.0]), 0.2, 100, 0)
        counts = {name: figures["count"] for name, figures in bins.items()}
        assert counts == {"all": 5, "0.0-0.2": 2, "0.2-0.4": 1, "0.4-0.6": 1, "0.8-1.0": 1}

    def test_a_hole_of_one_pixel_belongs_to_the_first_bin(self):
        assert summary.by_hole(self.rows([0.0]), 0.2, 100, 0).keys() == {"all", "0.0-0.2"}

    def test_a_failed_sample_of_a_contender_is_replaced_by_no_other_of_it(self):
        both = [
            {"id": name, "image": name, "sample": sample, "hole_fraction": 0.1, "method": method}
            | {"ssim": 0.5, "hole_ssim": value}
            for name in "ab"
            for method, values in (("model", (0.4, 0.6)), ("steps", (0.2, 0.6)), ("mean", (0.3,)))
            for sample, value in enumerate(values)
        ]
        lost = [
            row for row in both if (row["id"], row["method"], row["sample"]) != ("a", "steps", 1)
        ]
        found = summary.quality(lost, 1, 0.78, 100, 0)["contenders"]
        assert found["steps"]["hole_ssim"] == round((0.2 + 0.2 + 0.6) / 3, 3)
        for row in lost:
            row["hole_fraction"] = 0.1 if row["id"] == "a" else 0.3
        by_hole = summary.by_hole(lost, 0.2, 100, 0)
        assert by_hole["0.0-0.2"]["steps_hole_ssim"]["mean"] == 0.2
        assert found["mean"]["hole_ssim"] == 0.3

    def test_a_new_metric_finds_its_place_by_its_name(self):
        rows = [row | {"hole_novelty": 3.0} for row in self.rows([0.1, 0.3])]
        assert summary.quality(rows, 0, 0.78, 100, 0)["hole"] == {"novelty": 3.0}

    def test_no_negative_zero(self):
        rows = [row | {"hole_tiny": -1e-9} for row in self.rows([0.1])]
        assert math.copysign(1, summary.quality(rows, 0, 0.78, 100, 0)["hole"]["tiny"]) == 1


def scored(ids: Iterable[str], **methods: float) -> list[dict]:
    """Rows of scores.csv: a photograph for each id, an SSIM for each method."""
    return [
        {"id": name, "image": f"photo of {name}", "sample": 0, "method": method, "ssim": value}
        for name in ids
        for method, value in (methods or {"model": 0.9, "baseline": 0.8}).items()
    ]


def choice(rater: str, name: str, first: str, second: str, value: str) -> dict:
    asked = {"run": first, "against": second, "criterion": "preference"}
    return {"rater": rater, "id": name, "sample": 0, "value": value, "note": ""} | asked


class TestRatings:
    def rate(self, tmp_path, *lines: str) -> list[dict]:
        path = tmp_path / "ratings.csv"
        path.write_text("\n".join(["rater,id,run,criterion,value,note", *lines]) + "\n")
        return opinions.read([path])

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("ann,a,model,beauty,3,", "criterion 'beauty': allowed: seamlessness"),
            ("ann,a,model,artifacts,6,", "value '6': allowed: 1, 2, 3, 4, 5"),
            ("ann,a,,artifacts,3,", "run '', against '': a score is of one method"),
            ("ann,a,,preference,3,", "value '3': allowed: model, baseline, tie"),
            ("ann,a,model,artifacts,3.0,", "value '3.0': allowed: 1, 2, 3, 4, 5"),
            ("ann,a,model,artifacts,3,,,", "ratings.csv:2: not 8 cells"),
            ('ann,a,model,artifacts,3,"no end', "ratings.csv:2: not CSV .*unexpected end"),
            (
                f"ann,a,model,artifacts,3,{'long' * 35000}",
                "ratings.csv:2: not CSV .*larger than",
            ),
            ("ann,a", "ratings.csv:2: criterion None"),
        ],
    )
    def test_a_wrong_cell_is_named_with_its_line(self, tmp_path, line, message):
        with pytest.raises(Unusable, match=message):
            self.rate(tmp_path, line)

    def test_a_file_without_the_header_is_refused(self, tmp_path):
        (tmp_path / "ratings.csv").write_text("a,b\n1,2\n")
        with pytest.raises(Unusable, match="first line must be rater,id,sample,run"):
            opinions.read([tmp_path / "ratings.csv"])

    def test_a_choice_between_a_later_sample_and_a_method_with_one_counts(self):
        rows = [
            {"id": "a", "image": "p", "sample": sample, "method": method}
            for method, sample in (("model", 0), ("model", 1), ("telea", 0))
        ]
        answer = {"rater": "ann", "id": "a", "run": "model", "against": "telea"}
        answer |= {"criterion": "preference", "value": "telea"}
        answers = [answer | {"sample": sample} for sample in range(2)]
        figures = ratings.summarise(answers, rows, 200, 0)
        assert (figures["choices"]["count"], figures["unknown"]) == (2, 0)

    def test_answers_about_samples_that_are_gone_are_unknown(self):
        """Of four samples, one is left; another method lost its second."""
        rows = [
            {"id": "a", "image": "p", "sample": sample, "method": method}
            for method, sample in (("model", 0), ("telea", 0), ("mean", 0), ("mean", 1))
        ]
        rows += [{"id": "b", "image": "p", "sample": k, "method": "steps"} for k in range(2)]
        rows.append(rows[-1] | {"id": "a", "sample": 0})
        asked = {"rater": "ann", "id": "a", "criterion": "preference", "value": "tie"}
        answers = [
            asked | {"run": "model", "against": "telea", "sample": 3},
            asked | {"run": "mean", "against": "steps", "sample": 1},
            asked | {"run": "mean", "against": "telea", "sample": 1},
        ]
        figures = ratings.summarise(answers, rows, 200, 0)
        assert (figures["choices"]["count"], figures["unknown"]) == (1, 2)
        assert figures["choices"]["methods"].keys() == {"mean", "telea"}

    def test_scores_agree_the_more_the_nearer_they_are_and_choices_only_when_equal(self, tmp_path):
        pairs = ((1, 2), (2, 2), (4, 5), (5, 5), (3, 3))
        lines = [
            f"{rater},{name},model,artifacts,{value},"
            for name, values in zip("abcde", pairs, strict=True)
            for rater, value in zip(("ann", "ben"), values, strict=True)
        ]
        figures = ratings.summarise(self.rate(tmp_path, *lines), scored("abcde"), 200, 0)
        table = np.array(pairs).T
        ordinal, nominal = (
            krippendorff.alpha(table, level_of_measurement=level)
            for level in ("ordinal", "nominal")
        )
        assert figures["artifacts"]["agreement"] == round(ordinal, 3) > nominal + 0.2

    def test_old_and_new_files_are_read_together(self, tmp_path):
        self.rate(tmp_path, "ann,a,,preference,model,")
        (tmp_path / "ratings").mkdir()
        (tmp_path / "ratings/ben.csv").write_text(
            ",".join(opinions.HEADER)
            + "\nben,a,1,telea,mean,preference,tie,\nben,a,1,mean,,artifacts,2,\n"
        )
        rows = opinions.read(opinions.find(tmp_path))
        assert [(r["rater"], r["sample"], r["run"], r["against"], r["value"]) for r in rows] == [
            ("ann", 0, "model", "baseline", "model"),
            ("ben", 1, "telea", "mean", "tie"),
            ("ben", 1, "mean", "", 2),
        ]

    def test_a_pick_that_is_no_sample_is_named_with_its_line(self, tmp_path):
        (tmp_path / "picks.csv").write_text("id,sample\na,1\nb,best\n")
        with pytest.raises(Unusable, match=r"picks.csv:3: sample 'best': allowed: 0, 1, 2"):
            opinions.picks(tmp_path / "picks.csv")

    def test_the_later_judgement_of_one_rater_counts(self, tmp_path):
        rows = self.rate(tmp_path, "ann,a,model,artifacts,1,", "ann,a,model,artifacts,5,")
        figures = ratings.summarise(rows, scored("a"), 200, 0)
        assert figures["artifacts"]["model"] == {"count": 1, "mean": 5.0}

    def test_of_one_raters_exports_the_latest_counts(self, tmp_path):
        (tmp_path / "ratings").mkdir()
        for value, number in enumerate(("", " (1)", " (2)", " (10)"), 1):
            text = f"{','.join(opinions.HEADER)}\nann,a,0,model,,artifacts,{value},\n"
            (tmp_path / f"ratings/ratings-ann{number}.csv").write_text(text)
        rows = opinions.read(opinions.find(tmp_path))
        assert [row["value"] for row in rows] == [1, 2, 3, 4]

    def test_agreement_is_one_when_all_agree_and_absent_when_it_cannot_be_told(self, tmp_path):
        agreed = [
            f"{rater},{name},model,artifacts,{value},"
            for rater in ("ann", "ben")
            for name, value in (("a", 1), ("b", 3), ("c", 5))
        ]
        lonely = [line.replace("artifacts", "seamlessness") for line in agreed[:3]]
        rows = self.rate(tmp_path, *agreed, *lonely)
        figures = ratings.summarise(rows, scored("abc"), 200, 0)
        assert figures["artifacts"]["agreement"] == 1
        assert "agreement" not in figures["seamlessness"]
        assert "agreement" not in figures.get("contextual_accuracy", {})

    def test_no_ratings_is_counts_alone(self, tmp_path):
        figures = ratings.summarise(self.rate(tmp_path), [], 200, 0)
        assert figures == {"ratings": 0, "raters": 0, "unknown": 0}


class TestChoices:
    def test_votes_on_one_photograph_are_not_independent(self):
        """Ten raters of six photographs are no sixty photographs."""
        names = "abcdef"
        rows = [
            choice(
                f"rater{number}", name, "model", "baseline", "model" if name < "d" else "baseline"
            )
            for number in range(10)
            for name in names
        ]
        figures = ratings.summarise(rows, scored(names), 2000, 0)["preference"]
        assert (figures["model"], figures["count"]) == (0.5, 60)
        assert figures["high"] - figures["low"] > 0.7

    def test_one_opinion_of_all_still_leaves_doubt(self):
        names = "abcdef"
        rows = [choice("ann", name, "baseline", "model", "model") for name in names]
        figures = ratings.summarise(rows, scored(names), 200, 0)["preference"]
        assert (figures["model"], figures["high"]) == (1, 1)
        assert figures["low"] == pytest.approx(0.61, abs=0.01)

    def test_two_who_always_disagree_leave_a_doubt_around_one_half(self):
        names = "abcdefg"
        rows = [
            choice(rater, name, "model", "baseline", value)
            for rater, value in (("ann", "model"), ("ben", "baseline"))
            for name in names
        ]
        figures = ratings.summarise(rows, scored(names), 200, 0)
        for share in (figures["preference"], figures["predicts"]["ssim"]):
            value = share["model" if "model" in share else "agrees"]
            assert value == 0.5 and 0.2 < share["low"] < 0.5 < share["high"] < 0.9

    def test_ties_are_counted_and_decide_no_preference(self):
        rows = [choice("ann", name, "model", "baseline", "tie") for name in "abcdef"]
        figures = ratings.summarise(rows, scored("abcdef"), 200, 0)
        assert figures["choices"]["count"] == figures["choices"]["ties"] == 6
        assert "preference" not in figures and "predicts" not in figures
        assert [one["score"] for one in figures["choices"]["methods"].values()] == [0, 0]

    def test_the_order_in_which_a_pair_was_shown_changes_nothing(self):
        names = "abcdefgh"
        winners = ["model", "model", "baseline", "tie"] * 2
        shown = [
            choice("ann", *one, "model", "baseline", w)
            for one, w in zip(names, winners, strict=True)
        ]
        turned = [row | {"run": row["against"], "against": row["run"]} for row in shown]
        turned += [row | {"rater": "ben"} for row in shown]
        figures = ratings.summarise(turned, scored(names), 200, 0)
        same = ratings.summarise(shown + turned[8:], scored(names), 200, 0)
        assert figures == same and figures["choices"]["agreement"] == 1
        assert figures["choices"]["methods"]["model"]["score"] > 0

    def test_what_a_contender_is_called_changes_no_figure(self):
        answers = [
            ("a", "model", "x", "x", "model"),
            ("b", "model", "x", "x", "x"),
            ("c", "model", "baseline", "model", "tie"),
            ("d", "x", "baseline", "baseline", "x"),
            ("e", "model", "baseline", "baseline", "baseline"),
        ]
        found = []
        for called in ("aaa", "zzz"):
            rows = [
                choice(rater, *(called if cell == "x" else cell for cell in (*asked, value)))
                for *asked, ann, ben in answers
                for rater, value in (("ann", ann), ("ben", ben))
            ]
            methods = {"model": 0.9, "baseline": 0.8, called: 0.7}
            figures = ratings.summarise(rows, scored("abcde", **methods), 200, 0)
            figures["choices"]["methods"]["x"] = figures["choices"]["methods"].pop(called)
            found.append(figures)
        assert found[0] == found[1] and found[0]["choices"]["agreement"] < 0.5

    def test_a_metric_that_people_follow_predicts_them_and_one_they_do_not_follow_does_not(self):
        rng = np.random.default_rng(0)
        rows, answers = [], []
        for number in range(12):
            quality = dict(zip(("model", "baseline", "other"), rng.permutation(3), strict=True))
            quality["model"] += 2
            for method, value in quality.items():
                row = {"id": f"p{number}", "image": f"p{number}", "sample": 0, "method": method}
                rows.append(
                    row | {"ssim": value / 9, "psnr": -float(value), "edge_seam": 9 - value}
                )
            for pair in (("model", "baseline"), ("other", "model"), ("baseline", "other")):
                best = max(pair, key=quality.get)
                if quality[pair[0]] != quality[pair[1]]:
                    answers.append(choice("ann", f"p{number}", *pair, best))
        predicts = ratings.summarise(answers, rows, 200, 0)["predicts"]
        assert predicts["ssim"]["agrees"] == predicts["edge_seam"]["agrees"] == 1
        assert predicts["psnr"]["agrees"] == 0
        assert predicts["ssim"]["correlation"] == -predicts["psnr"]["correlation"] > 0.4

    def test_scores_recover_known_strengths_in_95_of_100_data_sets(self):
        """Three raters, each with some taste of their own, see a random pair of each photograph."""
        methods, rng = ["a", "b", "c", "d"], np.random.default_rng(0)
        truth = np.array([0.8, 0.0, -0.3, -0.5])

        def answer(rater: int, taste: np.ndarray, photograph: int) -> strength.Choice:
            i, j = rng.choice(4, 2, replace=False)
            weights = np.exp([taste[i], taste[j], math.log(0.6) + (taste[i] + taste[j]) / 2])
            which = int(rng.choice(3, p=weights / weights.sum()))
            return strength.Choice(methods[i], methods[j], which, f"p{photograph}", f"r{rater}")

        hits, estimates = [], []
        for draw in range(240):
            tastes = rng.normal(0, 0.2, (3, 4))
            tastes += truth - tastes.mean(axis=1, keepdims=True)
            choices = [answer(r, tastes[r], photo) for photo in range(36) for r in range(3)]
            found = list(strength.scores(choices, methods, 60, draw).values())
            estimates.append([one["score"] for one in found])
            hits += [one["low"] <= t <= one["high"] for one, t in zip(found, truth, strict=True)]
        assert np.mean(hits) == pytest.approx(0.95, abs=0.02)
        assert np.mean(estimates, axis=0) == pytest.approx(truth, abs=0.06)

    def test_a_method_that_never_lost_has_a_finite_score(self):
        rows = [choice("ann", name, "model", "baseline", "model") for name in "abcdefgh"]
        found = ratings.summarise(rows, scored("abcdefgh"), 200, 0)["choices"]["methods"]
        assert 1 < found["model"]["score"] < 5 and found["model"]["high"] < 20


# Numbers of results that were made from none of the photographs.
APART = -1 - np.arange(1200)


class TestDistances:
    def test_frechet_distance_of_exact_gaussians_is_the_closed_form(self):
        """Points with exactly known mean and diagonal covariance: no sampling error is left."""
        corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * math.sqrt(3 / 4)
        real = corners * [2, 3] + [1, 5]
        made = corners * [4, 1] + [2, 3]
        expected = (1**2 + 2**2) + (2 - 4) ** 2 + (3 - 1) ** 2
        assert distances.frechet(real, made) == pytest.approx(expected, abs=1e-9)
        assert distances.frechet(real, real) == pytest.approx(0, abs=1e-9)

    def test_frechet_distance_of_correlated_gaussians_equals_the_matrix_root(self):
        rng = np.random.default_rng(1)
        real, made = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(50, 5))
        covariances = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
        root = sqrtm(covariances[0] @ covariances[1]).real
        offset = ((real.mean(0) - made.mean(0)) ** 2).sum()
        expected = offset + np.trace(covariances[0] + covariances[1] - 2 * root)
        assert distances.frechet(real, made) == pytest.approx(expected, rel=1e-9)

    def test_kernel_distance_is_unbiased_where_the_biased_estimate_is_not(self):
        """Two draws of one distribution: the mean over many small sets is 0 within its error."""
        rng = np.random.default_rng(2)
        draws = rng.normal(size=(600, 2, 8, 4))
        estimates = np.array([distances.kernel(x, y, APART[:8], seed=0) for x, y in draws])
        error = estimates.std() / math.sqrt(len(estimates))
        assert abs(estimates.mean()) < 3 * error
        diagonal = np.mean([((x * x).sum(1) / 4 + 1) ** 3 for x, _ in draws]) / 8
        assert diagonal > 20 * error

    def test_kernel_distance_of_large_sets_is_the_mean_over_subsets(self):
        rng = np.random.default_rng(3)
        real, made = rng.normal(size=(1100, 3)), rng.normal(0.5, 1, size=(1200, 3))
        whole = distances._unbiased_mmd(real, made, np.arange(1100), APART[:1200])
        found = distances.kernel(real, made, APART[:1200], seed=0)
        assert found == pytest.approx(whole, rel=0.05)
        assert found == distances.kernel(real, made, APART[:1200], seed=0)

    def test_kernel_distance_of_results_of_the_photographs_is_unbiased_too(self):
        """A photograph and its two results are nearly one point, all of one law."""
        rng = np.random.default_rng(2)
        paired = np.repeat(np.arange(16), 2)
        estimates = []
        for _ in range(600):
            around = rng.normal(size=(16, 8))
            real, made = (one + rng.normal(0, 0.1, one.shape) for one in (around, around[paired]))
            estimates.append(distances.kernel(real, made, paired, seed=0))
        error = np.std(estimates) / math.sqrt(len(estimates))
        assert abs(np.mean(estimates)) < 3 * error
        alone = distances._unbiased_mmd(real, made, np.arange(16), APART[:32])
        assert alone < -0.05

    def test_kernel_distance_by_hand(self):
        """Real–real 1.5³, made–made 1, real–made 8, 1, 8, 8, of which a pair leaves 1 and 8."""
        real, made = np.array([[1.0, 0], [1, 1]]), np.array([[2.0, 0], [0, 2]])
        apart = distances.kernel(real, made, APART[:2], seed=0)
        assert apart == pytest.approx(1.5**3 + 1 - 2 * 25 / 4)
        paired = distances.kernel(real, made, np.array([0, 1]), seed=0)
        assert paired == pytest.approx(1.5**3 + 1 - 2 * 9 / 2)

    def test_kernel_distance_of_unpaired_sets_is_that_of_torch_fidelity(self):
        """Its mmd2 of polynomial kernels of degree 3, γ = 1/D, coef0 = 1, written out."""
        x, y = np.random.default_rng(5).normal(size=(2, 30, 7))
        own, other, between = ((a @ b.T / 7 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        diagonals = np.trace(own) + np.trace(other)
        theirs = (own.sum() + other.sum() - diagonals) / (30 * 29) - 2 * between.sum() / 30**2
        assert distances.kernel(x, y, APART[:30], seed=0) == pytest.approx(theirs)

    def test_p_ids_holds_each_result_against_its_own_photograph(self):
        """The made are larger on average, so what is smaller is taken for more real."""
        real, made = np.array([[0.0], [1], [10]]), np.array([[5.0], [0.5], [11]])
        own, others = (distances.discrimination(real, one) for one in (made, made[::-1]))
        assert (own[0], others[0]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
        assert own[1] == pytest.approx(others[1])

    def test_discrimination_tells_apart_what_differs_and_nothing_else(self):
        rng = np.random.default_rng(4)
        real = rng.normal(size=(2000, 3))
        far = distances.discrimination(real, rng.normal(9, 1, size=(2000, 3)))
        same = distances.discrimination(real, rng.normal(size=(2000, 3)))
        assert far == (0, 0)
        assert same == (pytest.approx(0.5, abs=0.05), pytest.approx(0.5, abs=0.05))


class TestAgreement:
    """Where our numbers stand beside other libraries', and what makes the difference."""

    @pytest.fixture
    def pair(self):
        mask = box(96)
        return face(), noisy(face(), mask, 25), mask

    def test_scikit_image_defaults_use_another_window_and_covariance(self, pair):
        original, result, mask = pair
        ours = pixel.score(original, result, mask, RING)["ssim"]
        default = structural_similarity(original, result, channel_axis=2)
        luma = structural_similarity(
            rgb2gray(original) * 255,
            rgb2gray(result) * 255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
        assert 1e-4 < abs(default - ours) < 0.02
        assert 1e-4 < abs(luma - ours) < 0.05

    def test_torchmetrics_has_our_map_but_keeps_the_frame_in_its_mean(self, pair):
        import torch
        from torchmetrics.functional.image import structural_similarity_index_measure

        original, result, mask = pair
        tensors = (torch.tensor(one).permute(2, 0, 1)[None].double() for one in (result, original))
        theirs, full = structural_similarity_index_measure(
            *tensors, data_range=255.0, return_full_image=True
        )
        ours = pixel.score(original, result, mask, RING)["ssim"]
        inside = full[0, :, 5:-5, 5:-5].mean().item()
        assert inside == pytest.approx(ours, abs=1e-9)
        assert theirs.item() > ours + 1e-4

    def test_torchmetrics_pools_the_errors_of_all_images_unless_told_not_to(self, pair):
        import torch
        from torchmetrics.functional.image import peak_signal_noise_ratio

        original, result, mask = pair
        slightly = pasted(original, mask, 1)
        ours = [pixel.score(original, one, mask, RING)["psnr"] for one in (result, slightly)]
        results = torch.tensor(np.stack([result, slightly])).double()
        truths = torch.tensor(np.stack([original, original])).double()
        apart = peak_signal_noise_ratio(
            results, truths, data_range=255.0, dim=(1, 2, 3), reduction="elementwise_mean"
        )
        pooled = peak_signal_noise_ratio(results, truths, data_range=255.0)
        assert apart.item() == pytest.approx(np.mean(ours), abs=1e-5)
        assert pooled.item() < np.mean(ours) - 3


def test_self_consistency_is_one_for_the_same_picture_and_lower_for_a_worse_one():
    result, hidden = astronaut()[:48, 180:228], box()
    noise = np.random.default_rng(0).normal(0, 1, result.shape)
    slightly, badly = ((result + s * noise).clip(0, 255).astype(np.uint8) for s in (5, 40))
    assert consistency.score(result, [result], [hidden]) == 1
    one = consistency.score(result, [slightly], [hidden])
    two = consistency.score(result, [badly], [hidden])
    assert 1 > one > two
    assert consistency.score(result, [slightly, badly], [hidden] * 2) == pytest.approx(
        (one + two) / 2
    )
    elsewhere = result.copy()
    elsewhere[:1, :1] ^= 255
    assert consistency.score(result, [elsewhere], [hidden]) == 1
    assert consistency.score(result, [badly], [np.zeros_like(hidden)]) is None
