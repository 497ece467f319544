"""The words that several rooms share."""

import math

import numpy as np
import pytest

from wizard import metrics, names


def test_every_number_of_a_result_has_a_label_and_a_best_value():
    """A metric that is measured without its line in METRICS could be neither sorted nor ranked."""
    rng = np.random.default_rng(0)
    original, result = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[8:20, 8:20] = True
    measured = metrics.score(original, result, mask, 4) | metrics.score(None, result, mask, 4)
    assert len(measured) >= 12
    for name in measured:
        assert names.METRICS[name].best is not None, name


@pytest.mark.parametrize(
    ("column", "better", "worse", "direction"),
    [
        ("ssim", 0.9, 0.1, "higher"),
        ("hole_mae", 1, 30, "lower"),
        ("edge_seam", 0.5, -8.7, "nearest to 0"),
        ("hole_sharpness", 1.1, 0.2, "nearest to 1"),
    ],
)
def test_a_loss_is_less_for_the_better_value(column, better, worse, direction):
    metric = names.metric(column)
    assert metric.loss(better) < metric.loss(worse)
    assert metric.direction == direction
    assert (
        metric.loss(np.array([better, worse])) == [metric.loss(better), metric.loss(worse)]
    ).all()


def test_a_metric_without_a_best_value_has_no_loss():
    assert names.metric("hole_fraction").direction == ""
    with pytest.raises(ValueError, match="Hole fraction: no value is better than another"):
        names.metric("hole_fraction").loss(0.5)


def test_numbers_keep_what_another_machine_reproduces():
    assert names.metric("psnr").rounded(19.28301) == 19.28
    assert names.metric("ssim").rounded(0.77842) == 0.778
    assert math.copysign(1, names.metric("ssim").rounded(-1e-9)) == 1


@pytest.mark.parametrize(
    ("changes", "model", "baseline"),
    [
        ({}, "face-tiny", "telea"),
        ({"model": "someone/inpainting/"}, "inpainting", "telea"),
        ({"backend": "telea"}, "telea (model)", "telea (baseline)"),
        ({"baseline": "biharmonic"}, "face-tiny", "biharmonic (baseline)"),
        ({"contenders": {"face-tiny": {}}}, "face-tiny (model)", "telea"),
    ],
)
def test_no_two_methods_are_called_alike(changes, model, baseline):
    inpaint = {"backend": "diffusers", "model": "data/models/face-tiny", "baseline": "telea"}
    called = names.called(inpaint | {"contenders": {"biharmonic": {}, "mean": {}}} | changes)
    assert called == {"model": model, "baseline": baseline}


def test_methods_stand_in_one_order():
    assert names.in_order(["raw", "b", "baseline", "a", "b", "roundtrip", "model"]) == [
        "model",
        "baseline",
        "b",
        "a",
        "roundtrip",
        "raw",
    ]


def test_parts_of_file_names():
    assert names.result(names.hole("cat", 3), 0) == "cat_mask003"
    assert names.result(names.hole("cat", 3), 2) == "cat_mask003_sample02"
