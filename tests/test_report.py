"""Figures, sheets, histograms, and the choice and embedding of what the review page shows."""

import csv
import io
import json
import re

import numpy as np
import pytest
import small_project
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from PIL import Image

import plot
from wizard import records
from wizard.metrics import summary
from wizard.metrics.learned import OF_A_RESULT as LEARNED
from wizard.report import histograms, pictures, review, scores, sheets


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small run with the plot stage's outputs."""
    folder = small_project.build(tmp_path_factory.mktemp("run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plot.main(folder / "params.yaml")
    return folder


def outputs(folder):
    kept = ("figures", "histograms", "review")
    return {p.name: p.read_bytes() for name in kept for p in (folder / "metrics" / name).iterdir()}


def island(folder):
    html = (folder / "metrics/review/index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def rows(values, column="ssim"):
    return [
        {"id": f"p{index:03d}", "sample": 0, "status": "ok", column: value}
        for index, value in enumerate(values)
    ]


def test_plot_writes_every_figure_under_its_fixed_name(project):
    names = {
        f"{name}.png"
        for name in ("distributions", "hole_fraction", "by_hole", "gains", "comparison")
    }
    assert set(outputs(project)) == names | {"ssim.csv", "psnr.csv", "index.html"}
    for name in names:
        with Image.open(project / "metrics/figures" / name) as figure:
            pixels = np.asarray(figure.convert("L"))
            assert figure.info.get("Software") is None
        assert pixels.shape[1] > 1000 and pixels.std() > 5


def test_same_inputs_give_the_same_bytes(project, monkeypatch):
    before = outputs(project)
    monkeypatch.chdir(project)
    plot.main(project / "params.yaml")
    assert outputs(project) == before


def test_ratings_get_a_figure_once_there_are_any(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    with open(tmp_path / "data/ratings.csv", "a") as file:
        for k, value in enumerate("245"):
            for run in ("model", "baseline"):
                file.write(f"ann,astronaut_mask{k:03d},{run},seamlessness,{value},\n")
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert "ratings.png" in outputs(tmp_path)


def test_without_a_reference_the_other_metrics_are_shown(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    path = tmp_path / "metrics/scores.csv"
    table = list(csv.DictReader(io.StringIO(path.read_text())))
    keys = ["id", "image", "mask", "method", "sample", "hole_fraction", "status"]
    lines = [",".join([*keys, "edge_step"])]
    lines += [
        ",".join([*(row[key] for key in keys), "1.5" if row["status"] == "ok" else ""])
        for row in table
        if row["method"] == "model"
    ]
    path.write_text("\n".join(lines) + "\n")
    means = {"count": 5, "images": 2, "edge_step": {"mean": 1.5}}
    (tmp_path / "metrics/by_hole.json").write_text(json.dumps({"all": means, "0.0-0.2": means}))
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    data = island(tmp_path)
    assert data["headline"] == "edge_step"
    assert {"original", "model", "baseline"} < set(data["results"][0]["views"])
    assert not any({"error", "roundtrip"} & set(one["views"]) for one in data["results"])
    made = outputs(tmp_path)
    assert made["ssim.csv"] == b"from,to,count,share\n" and "gains.png" not in made


@pytest.fixture
def figures(monkeypatch):
    """The figures' module, whose figures stay Matplotlib's instead of becoming PNG."""
    from wizard.report import figures

    monkeypatch.setattr(figures, "_png", lambda figure, dpi: figure)
    return figures


def measured(photographs):
    """Rows and by_hole.json of one result a photograph, the model ahead by 0.1."""
    table = [
        {"id": f"p{k}_mask000", "image": f"p{k}", "mask": 0, "method": method, "sample": 0}
        | {"hole_fraction": 0.3, "status": "ok", "ssim": first + step * k}
        for k in range(photographs)
        for method, first, step in (("model", 0.5, 0.01), ("baseline", 0.4, 0.012))
    ]
    return scores.wide(table), summary.by_hole(table, 0.2, resamples=200, seed=0)


def test_means_are_drawn_with_their_intervals_from_six_photographs_on(figures):
    for photographs, words in ((6, "95% intervals over photographs"), (5, "No 95% intervals")):
        table, bins = measured(photographs)
        figure = figures.distributions(table, bins["all"], 72)
        axis = figure.axes[0]
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        means = [bins["all"][name] for name in ("ssim", "baseline_ssim")]
        bands = [band for band in axis.patches if isinstance(band, Rectangle)]
        ends = [(mean["low"], mean["high"]) for mean in means if "low" in mean]
        assert len(ends) == (2 if photographs == 6 else 0)
        assert [(one.get_x(), one.get_x() + one.get_width()) for one in bands] == [
            pytest.approx(end) for end in ends
        ]
        assert labels[0].startswith(f"Model mean {means[0]['mean']:.3f}")
        assert ("[" in labels[0]) == (photographs == 6)
        assert f"{photographs} results of {photographs} photographs" in axis.get_title()
        assert words in figure.get_supxlabel()


def test_gains_are_drawn_with_their_paired_intervals(figures):
    _, bins = measured(8)
    axis = figures.gains(bins, 72).axes[0]
    (points,) = axis.containers
    assert points.lines[0].get_ydata()[0] == bins["all"]["gain_ssim"]["mean"]
    low, high = points.lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx([bins["all"]["gain_ssim"][end] for end in ("low", "high")])
    ticks = [tick.get_text() for tick in axis.get_xticklabels()]
    assert ticks == ["All\nN = 8\n(8 photos)", "20–40\nN = 8\n(8 photos)"]


def test_without_a_baseline_there_is_no_figure_of_gains(figures):
    assert figures.gains({"all": {"count": 1, "images": 1, "edge_step": {"mean": 1}}}, 72) is None


def test_the_sheet_has_no_column_for_what_no_example_has(figures):
    view = np.zeros((8, 8, 3), np.uint8)
    example = dict.fromkeys(("original", "masked", "model", "baseline"), view) | {"title": "Worst"}
    titles = [axis.get_title() for axis in figures.comparison([example], 72).axes]
    assert titles == ["Original", "Masked", "Model", "Baseline"]
    sheet = figures.comparison([example, example | {"error": view}], 72)
    assert "Difference" in [axis.get_title() for axis in sheet.axes]
    assert "levels of 255" in sheet.axes[-1].get_ylabel()


def test_a_table_without_any_score_is_told_in_one_line(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    (tmp_path / "metrics/scores.csv").write_text(
        "id,image,mask,method,sample,status\na,a,0,model,0,failed\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"holds no metric of any result"):
        plot.main(tmp_path / "params.yaml")


def test_a_cell_that_is_no_number_is_named(tmp_path):
    (tmp_path / "scores.csv").write_text("id,mask,sample,status,ssim\na,0,0,ok,high\n")
    with pytest.raises(ValueError, match=r"scores.csv:2: column ssim: 'high' is no number"):
        scores.read(tmp_path / "scores.csv")


@pytest.mark.parametrize("learned", LEARNED)
def test_every_learned_metric_has_a_name_and_a_direction(learned):
    metric = scores.metric(f"baseline_learned_{learned}")
    assert metric.label.startswith("Baseline: ") and metric.direction in ("higher", "lower")


def test_worst_first_follows_the_direction_of_the_metric():
    assert [r["ssim"] for r in scores.badness(rows([0.9, 0.1, 0.5]), "ssim")] == [0.1, 0.5, 0.9]
    worst = scores.badness(rows([1, 30, 5], "hole_mae"), "hole_mae")
    assert [r["hole_mae"] for r in worst] == [30, 5, 1]
    worst = scores.badness(rows([1.1, 0.2, 3], "hole_sharpness"), "hole_sharpness")
    assert [r["hole_sharpness"] for r in worst] == [3, 0.2, 1.1]
    worst = scores.badness(rows([-8.7, 0.5, 3], "edge_step"), "edge_step")
    assert [r["edge_step"] for r in worst] == [-8.7, 3, 0.5]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 40), st.integers(0, 5))
def test_choice_is_bounded_has_no_doubles_and_keeps_worst_and_best(values, count, seed):
    table = rows(values)
    chosen = review.choose(table, count, seed)
    names = [row["id"] for _, row in chosen]
    assert len(names) == len(set(names)) == min(count, len(values))
    picked = [row["ssim"] for _, row in chosen]
    assert min(values) in picked
    if count >= 4:
        assert max(values) in picked


def test_choice_shows_failed_results_beside_the_scored():
    table = rows(np.linspace(0, 1, 100)) + [{"id": "x", "status": "failed", "sample": 0}]
    reasons = [reason for reason, _ in review.choose(table, 40, 0)]
    assert reasons.count("failed") == 1 and len(reasons) == 40
    assert {"worst", "median", "best", "random"} < set(reasons)
    assert review.choose(table, 40, 0) != review.choose(table, 40, 1)


def test_embedded_pictures_keep_the_budget_and_share_one_size():
    rng = np.random.default_rng(0)
    noise = {name: rng.integers(0, 256, (700, 700, 3), dtype=np.uint8) for name in "ab"}
    small = review.embed(noise, 60_000)
    assert sum(len(url) for url in small.values()) * 3 / 4 < 60_100
    large = review.embed(noise, 10_000_000)
    assert len(large["a"]) > len(small["a"])


def test_a_page_of_four_hundred_photographs_stays_below_15_mb():
    rng = np.random.default_rng(0)
    noise = {name: rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for name in "abcde"}
    count = 400
    encoded = review.embed(noise, review.PICTURE_BYTES // count)
    assert count * sum(map(len, encoded.values())) < 15_000_000


def test_text_of_others_cannot_leave_the_data_island(project):
    html = (project / "metrics/review/index.html").read_text(encoding="utf-8")
    assert html.count("<script") == 2 and html.count("</script>") == 2
    assert small_project.HOSTILE not in html and "alert('title')</script>" not in html
    facts = island(project)["results"][0]["facts"]
    assert facts["File"] == small_project.HOSTILE and facts["Title"] == small_project.TITLE


def test_the_page_names_no_address(project):
    html = (project / "metrics/review/index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html


def test_failed_results_are_on_the_page_with_their_reason(project):
    failed = [one for one in island(project)["results"] if one["status"] == "failed"]
    assert [one["id"] for one in failed] == ["helmet_mask002"]
    assert failed[0]["views"] == {}


def test_histogram_bins_are_fixed_and_complete():
    table = histograms.histogram([0.701, 0.709, 0.72, 0.745], 0.01).decode()
    lines = [list(line.values()) for line in csv.DictReader(io.StringIO(table))]
    assert lines == [
        ["0.7", "0.71", "2", "50.0000"],
        ["0.71", "0.72", "0", "0.0000"],
        ["0.72", "0.73", "1", "25.0000"],
        ["0.73", "0.74", "0", "0.0000"],
        ["0.74", "0.75", "1", "25.0000"],
    ]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_histogram_counts_every_value_once(values):
    table = csv.DictReader(io.StringIO(histograms.histogram(values, 0.01).decode()))
    assert sum(int(line["count"]) for line in table) == len(values)


def test_dvc_template_fills_with_our_columns():
    from dvc_render.vega import VegaRenderer

    template_dir = small_project.PARAMS.parent / ".dvc/plots"
    points = [
        {"from": "0.7", "to": "0.71", "count": "2", "share": "100", "rev": rev} for rev in "ab"
    ]
    renderer = VegaRenderer(
        points, "ssim", template="histogram", template_dir=str(template_dir), x="from", y="share"
    )
    filled = json.dumps(renderer.get_filled_template())
    assert "<DVC_METRIC" not in filled and '"field": "share"' in filled


def test_error_map_is_black_without_error_and_brightens_with_it():
    original = np.zeros((4, 4, 3), np.uint8)
    result = original.copy()
    result[0, 0], result[0, 1] = 20, 64
    shown = pictures.error_map(original, result).astype(int).sum(axis=2)
    assert shown[0, 1] > shown[0, 0] > shown[3, 3]
    assert shown[3, 3] < 10


def test_masked_hides_the_hole_and_nothing_else():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[4:20, 6:18] = True
    other = image.copy()
    other[mask] = 7
    assert np.array_equal(pictures.masked(image, mask)[~mask], image[~mask])
    assert np.array_equal(pictures.masked(image, mask), pictures.masked(other, mask))


def test_mask_sheet_tints_the_holes_of_every_tile():
    image, mask = np.full((50, 50, 3), 90, np.uint8), np.zeros((50, 50), bool)
    mask[10:40, 10:40] = True
    plain = sheets.mask_sheet([image] * 3, [~mask & mask] * 3, ["a" * 80, "b", "c"], columns=2)
    tinted = sheets.mask_sheet([image] * 3, [mask] * 3, ["a" * 80, "b", "c"], columns=2)
    assert plain.shape == tinted.shape == (2 * (160 + 20 + 8) + 8, 2 * (160 + 8) + 8, 3)
    share = (plain != tinted).any(axis=2).sum() / (3 * 160 * 160)
    assert 0.35 < share < 0.45
    with pytest.raises(ValueError, match="3 images, 2 masks"):
        sheets.mask_sheet([image] * 3, [mask] * 2, ["a", "b", "c"])


def test_a_result_has_one_name_and_a_sample_another():
    assert review.name_of({"id": "a_mask000", "sample": 0}) == "a_mask000"
    assert review.name_of({"id": "a_mask000", "sample": 2}) == "a_mask000_sample02"


def test_the_seed_decides_sides_and_order(project):
    results = island(project)["results"]
    assert sorted(one["turn"] for one in results) == list(range(len(results)))
    expected = [records.seed(0, "side", one["name"]) % 2 == 0 for one in results]
    assert [one["model_first"] for one in results] == expected
