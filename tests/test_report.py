"""Figures, sheets, histograms, and the choice and embedding of what the review page shows."""

import base64
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
from wizard import images, names, params, records
from wizard.console import BadSetting
from wizard.metrics import OF_A_RESULT, summary
from wizard.report import histograms, pictures, review, scores, sheets

KINDS = ("png", "pdf")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small run with the plot stage's outputs."""
    folder = small_project.build(tmp_path_factory.mktemp("run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plot.main(folder / "params.yaml")
    return folder


def test_the_page_shows_a_source_without_its_secrets(project):
    everything = params.load(project / "params.yaml")
    fetch = everything.fetch.model_copy(update={"source": "https://a:b@host/my x.zip?sig=5ecret"})
    settings = plot.shown_settings(everything.model_copy(update={"fetch": fetch}))
    assert settings["fetch"]["source"] == "https://host/my x.zip"


def outputs(folder):
    kept = ("figures", "pdf", "histograms", "review")
    return {p.name: p.read_bytes() for name in kept for p in (folder / "metrics" / name).iterdir()}


def island(folder):
    html = (folder / "metrics/review/index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def rows(values, column="ssim"):
    return [
        {"id": f"p{index:03d}", "method": "model", "sample": 0, "status": "ok", column: value}
        for index, value in enumerate(values)
    ]


def test_plot_writes_its_figures_under_fixed_names(project):
    """Of five results: no histogram and no cloud of points, which they are too few for."""
    names = {
        f"{name}.{kind}" for name in ("ranking", "by_hole", "gains", "comparison") for kind in KINDS
    }
    assert set(outputs(project)) == names | {"ssim.csv", "psnr.csv", "index.html"}
    for name in names:
        if name.endswith(".pdf"):
            assert outputs(project)[name].startswith(b"%PDF")
            continue
        with Image.open(project / "metrics/figures" / name) as figure:
            pixels = np.asarray(figure.convert("L"))
            assert figure.info.get("Software") is None
        assert pixels.shape[1] > 1000 and pixels.std() > 5


def test_points_are_counted_for_the_model_whose_samples_are_more(figures):
    table, _ = measured(6)
    table = [row | {"hole_fraction": 0.1 * int(row["image"][1:])} for row in table]
    table += [row | {"sample": 1} for row in table if row["method"] == "model"]
    figure = figures.hole_fraction(table, LABELS)
    assert figure.get_supxlabel() == "One point per result; N = 12 of face-tiny"


def test_a_dozen_results_have_distributions_and_a_cloud_of_points(tmp_path, monkeypatch):
    small_project.build(tmp_path, per_photo=7)
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert {"distributions.png", "hole_fraction.png"} < outputs(tmp_path).keys()


def test_same_inputs_give_the_same_bytes(project, monkeypatch):
    before = outputs(project)
    monkeypatch.chdir(project)
    plot.main(project / "params.yaml")
    assert outputs(project) == before


@pytest.mark.parametrize("rated", [4, 5])
def test_ratings_get_a_figure_from_ten_rated_results_on(tmp_path, monkeypatch, rated):
    small_project.build(tmp_path)
    (tmp_path / "data/ratings").mkdir()
    holes = [f"{name}_mask{k:03d}" for name in ("astronaut", "helmet") for k in range(3)]
    with open(tmp_path / "data/ratings/ann.csv", "w") as file:
        file.write("rater,id,sample,run,against,criterion,value,note\n")
        for k, hole in enumerate(holes[:rated]):
            for run in ("model", "baseline"):
                file.write(f"ann,{hole},0,{run},,seamlessness,{1 + k},\n")
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert ("ratings.png" in outputs(tmp_path)) == (2 * rated >= 10)


def test_without_a_reference_the_other_metrics_are_shown(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    path = tmp_path / "metrics/scores.csv"
    table = list(csv.DictReader(io.StringIO(path.read_text())))
    keys = ["id", "image", "mask", "method", "sample", "hole_fraction", "status"]
    lines = [",".join([*keys, "edge_step"])]
    lines += [
        ",".join([*(row[key] for key in keys), "1.5" if row["status"] == "ok" else ""])
        for row in table
        if row["method"] != "roundtrip"
    ]
    path.write_text("\n".join(lines) + "\n")
    means = {"count": 5, "images": 2, "edge_step": {"mean": 1.5}}
    (tmp_path / "metrics/by_hole.json").write_text(json.dumps({"all": means, "0.0-0.2": means}))
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    data = island(tmp_path)
    assert data["headline"] == "edge_step"
    assert {"original", "model", "baseline"} < set(data["results"][0]["views"])
    assert not any("error" in one["views"] for one in data["results"])
    made = outputs(tmp_path)
    assert made["ssim.csv"] == b"from,to,count,share\n" and "gains.png" not in made


def test_an_example_of_which_one_sample_failed_is_shown_without_it(tmp_path, monkeypatch):
    small_project.build(tmp_path, samples=2)
    small_project.fail(tmp_path, lambda _, method, sample: method == "model" and sample == 0)
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert "comparison.png" in outputs(tmp_path)
    views = island(tmp_path)["results"][0]["views"]
    assert views["model"][0] is None and views["model"][1] and views["error"][0] is None


def test_where_the_model_failed_everywhere_there_is_no_example(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    small_project.fail(tmp_path, lambda _, method, __: method == "model")
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert "comparison.png" not in outputs(tmp_path)
    shown = island(tmp_path)["results"]
    assert {one["status"] for one in shown} == {"failed"} and "baseline" in shown[0]["views"]


@pytest.mark.parametrize("how", ["unreadable", "another size"])
def test_a_picture_that_evaluate_could_not_use_stops_no_other(tmp_path, monkeypatch, how):
    small_project.build(tmp_path)
    path = tmp_path / "data/inpainted/model/helmet_mask000.png"
    small = images.encode(np.zeros((8, 8, 3), np.uint8))
    path.write_bytes(b"no picture" if how == "unreadable" else small)
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    shown = {one["id"]: one["views"] for one in island(tmp_path)["results"]}
    assert "model" not in shown["helmet_mask000"] and "baseline" in shown["helmet_mask000"]
    assert {"model", "error"} < shown["helmet_mask001"].keys()


@pytest.mark.parametrize("name", ["images", "masks"])
def test_scores_of_an_older_manifest_are_told_in_one_line(tmp_path, monkeypatch, name):
    small_project.build(tmp_path)
    path = tmp_path / f"data/{name}.jsonl"
    records.write(path, [row for row in records.read(path) if not row["id"].startswith("helmet")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSetting, match=r"scores.csv: helmet_mask000 is not in .* evaluate again"):
        plot.main(tmp_path / "params.yaml")


@pytest.fixture
def figures():
    """The figures' module."""
    from wizard.report import figures

    return figures


def measured(photographs, holes=1):
    """Rows and by_hole.json of some results of each photograph, the model ahead by 0.1."""
    table = [
        {"id": f"p{k}_mask{hole}", "image": f"p{k}", "mask": hole, "method": method, "sample": 0}
        | {"hole_fraction": 0.3, "status": "ok", "ssim": first + step * k}
        for k in range(photographs)
        for hole in range(holes)
        for method, first, step in (("model", 0.5, 0.01), ("baseline", 0.4, 0.012))
    ]
    return table, summary.by_hole(table, 0.2, resamples=200, seed=0)


LABELS = {"model": "face-tiny", "baseline": "telea"}


@pytest.mark.parametrize("photographs", [3, 12])
def test_means_are_drawn_with_their_intervals_where_there_are_photographs_enough(
    figures, photographs
):
    table, bins = measured(photographs, holes=12 // photographs)
    figure = figures.distributions(table, bins["all"], LABELS)
    axis = figure.axes[0]
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    means = [bins["all"][name] for name in ("ssim", "baseline_ssim")]
    bands = [band for band in axis.patches if isinstance(band, Rectangle)]
    ends = [(mean["low"], mean["high"]) for mean in means if "low" in mean]
    assert len(ends) == (2 if photographs == 12 else 0)
    assert [(one.get_x(), one.get_x() + one.get_width()) for one in bands] == [
        pytest.approx(end) for end in ends
    ]
    assert labels[0].startswith(f"face-tiny mean {means[0]['mean']:.3f}")
    assert ("[" in labels[0]) == (photographs == 12)
    assert f"12 results of {photographs} photographs" in axis.get_title()
    words = "95% intervals over photographs" if ends else "No 95% intervals"
    assert words in figure.get_supxlabel()


def test_what_only_the_raw_output_has_gets_no_panel(figures):
    table = [
        {"id": f"p{k}_mask000", "image": f"p{k}", "mask": 0, "method": method, "sample": 0}
        | {"status": "ok", "hole_fraction": 0.02 * k, "edge_step": k, "outside_psnr": outside}
        for k in range(12)
        for method, outside in (("model", None), ("raw", 30.0 + k))
    ]
    bins = summary.by_hole(table, 0.2, resamples=100, seed=0)
    labels = {"model": "face-tiny", "raw": "Model before paste-back"}
    for figure in (
        figures.distributions(table, bins["all"], labels),
        figures.hole_fraction(table, labels),
    ):
        words = [axis.get_xlabel() + axis.get_ylabel() for axis in figure.axes if axis.axison]
        assert len(words) == 1 and "Seam against the surroundings" in words[0]


def test_gains_of_one_bin_are_drawn_result_by_result_with_their_mean(figures):
    table, bins = measured(8)
    axis = figures.gains(table, bins, LABELS).axes[0]
    own = [row["ssim"] for row in table if row["method"] == "model"]
    beside = [row["ssim"] for row in table if row["method"] == "baseline"]
    drawn = max(axis.lines, key=lambda line: len(line.get_ydata())).get_ydata()
    assert drawn == pytest.approx(sorted(np.subtract(own, beside)))
    gain = bins["all"]["gain_ssim"]
    (band,) = [one for one in axis.patches if isinstance(one, Rectangle)]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(
        (gain["low"], gain["high"])
    )
    assert axis.get_title().startswith(f"mean {gain['mean']:+.3f} [")


def test_gains_are_drawn_by_hole_size_with_their_paired_intervals(figures):
    table, _ = measured(8)
    table = [row | {"hole_fraction": 0.1 if row["image"] < "p4" else 0.3} for row in table]
    bins = summary.by_hole(table, 0.2, resamples=200, seed=0)
    axis = figures.gains(table, bins, LABELS).axes[0]
    (points,) = axis.containers
    assert points.lines[0].get_ydata()[0] == bins["all"]["gain_ssim"]["mean"]
    low, high = points.lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx([bins["all"]["gain_ssim"][end] for end in ("low", "high")])
    ticks = [tick.get_text() for tick in axis.get_xticklabels()]
    assert ticks == [
        "All\nN = 8\n(8 photos)",
        *(f"{b}\nN = 4\n(4 photos)" for b in ("0–20", "20–40")),
    ]


def test_figures_that_would_show_nothing_are_left_out(figures):
    blind = {"all": {"count": 1, "images": 1, "edge_step": {"mean": 1}}}
    assert figures.gains([], blind, LABELS) is None
    table, bins = measured(12)
    assert figures.by_hole(bins, LABELS) is None  # a single bin
    assert figures.hole_fraction(table, LABELS) is None  # a single size of hole
    assert figures.distributions(table[:22], bins["all"], LABELS) is None  # eleven results
    assert figures.ranking({"metrics": {"ssim": {"model": {"mean": 1}}}}, LABELS) is None
    assert figures.cost({"metrics": {}}, {}, LABELS) is None


def test_the_ranking_has_the_best_on_top_with_its_range_of_ranks(figures):
    labels = LABELS | {"mean": "mean"}
    ssim = {
        "model": {"mean": 0.8, "low": 0.7, "high": 0.9, "rank": 2, "rank_low": 1, "rank_high": 2},
        "baseline": {"mean": 0.85, "rank": 1},
        "mean": {"mean": 0.2, "rank": 3},
    }
    figure = figures.ranking({"holes": 9, "images": 3, "metrics": {"ssim": ssim}}, labels)
    axis = figure.axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["mean", "face-tiny", "telea"]
    assert [text.get_text() for text in axis.texts] == ["3", "1–2", "1", "rank"]
    assert "9 holes of 3 photographs" in figure.get_supxlabel()


def test_the_front_holds_what_no_other_beats_in_both(figures):
    from wizard.report.figures.methods import pareto

    points = {"slow": (9, 1), "quick": (1, 5), "worse": (2, 6), "middle": (3, 3), "same": (4, 3)}
    assert pareto(points) == ["quick", "middle", "slow"]
    means = {name: {"mean": -loss} for name, (_, loss) in points.items()}
    figure = figures.cost(
        {"metrics": {"ssim": means}},
        {name: seconds for name, (seconds, _) in points.items()},
        {name: name for name in points},
    )
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[1:] == ["slow *", "quick *", "worse", "middle *", "same"]


def test_the_front_is_that_of_the_ranking_where_a_number_is_best(figures):
    """Seams of −8 and 8 have a mean of 0 and are 5 levels behind seams of 3."""
    seams = {"model": {"mean": 0.0, "behind": 5.0}, "baseline": {"mean": 3.0, "behind": 0.0}}
    seconds = {"model": 1.0, "baseline": 0.5}
    figure = figures.cost({"metrics": {"edge_step": seams}}, seconds, LABELS)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[1:] == ["face-tiny", "telea *"]


def test_people_are_drawn_from_ten_choices_on_with_what_predicts_them(figures):
    methods = {
        "model": {"score": 0.7, "low": 0.2, "high": 1.1},
        "baseline": {"score": -0.7, "low": -1.1, "high": -0.2},
    }
    predicts = {"ssim": {"agrees": 0.4, "count": 9}, "hole_mae": {"agrees": 0.8, "count": 9}}
    choices = {"count": 10, "ties": 1, "methods": methods}
    figure = figures.people({"raters": 2, "choices": choices, "predicts": predicts}, LABELS)
    left, right = figure.axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["telea", "face-tiny"]
    assert [tick.get_text() for tick in right.get_yticklabels()][0] == "SSIM"
    assert "10 choices (ties: 1), raters: 2" in figure.get_supxlabel()
    few = {"raters": 2, "choices": choices | {"count": 9}}
    assert figures.people(few, LABELS) is None


def test_ten_contenders_with_long_names_are_all_named_within_the_figure(figures):
    names = [f"{'a-long-name-of-a-contender-' * 2}"[:38] + f"{k:02d}" for k in range(10)]
    labels = LABELS | dict(zip(names, names, strict=True))
    table = [
        {"id": f"p{k}_mask000", "image": f"p{k}", "mask": 0, "method": method, "sample": 0}
        | {"status": "ok", "hole_fraction": 0.1 + 0.3 * (k % 2), "ssim": 0.5 + 0.01 * k}
        for k in range(12)
        for method in labels
    ]
    figure = figures.by_hole(summary.by_hole(table, 0.2, resamples=100, seed=0), labels)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(labels.values())
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_ten_contenders_look_different():
    from wizard.report.figures.style import look

    labels = LABELS | {f"steps{k}": f"steps{k}" for k in range(10)}
    assert len({look(method, labels) for method in labels}) == 12


def test_the_sheet_has_no_column_for_what_no_example_has(figures):
    view = np.zeros((8, 8, 3), np.uint8)
    example = dict.fromkeys(("original", "masked", "model", "baseline"), view) | {"title": "Worst"}
    titles = [axis.get_title() for axis in figures.comparison([example], LABELS).axes]
    assert titles == ["Original", "Masked", "face-tiny", "telea"]
    wide = np.zeros((8, 24, 3), np.uint8)
    sheet = figures.comparison(
        [example, dict.fromkeys(example, wide) | {"title": "", "error": wide}], LABELS
    )
    assert "Difference" in [axis.get_title() for axis in sheet.axes]
    assert "levels of 255" in sheet.axes[-1].get_ylabel()


def test_a_table_without_any_score_is_told_in_one_line(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    (tmp_path / "metrics/scores.csv").write_text(
        "id,image,mask,method,sample,status\na,a,0,model,0,failed\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(records.Unusable, match=r"holds no metric of any result"):
        plot.main(tmp_path / "params.yaml")


def test_a_cell_that_is_no_number_is_named(tmp_path):
    (tmp_path / "scores.csv").write_text("id,mask,sample,status,ssim\na,0,0,ok,high\n")
    with pytest.raises(
        records.Unusable, match=r"scores.csv:2: column ssim: 'high' is not a number"
    ):
        scores.read(tmp_path / "scores.csv")


def test_a_table_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "scores.csv").write_bytes("id,error\na,é\n".encode("latin-1"))
    with pytest.raises(records.Unusable, match=r"scores.csv: not UTF-8; run evaluate again"):
        scores.read(tmp_path / "scores.csv")


@pytest.mark.parametrize("learned", [*OF_A_RESULT, "fid", "kid", "p_ids", "u_ids", "fd", "kd"])
def test_every_learned_metric_has_a_name_and_a_direction(learned):
    assert names.metric(f"learned_{learned}").direction in ("higher", "lower")


@pytest.mark.parametrize(
    ("column", "values", "worst"),
    [
        ("ssim", [0.9, 0.1, 0.5], [1, 2, 0]),
        ("hole_mae", [1, 30, 5], [1, 2, 0]),
        ("hole_sharpness", [1.1, 0.2, 3], [2, 1, 0]),
        ("edge_step", [-8.7, 0.1, 4], [0, 2, 1]),
    ],
)
def test_worst_first_follows_the_direction_of_the_metric(column, values, worst):
    assert scores.badness(rows(values, column), column) == [f"p{index:03d}" for index in worst]


def test_a_hole_counts_by_the_mean_of_its_samples():
    table = rows([0.5, 0.6]) + [row | {"sample": 1} for row in rows([0.9, 0.6])]
    assert scores.badness(table, "ssim") == ["p001", "p000"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 40), st.integers(0, 5))
def test_choice_is_bounded_has_no_doubles_and_keeps_worst_and_best(values, count, seed):
    table = rows(values)
    chosen = review.choose(table, count, seed)
    ids = [hole for _, hole in chosen]
    assert len(ids) == len(set(ids)) == min(count, len(values))
    value = {row["id"]: row["ssim"] for row in table}
    picked = [value[hole] for hole in ids]
    assert min(values) in picked
    if count >= 4:
        assert max(values) in picked


def test_choice_shows_failed_results_beside_the_scored():
    table = rows(np.linspace(0, 1, 100))
    table.append({"id": "x", "method": "model", "status": "failed", "sample": 0})
    reasons = [reason for reason, _ in review.choose(table, 40, 0)]
    assert reasons.count("failed") == 1 and len(reasons) == 40
    assert {"worst", "median", "best", "random"} < set(reasons)
    assert review.choose(table, 40, 0) != review.choose(table, 40, 1)


def test_of_a_dozen_none_needs_a_reason():
    assert {reason for reason, _ in review.choose(rows(np.arange(12)), 60, 0)} == {""}
    assert "worst" in {reason for reason, _ in review.choose(rows(np.arange(13)), 60, 0)}


def test_embedded_pictures_keep_the_budget_and_share_one_size():
    rng = np.random.default_rng(0)
    noise = {name: [rng.integers(0, 256, (700, 400, 3), dtype=np.uint8), None] for name in "ab"}
    small = review.embed(noise, 60_000)
    assert sum(len(url) for url, _ in small.values()) * 3 / 4 < 60_100
    large = review.embed(noise, 10_000_000)
    assert len(large["a"][0]) > len(small["a"][0]) and large["a"][1] is None


def test_a_page_of_four_hundred_photographs_stays_below_15_mb():
    rng = np.random.default_rng(0)
    noise = {name: [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)] for name in "abcde"}
    count = 400
    encoded = review.embed(noise, review.PICTURE_BYTES // count)
    assert count * sum(len(url) for (url,) in encoded.values()) < 15_000_000


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


def test_failed_results_are_on_the_page_with_their_reason_and_photograph(project):
    (failed,) = [one for one in island(project)["results"] if one["status"] == "failed"]
    assert failed["id"] == "helmet_mask002" and small_project.HOSTILE in failed["error"]
    assert failed["views"].keys() >= {"original", "masked", "model"}


def test_a_hole_has_the_pictures_and_the_values_of_all_its_samples(tmp_path, monkeypatch):
    small_project.build(tmp_path, samples=2)
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    one = island(tmp_path)["results"][0]
    first, second = one["views"]["model"]
    assert first != second and len(one["views"]["error"]) == 2
    assert len(one["views"]["baseline"]) == len(one["scores"]["baseline"]) == 1
    assert one["scores"]["model"][0]["ssim"] > one["scores"]["model"][1]["ssim"]


def test_the_hole_is_shown_as_it_was_grown_and_filled(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    manifest = tmp_path / "data/inpainted.jsonl"
    records.write(manifest, [row | {"grow": 5} for row in records.read(manifest)])
    monkeypatch.chdir(tmp_path)
    album = plot.Album({"astronaut_mask000"}, truth=True)
    ((original,), (shown,)) = (
        album.views("astronaut_mask000", [])[name] for name in ("original", "masked")
    )
    drawn = images.load_mask("data/masks/astronaut_mask000.png")
    assert np.array_equal((shown != original).any(axis=2), images.grown(drawn, 5))


def test_photographs_of_different_shapes_are_shown_as_they_are(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    for path in (tmp_path / "data").glob("**/helmet*.png"):
        with Image.open(path) as picture:
            flat = picture.crop((0, 0, small_project.SIZE, 40))
        flat.save(path)
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    for one in island(tmp_path)["results"]:
        sizes = {opened(url).size for own in one["views"].values() for url in own}
        assert sizes == {(64, 40 if one["id"].startswith("helmet") else 64)}


def opened(url):
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_the_prompt_of_a_photograph_is_on_the_page(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    path = tmp_path / "data/images.jsonl"
    records.write(path, [row | {"prompt": "a red hat"} for row in records.read(path)])
    monkeypatch.chdir(tmp_path)
    plot.main(tmp_path / "params.yaml")
    assert {one["prompt"] for one in island(tmp_path)["results"]} == {"a red hat"}


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
    captions = ["a" * 80, "b", "c"]
    plain = sheets.mask_sheet(((image, ~mask & mask, one) for one in captions), 3, columns=2)
    tinted = sheets.mask_sheet(((image, mask, one) for one in captions), 3, columns=2)
    assert plain.shape == tinted.shape == (2 * (160 + 20 + 8) + 8, 2 * (160 + 8) + 8, 3)
    share = (plain != tinted).any(axis=2).sum() / (3 * 160 * 160)
    assert 0.35 < share < 0.45


def test_mask_sheet_takes_photographs_of_any_size():
    tall = np.full((1000, 50, 3), 90, np.uint8)
    sheet = sheets.mask_sheet([(tall, np.ones((1000, 50), bool), "tall")], 1, tile=100)
    assert (sheet[8:108, 8:108] != 255).any(axis=2).sum() == 100 * 5


def test_reduced_pictures_keep_their_shape_and_small_ones_their_bytes():
    image = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    mask = np.zeros((40, 90), bool)
    mask[:20] = True
    assert pictures.reduced(image, 90) is image
    assert pictures.reduced(image, 45).shape == (20, 45, 3)
    small = pictures.reduced(mask, 45)
    assert small[:10].all() and not small[10:].any()


def test_the_cost_of_methods_is_drawn_from_what_the_last_run_measured(tmp_path, monkeypatch):
    small_project.build(tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = params.load(tmp_path / "params.yaml").inpaint.method_settings()
    holes = records.file_sha256(tmp_path / "data/masks.jsonl")
    model, baseline = (
        {"settings": records.fingerprint(holes=holes, **settings[name])}
        for name in ("model", "baseline")
    )
    measured = {"model": model | {"seconds_per_image": 2.0}}
    measured |= {"baseline": baseline | {"seconds_per_image": 0.1}}
    other = {"model": measured["model"] | {"settings": "others"}}
    for speed, drawn in (
        (measured, True),
        ({"model": model | {"filled": 0}}, False),
        (measured | other, False),
    ):
        (tmp_path / "metrics/speed.json").write_text(json.dumps(speed))
        costs = records.read_costs(tmp_path / "metrics/speed.json", settings, holes)
        plot.draw_cost(plot.read_json("ranking")["all"], costs, LABELS, dpi=50)
        assert (tmp_path / "metrics/cost.png").exists() == drawn
