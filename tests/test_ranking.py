"""Which method is best: distances, ranks, wins, and how sure they are."""

import csv
import io
import math

import numpy as np
import pytest

from wizard.metrics import ranking, tables
from wizard.names import HIGHER, Metric

METHODS = ("model", "baseline", "other")


def rows_of(values: dict[str, list], metric: str = "ssim", holes: int = 1) -> list[dict]:
    """One row per hole and method; ``values`` are those of a method hole by hole."""
    return [
        {"id": f"p{k // holes}_mask{k % holes:03d}", "image": f"p{k // holes}", "mask": k % holes}
        | {"method": method, "sample": 0, "hole_fraction": 0.3, "status": "ok", metric: value}
        for method, of_method in values.items()
        for k, value in enumerate(of_method)
    ]


def figures(rows: list[dict], metric: str = "ssim") -> dict[str, dict]:
    return ranking.rank(rows, {}, 0.2, resamples=400, seed=0)["all"]["metrics"][metric]


def test_the_best_mean_is_first_and_the_others_lie_behind_it():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.1, 20)
    values = {
        method: (0.7 + gain + common + rng.normal(0, 0.001, 20)).tolist()
        for method, gain in zip(METHODS, (0, 0.01, -0.02), strict=True)
    }
    found = figures(rows_of(values))
    assert {method: found[method]["rank"] for method in METHODS} == {
        "baseline": 1,
        "model": 2,
        "other": 3,
    }
    assert found["baseline"]["behind"] == 0 and "behind_low" not in found["baseline"]
    # Photographs differ by far more than methods: only a paired interval can tell them apart.
    assert found["model"]["high"] - found["model"]["low"] > 0.05
    assert 0.008 < found["model"]["behind_low"] < found["model"]["behind_high"] < 0.012
    assert (found["other"]["rank_low"], found["other"]["rank_high"]) == (3, 3)
    assert found["baseline"]["wins"] == 1


@pytest.mark.parametrize(
    ("metric", "values", "first"),
    [
        ("hole_mae", {"model": [9.0] * 6, "baseline": [3.0] * 6}, "baseline"),
        ("edge_seam", {"model": [-8.7] * 6, "baseline": [2.0] * 6}, "baseline"),
        ("edge_seam", {"model": [-8.0, 8.0] * 3, "baseline": [3.0] * 6}, "baseline"),
        ("hole_sharpness", {"model": [1.9] * 6, "baseline": [0.5] * 6}, "baseline"),
    ],
)
def test_the_best_value_of_a_metric_tells_who_is_first(metric, values, first):
    found = figures(rows_of(values, metric), metric)
    assert found[first]["rank"] == 1 and found[first]["wins"] == 1
    assert all(one["behind"] > 0 for method, one in found.items() if method != first)


def test_two_equal_methods_are_called_different_in_five_draws_of_a_hundred(monkeypatch):
    """2,000 draws of 30 photographs, each a metric of its own in one ranking."""
    draws = {f"draw{number}": Metric("", "", HIGHER, 9) for number in range(2000)}
    monkeypatch.setattr(ranking, "METRICS", draws)
    rng = np.random.default_rng(1)
    rows = rows_of({"model": [None] * 30, "baseline": [None] * 30})
    for number in range(30):
        common = rng.normal(0, 3, 2000)
        for row in (rows[number], rows[30 + number]):
            row |= dict(zip(draws, common + rng.normal(0, 1, 2000), strict=True))
    found = ranking.rank(rows, {}, 0.2, resamples=600, seed=0)["all"]["metrics"]
    second = [max(one.values(), key=lambda figures: figures["rank"]) for one in found.values()]
    assert np.mean([one["behind_low"] > 0 for one in second]) == pytest.approx(0.05, abs=0.015)


def test_a_method_gains_nothing_by_failing_where_it_is_hard():
    rows = rows_of({"model": [0.9, 0.9, 0.1, 0.1], "baseline": [0.8, 0.8, 0.2, None]})
    found = figures(rows)
    assert (found["model"]["mean"], found["model"]["count"]) == (0.5, 4)
    assert (found["baseline"]["mean"], found["baseline"]["count"]) == (0.6, 3)
    assert found["model"]["rank"] == 1
    assert found["baseline"]["behind"] == pytest.approx(0.1 / 3, abs=1e-4)


def test_a_method_that_a_metric_does_not_measure_keeps_no_other_from_its_rank():
    """Self-consistency is of model and baseline alone."""
    values = {"other": [None] * 8, "model": [0.9] * 8, "baseline": [0.8] * 8}
    rows = [row | {"psnr": 20.0} for row in rows_of(values, "self_consistency")]
    found = ranking.rank(rows, {}, 0.2, 200, 0)["all"]["metrics"]
    assert found["self_consistency"].keys() == {"model", "baseline"}
    assert [found["self_consistency"][name]["rank"] for name in ("model", "baseline")] == [1, 2]
    assert found["self_consistency"]["baseline"]["behind_low"] == 0.1
    assert found["psnr"].keys() == {"model", "baseline", "other"}


def test_few_holes_in_common_leave_a_range_of_ranks():
    """Six of 60 photographs: of 2,000 resamples some draw none of them."""
    rng = np.random.default_rng(0)
    values = {"model": rng.random(60).tolist(), "baseline": [*rng.random(6), *[None] * 54]}
    found = ranking.rank(rows_of(values), {}, 0.2, 2000, 0)["all"]["metrics"]["ssim"]
    assert [(one["rank_low"], one["rank_high"]) for one in found.values()] == [(1, 2), (1, 2)]


def test_a_tie_is_a_share_of_the_win_for_each_and_one_rank():
    found = figures(rows_of({"model": [0.5] * 4, "baseline": [0.5] * 4, "other": [0.4] * 4}))
    assert [found[method]["wins"] for method in METHODS] == [0.5, 0.5, 0]
    assert [found[method]["rank"] for method in METHODS] == [1, 1, 3]


def test_photographs_win_not_holes():
    found = figures(rows_of({"model": [0.9, 0.1, 0.1, 0.4], "baseline": [0.2] * 4}, holes=2))
    assert found["model"]["wins"] == 1


def test_below_six_photographs_there_is_no_interval_and_no_range_of_ranks():
    found = figures(rows_of({"model": [0.5] * 10, "baseline": [0.4] * 10}, holes=2))
    assert found["baseline"].keys() == {"mean", "count", "rank", "behind", "wins"}


def test_several_samples_count_as_their_mean():
    rows = rows_of({"model": [0.4] * 6, "baseline": [0.5] * 6})
    rows += [row | {"sample": 1, "ssim": 0.8} for row in rows if row["method"] == "model"]
    found = figures(rows)
    assert found["model"]["mean"] == 0.6 and found["model"]["count"] == 6


def test_hole_sizes_are_ranked_apart_and_auxiliary_runs_not_at_all():
    rows = rows_of({"model": [0.9, 0.3] * 6, "baseline": [0.5] * 12, "roundtrip": [1] * 12})
    for row in rows:
        row["hole_fraction"] = 0.1 if int(row["image"][1:]) % 2 else 0.5
    found = ranking.rank(rows, {("baseline", "learned_fid"): 12.345}, 0.2, 200, 0)
    assert list(found) == ["all", "0.0-0.2", "0.4-0.6"]
    places = {name: one["metrics"]["ssim"]["model"]["rank"] for name, one in found.items()}
    assert places == {"all": 1, "0.0-0.2": 2, "0.4-0.6": 1}
    assert found["all"]["metrics"]["ssim"].keys() == {"model", "baseline"}
    assert found["all"]["metrics"]["learned_fid"] == {"baseline": {"mean": 12.35, "rank": 1}}


@pytest.fixture
def ranked():
    rng = np.random.default_rng(0)
    values = {method: rng.normal(0.5, 0.1, 8).tolist() for method in ("model", "a|b_50%")}
    return ranking.rank(rows_of(values), {}, 0.2, 200, 0)


def test_the_table_holds_every_figure_of_the_ranking(ranked):
    table = list(csv.DictReader(io.StringIO(tables.to_csv(ranked).decode())))
    assert [row["rank"] for row in table] == ["1", "2"]
    for row in table:
        for name, value in ranked["all"]["metrics"]["ssim"][row["method"]].items():
            assert float(row[name]) == value


def test_the_table_of_costs_has_what_was_measured_and_by_whom():
    model = {"seconds_per_image": 0.15123, "peak_memory_mb": 900, "machine": "A|B GPU"}
    table = tables.costs({"model": model, "baseline": {"filled": 0}}, {"model": "face-tiny"})
    assert table.splitlines() == [
        "| method | s/image | MB | machine |",
        "| --- | --: | --: | --- |",
        "| face-tiny | 0.151 | 900 | A\\|B GPU |",
    ]


def test_names_of_methods_break_no_table(ranked):
    text = tables.to_markdown(ranked, {"model": "face-tiny"})
    cells = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in cells}) == 1
    assert "a\\|b_50%" in text and "face-tiny" in text and "model" not in text
    latex = tables.to_latex(ranked, {})
    assert r"a|b\_50\%" in latex and latex.count(r"\begin{tabular}") == 1


def test_the_verdict_says_who_is_better_by_how_much_or_that_nobody_is():
    clear = ranking.rank(
        rows_of({"model": [0.5] * 8, "baseline": np.linspace(0.3, 0.4, 8).tolist()}),
        {},
        0.2,
        200,
        0,
    )
    line = tables.verdict(clear, "ssim", {"model": "face-tiny", "baseline": "telea"})
    behind = clear["all"]["metrics"]["ssim"]["baseline"]
    assert line == (
        "SSIM: face-tiny is better than telea by "
        f"{behind['behind']:.4f} [{behind['behind_low']:.4f}, {behind['behind_high']:.4f}]"
    )
    mixed = ranking.rank(rows_of({"model": [0.5] * 8, "baseline": [0.3, 0.7] * 4}), {}, 0.2, 200, 0)
    assert "cannot be told apart" in tables.verdict(mixed, "ssim", {})
    few = ranking.rank(rows_of({"model": [0.5] * 2, "baseline": [0.4] * 2}), {}, 0.2, 200, 0)
    assert tables.verdict(few, "ssim", {}) == (
        "SSIM: model is better than baseline by 0.1000 (2 photographs are too few for an interval)"
    )
    common = ranking.rank(
        rows_of({"model": [0.5] * 8, "baseline": [0.4] * 5 + [None] * 3}), {}, 0.2, 200, 0
    )
    assert tables.verdict(common, "ssim", {}) == (
        "SSIM: model is better than baseline by 0.1000 "
        "(too few photographs in common for an interval)"
    )
    for photographs in (2, 8):
        values = dict.fromkeys(("model", "baseline"), [0.5] * photographs)
        equal = ranking.rank(rows_of(values), {}, 0.2, 200, 0)
        line = tables.verdict(equal, "ssim", {})
        assert line.startswith("SSIM: model and baseline cannot be told apart: 0.0000")


def test_every_number_of_the_ranking_is_finite(ranked):
    for figures in ranked["all"]["metrics"]["ssim"].values():
        assert all(math.isfinite(value) for value in figures.values())
