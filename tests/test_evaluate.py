"""The evaluate stage on real files: what it writes, counts and refuses."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import evaluate
from wizard import images, names, params, records
from wizard.console import BadSetting, TooManyFailures
from wizard.metrics import protocols, scoring

REPOSITORY = Path(__file__).parents[1]
SIZE = 64


class Workplace:
    """A folder with photographs, masks and fills as the earlier stages leave them."""

    def __init__(self, folder: Path, photographs: int = 3, per_image: int = 2, samples: int = 1):
        self.folder, self.samples = folder, samples
        self.rng = np.random.default_rng(0)
        settings = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        settings["runtime"]["workers"] = 1
        settings["evaluate"]["bootstrap"] = 200
        self.settings = settings
        self.photographs, self.masks, self.results = [], [], []
        for number in range(photographs):
            self._add_photograph(number, per_image)
        (folder / "data/ratings.csv").write_text("rater,id,run,criterion,value,note\n")

    def _add_photograph(self, number: int, per_image: int) -> None:
        name = f"face{number}"
        image = astronaut()[20 * number : 20 * number + SIZE, 180 : 180 + SIZE]
        self._save(f"images/{name}.png", image)
        self.photographs.append({"id": name, "status": "ok", "file": f"images/{name}.png"})
        for k in range(per_image):
            hole = f"{name}_mask{k:03d}"
            mask = np.zeros((SIZE, SIZE), bool)
            mask[10 : 30 + 4 * k, 5 + number : 50] = True
            self._save(f"masks/{hole}.png", mask)
            row = {"id": hole, "image": name, "mask": k, "status": "ok"}
            self.masks.append(row | {"file": f"masks/{hole}.png"})
            for run, noise, samples in (("model", 9, self.samples), ("baseline", 25, 1)):
                for sample in range(samples):
                    self._add_fill(row, run, sample, image, mask, noise)

    def _add_fill(self, row, run, sample, image, mask, noise) -> None:
        painted = image + self.rng.normal(0, noise, image.shape)
        filled = np.where(mask[..., None], painted.round().clip(0, 255), image).astype(np.uint8)
        file = f"inpainted/{run}/{row['id']}_{sample}.png"
        self._save(file, filled)
        self.results.append(row | {"run": run, "sample": sample, "file": file})

    def _save(self, file: str, pixels: np.ndarray) -> None:
        records.write_atomic(self.folder / "data" / file, images.encode(pixels))

    def run(self) -> tuple[list[dict], dict]:
        """Evaluate; the rows of scores.csv and the content of quality.json."""
        for name in ("images", "masks", "inpainted"):
            rows = {"images": self.photographs, "masks": self.masks, "inpainted": self.results}
            records.write(self.folder / f"data/{name}.jsonl", rows[name])
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.settings))
        evaluate.main(self.folder / "params.yaml")
        with open(self.folder / "metrics/scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return rows, self.read("quality")

    def read(self, name: str) -> dict:
        return json.loads((self.folder / f"metrics/{name}.json").read_text())


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **numbers: Workplace(tmp_path, **numbers)


def of(method: str, rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["method"] == method]


def numbers_in(content) -> list:
    if isinstance(content, dict):
        return [number for value in content.values() for number in numbers_in(value)]
    return [content]


def test_scikit_image_reproduces_every_score(workplace):
    place = workplace()
    rows, _ = place.run()
    assert len(of("model", rows)) == len(of("baseline", rows)) == 6 and len(rows) == 12
    for row in rows:
        original = images.load(f"data/images/{row['image']}.png")
        result = images.load(f"data/inpainted/{row['method']}/{row['id']}_0.png")
        ssim = structural_similarity(
            original,
            result,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2,
        )
        psnr = peak_signal_noise_ratio(original, result, data_range=255)
        assert float(row["ssim"]) == pytest.approx(ssim, abs=1e-6)
        assert float(row["psnr"]) == pytest.approx(psnr, abs=1e-6)


def test_scores_begin_with_the_facts_and_end_lines_with_newlines(workplace):
    workplace().run()
    data = Path("metrics/scores.csv").read_bytes()
    header = data.splitlines()[0].decode().split(",")
    assert header[:5] == ["id", "image", "mask", "method", "sample"]
    assert header[5:10] == ["hole_fraction", "status", "error", "ssim", "psnr"]
    assert set(header[8:]) <= names.METRICS.keys()
    assert b"\r" not in data


def test_quality_has_the_agreed_keys(workplace):
    _, quality = workplace().run()
    spread = {"mean", "std", "median", "p10", "p90", "p95"}
    assert {"count", "failed"} <= quality.keys()
    assert spread | {"share_above_target"} <= quality["ssim"].keys()
    assert spread <= quality["psnr"].keys()
    assert {"ssim", "psnr", "mae"} <= quality["hole"].keys()
    assert {"psnr"} <= quality["ring"].keys()
    assert {"ssim", "psnr", "hole_psnr"} <= quality["baseline"].keys()
    assert {"ssim", "psnr", "hole_psnr"} <= quality["gain"].keys()


def test_quality_can_be_computed_again_from_scores(workplace):
    rows, quality = workplace().run()
    ssim = np.array([float(row["ssim"]) for row in of("model", rows)])
    model, baseline = (
        np.array([float(row["hole_psnr"]) for row in of(method, rows)])
        for method in ("model", "baseline")
    )
    assert quality["ssim"]["mean"] == round(ssim.mean(), 3)
    assert quality["ssim"]["std"] == round(ssim.std(), 3)
    assert quality["ssim"]["p90"] == round(np.percentile(ssim, 90), 3)
    assert quality["ssim"]["share_above_target"] == round((ssim > 0.78).mean(), 4)
    assert quality["baseline"]["hole_psnr"] == round(baseline.mean(), 2)
    assert quality["gain"]["hole_psnr"] == round((model - baseline).mean(), 2)


def test_gain_is_positive_where_the_model_errs_less(workplace):
    _, quality = workplace().run()
    assert all(value > 0 for value in quality["gain"].values())


def test_metrics_hold_plain_finite_numbers_only(workplace):
    place = workplace(photographs=6)
    place.run()
    for name in ("quality", "by_hole", "ranking", "ratings"):
        assert all(
            type(number) in (int, float) and math.isfinite(number)
            for number in numbers_in(place.read(name))
        )


def test_intervals_appear_from_six_photographs_on(workplace):
    _, few = workplace(photographs=5).run()
    _, enough = workplace(photographs=6).run()
    assert "mean_low" not in few["ssim"] and "ssim_low" not in few["gain"]
    for place, name in (("ssim", "mean"), ("psnr", "mean"), ("hole", "mae"), ("gain", "psnr")):
        figures = enough[place]
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]


def test_same_inputs_give_the_same_bytes_with_any_number_of_workers(workplace):
    place = workplace(photographs=6)
    written = []
    for workers in (1, 2):
        place.settings["runtime"]["workers"] = workers
        place.run()
        written.append({path.name: path.read_bytes() for path in Path("metrics").iterdir()})
    assert written[0] == written[1]


def test_identical_result_is_counted_and_left_out_of_psnr(workplace):
    place = workplace()
    original = images.load("data/images/face0.png")
    place._save("inpainted/model/face0_mask000_0.png", original)
    rows, quality = place.run()
    assert rows[0]["psnr"] == "" and float(rows[0]["ssim"]) == 1
    assert quality["identical"] == 1 and quality["count"] == 6
    others = [float(row["psnr"]) for row in of("model", rows)[1:]]
    assert quality["psnr"]["mean"] == round(np.mean(others), 2)


@pytest.mark.parametrize("broken", ["row", "file", "gone", "missing", "mask", "size", "outside"])
def test_failed_result_is_counted_and_never_scored(workplace, broken, capsys):
    place = workplace()
    place.settings["runtime"]["max_failures"] = 1
    first = place.results[0]
    if broken == "row":
        place.results[0] = first | {"status": "failed", "error": "NaN in the result"}
    elif broken == "file":
        Path("data", first["file"]).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    elif broken == "gone":
        Path("data", first["file"]).unlink()
    elif broken == "outside":
        pixels = images.load(Path("data", first["file"])).copy()
        pixels[0, 0, 0] ^= 1
        place._save(first["file"], pixels)
    elif broken == "missing":
        place.results.remove(first)
    elif broken == "mask":
        place.masks[0] = place.masks[0] | {"status": "failed", "error": "the mask is empty"}
    else:
        place._save(first["file"], np.zeros((SIZE, SIZE // 2, 3), np.uint8))
    rows, quality = place.run()
    assert (rows[0]["method"], rows[0]["status"]) == ("model", "failed")
    assert [rows[0][name] for name in ("ssim", "psnr", "hole_mae")] == ["", "", ""]
    assert of("baseline", rows)[0]["status"] == ("failed" if broken == "mask" else "ok")
    assert quality["failed"] == 1 and quality["count"] == 5
    assert f"failed: face0_mask000: {rows[0]['error']}\n" in capsys.readouterr().err
    assert rows[0]["error"] and not of("baseline", rows)[1]["error"]


def test_of_many_failures_the_last_line_names_the_table_of_all(workplace, capsys):
    place = workplace(photographs=7, per_image=3)
    place.results = [row | {"status": "failed", "error": "NaN"} for row in place.results]
    with pytest.raises(TooManyFailures):
        place.run()
    assert capsys.readouterr().err.endswith("… and 1 more, all in metrics/scores.csv\n")


def test_a_hole_of_a_photograph_that_is_gone_is_told_in_one_line(workplace):
    place = workplace()
    place.photographs.pop(0)
    with pytest.raises(BadSetting, match=r"masks.jsonl: face0_mask000 is a hole of face0, which"):
        place.run()


def test_an_unreadable_second_pass_fails_the_result_that_it_is_of(workplace, capsys):
    place = workplace()
    place.settings["runtime"]["max_failures"] = 1
    for row in [row for row in place.results if row["run"] == "model"]:
        file = row["file"].replace("model", "again")
        place._save(file, images.load(f"data/{row['file']}"))
        place.results.append(row | {"run": "again", "file": file, "patches": 5})
    place.results.sort(key=lambda row: row["id"])
    Path("data/inpainted/again/face0_mask000_0.png").write_bytes(b"broken")
    rows, quality = place.run()
    assert quality["failed"] == 1 and quality["self"]["consistency"] == 1
    assert "inpainted/again/face0_mask000_0.png" in rows[0]["error"]


def test_the_line_says_how_many_pixels_outside_the_hole_changed(workplace, capsys):
    place = workplace()
    pixels = images.load("data/inpainted/baseline/face1_mask000_0.png").copy()
    pixels[:2, 0] += 1
    place._save("inpainted/baseline/face1_mask000_0.png", pixels)
    with pytest.raises(TooManyFailures):
        place.run()
    assert (
        "failed: face1_mask000: baseline: inpainted/baseline/face1_mask000_0.png: pixels outside "
        "the hole differ from the photograph's (2 of them)"
    ) in capsys.readouterr().err


def test_a_hole_is_measured_as_it_was_grown(workplace):
    place = workplace(photographs=1, per_image=1)
    original = images.load("data/images/face0.png")
    for row in place.results:
        row["grow"] = 3
        place._save(row["file"], np.where(np.arange(SIZE)[:, None, None] == 8, 0, original))
    with pytest.raises(TooManyFailures):
        place.run()  # the hole is from row 10 and column 5 to column 49, so 7 to 31 and 2 to 52
    changed = original.copy()
    changed[8, 5:50] = 0
    for row in place.results:
        place._save(row["file"], changed)
    (first, _), _ = place.run()
    grown = images.load_mask("data/masks/face0_mask000.png", 3)
    assert first["status"] == "ok"
    assert float(first["hole_fraction"]) == pytest.approx(grown.mean(), abs=1e-6)
    assert float(first["hole_mae"]) > 0


def test_a_broken_metric_is_a_bug_and_no_failed_row(workplace, monkeypatch):
    from wizard.metrics import seam

    def broken(*_):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr(seam, "score", broken)
    place = workplace()
    place.settings["runtime"]["max_failures"] = 100
    with pytest.raises(ValueError, match="could not be broadcast"):
        place.run()


def test_a_photograph_too_small_to_measure_is_a_row_with_the_reason(workplace, capsys):
    place = workplace()
    place._save("images/face0.png", np.zeros((8, 64, 3), np.uint8))
    place._save("masks/face0_mask000.png", np.ones((8, 64), bool))
    with pytest.raises(TooManyFailures):
        place.run()
    assert (
        "face0_mask000: (8, 64): too small, SSIM needs 11 pixels a side" in capsys.readouterr().err
    )


def test_photographs_of_any_size_are_scored_together(workplace):
    place = workplace()
    for row in [row for row in place.results if row["image"] == "face1"]:
        place._save(row["file"], images.load(f"data/{row['file']}")[:48, :57])
        place._save(
            f"masks/{row['id']}.png", images.load_mask(f"data/masks/{row['id']}.png")[:48, :57]
        )
    place._save("images/face1.png", images.load("data/images/face1.png")[:48, :57])
    rows, quality = place.run()
    assert quality["count"] == 6 and {row["status"] for row in rows} == {"ok"}


def test_failed_photograph_is_counted(workplace):
    place = workplace()
    place.photographs.append({"id": "dud", "status": "failed", "error": "not an image"})
    _, quality = place.run()
    assert quality["failed"] == 1 and quality["count"] == 6


def test_more_failures_than_allowed_end_the_stage_after_all_is_written(workplace):
    place = workplace()
    place.results[0] = place.results[0] | {"status": "failed", "error": "NaN in the result"}
    with pytest.raises(TooManyFailures, match="1 failed"):
        place.run()
    assert place.read("quality")["failed"] == 1


def test_nothing_to_score_writes_counts_alone(workplace):
    place = workplace(photographs=1, per_image=1)
    place.settings["runtime"]["max_failures"] = 1
    place.results.clear()
    _, quality = place.run()
    assert quality == {"count": 0, "failed": 1}
    assert place.read("by_hole") == {"all": {"count": 0, "images": 0}}


def test_holes_are_binned_by_their_share(workplace):
    place = workplace()
    place.settings["evaluate"]["hole_bins"] = 0.25
    rows, _ = place.run()
    bins = place.read("by_hole")
    below = [row for row in of("model", rows) if float(row["hole_fraction"]) <= 0.25]
    assert bins["0.00-0.25"]["count"] == len(below) > 0
    assert bins["all"]["count"] == sum(bins[name]["count"] for name in bins if name != "all") == 6
    expected = np.mean([float(row["hole_mae"]) for row in below])
    assert bins["0.00-0.25"]["hole_mae"]["mean"] == round(expected, 2)


def test_several_fills_are_reported_as_expected_best_and_diversity(workplace):
    rows, quality = workplace(samples=3).run()
    assert len(of("model", rows)) == 18 and quality["samples"]["per_mask"] == 3
    by_hole = {}
    for row in of("model", rows):
        by_hole.setdefault(row["id"], []).append(float(row["hole_psnr"]))
    best = np.mean([max(values) for values in by_hole.values()])
    expected = np.mean([np.mean(values) for values in by_hole.values()])
    assert quality["samples"]["best"]["hole_psnr"] == round(best, 2)
    assert quality["samples"]["expected"]["hole_psnr"] == round(expected, 2)
    assert quality["hole"]["psnr"] == round(expected, 2)
    assert {row["hole_diversity"] for row in of("baseline", rows)} == {""}
    assert best > expected and quality["hole"]["diversity"] > 0


def test_one_fill_a_hole_reports_no_samples(workplace):
    rows, quality = workplace().run()
    assert "samples" not in quality and "hole_diversity" not in rows[0]


def test_without_a_truth_nothing_is_held_against_the_original(workplace):
    place = workplace()
    place.settings["evaluate"]["reference"] = "none"
    rows, quality = place.run()
    before = Path("metrics/scores.csv").read_bytes()
    assert not any("ssim" in name or "psnr" in name for name in rows[0])
    assert {"edge_step", "edge_colour", "hole_sharpness_around"} <= rows[0].keys()
    assert not {"ssim", "psnr", "gain", "ring", "identical"} & quality.keys()
    # Another photograph under the holes, the same around them.
    for number in range(3):
        original = images.load(f"data/images/face{number}.png").copy()
        original[10:30, 10:50] = 255 - original[10:30, 10:50]
        place._save(f"images/face{number}.png", original)
    place.run()
    assert Path("metrics/scores.csv").read_bytes() == before


def test_several_samples_without_a_truth_have_no_best_one(workplace):
    place = workplace(samples=2)
    place.settings["evaluate"]["reference"] = "none"
    _, quality = place.run()
    assert "samples" not in quality and quality["hole"]["diversity"] > 0


def test_the_round_trip_is_scored_like_a_result_where_there_is_a_truth(workplace):
    place = workplace()
    baselines = [row for row in place.results if row["run"] == "baseline"]
    place.results += [row | {"run": "roundtrip"} for row in baselines]
    rows, quality = place.run()
    assert quality["roundtrip"] == quality["baseline"]
    same = [[row["hole_mae"] for row in of(run, rows)] for run in ("roundtrip", "baseline")]
    assert same[0] == same[1] and len(same[0]) == 6
    place.settings["evaluate"]["reference"] = "none"
    rows, quality = place.run()
    assert "roundtrip" not in quality and not of("roundtrip", rows)


def test_a_contender_is_scored_like_the_model(workplace):
    place = workplace()
    models = [row for row in place.results if row["run"] == "model"]
    place.results += [row | {"run": "steps50"} for row in models]
    rows, quality = place.run()
    numbers = [
        [(row["id"], row["hole_psnr"], row["edge_seam"]) for row in of(method, rows)]
        for method in ("model", "steps50")
    ]
    assert numbers[0] == numbers[1]
    assert quality["contenders"]["steps50"] == {
        "hole_ssim": quality["hole"]["ssim"],
        "hole_psnr": quality["hole"]["psnr"],
    }


def test_a_score_is_never_a_negative_zero():
    assert str(scoring.rounded(-1e-9)) == "0.0"


def test_each_row_of_a_ranking_equals_its_own_single_run(workplace):
    place = workplace(photographs=7)
    first = [row for row in place.results if row["run"] == "model"]
    for row in first:
        pixels = images.load(f"data/{row['file']}")
        original = images.load(f"data/images/{row['image']}.png")
        file = row["file"].replace("model", "steps50")
        place._save(file, ((pixels.astype(int) + original) // 2).astype(np.uint8))
        place.results.append(row | {"run": "steps50", "file": file})
    place.run()
    together, results = place.read("ranking"), place.results
    assert together["all"]["metrics"].keys() > {"ssim", "hole_psnr", "edge_seam"}
    for method in ("model", "baseline", "steps50"):
        place.results = [row | {"run": "model"} for row in results if row["run"] == method]
        place.run()
        alone = place.read("ranking")
        for name, content in together.items():
            for metric, figures in content["metrics"].items():
                for key in ("mean", "low", "high", "count"):
                    own = alone[name]["metrics"][metric]["model"]
                    assert figures[method].get(key) == own.get(key), (method, name, metric, key)


def test_what_methods_cost_is_in_a_file_of_its_own(workplace):
    """The ranking is DVC's, so that it must not depend on how quick this machine is."""
    place = workplace()
    place.run()
    before = {path.name: path.read_bytes() for path in Path("metrics").iterdir()}
    methods = params.load(place.folder / "params.yaml").inpaint.method_settings()
    settings = records.fingerprint(
        holes=records.file_sha256("data/masks.jsonl"), **methods["model"]
    )
    about = {"settings": settings, "machine": "a machine"}
    speed = {"model": about | {"seconds_per_image": 0.25, "peak_memory_mb": 700}}
    Path("metrics/speed.json").write_text(json.dumps(speed))
    place.run()
    cost = Path("metrics/cost.md").read_text()
    assert cost.endswith("| face-tiny | 0.25 | 700 | a machine |\n")
    for name, content in before.items():
        assert Path("metrics", name).read_bytes() == content, name
    masks = place.masks.copy()
    place.masks.pop()  # other holes than those that took the time
    place.run()
    assert not Path("metrics/cost.md").exists()
    place.masks = masks
    place.run()
    assert Path("metrics/cost.md").exists()
    Path("metrics/speed.json").unlink()
    place.run()
    assert not Path("metrics/cost.md").exists()


def test_ratings_are_summarised(workplace):
    place = workplace()
    Path("data/ratings.csv").write_text(
        "rater,id,run,criterion,value,note\n"
        "ann,face0_mask000,model,seamlessness,4,\n"
        'ben,face1_mask000,model,seamlessness,2,"=1+1, <script>"\n'
        "ann,face0_mask000,,preference,model,\n"
        "ann,gone_mask000,,preference,baseline,\n"
    )
    place.run()
    ratings = place.read("ratings")
    assert ratings["seamlessness"]["model"] == {"count": 2, "mean": 3.0}
    assert ratings["preference"]["model"] == 1 and ratings["preference"]["count"] == 1
    assert ratings["raters"] == 2 and ratings["unknown"] == 1


def test_pretrained_networks_compare_all_results_when_asked(workplace, capsys):
    from transformers import Dinov2Config, Dinov2Model

    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}
    Dinov2Model(Dinov2Config(**tiny)).save_pretrained("dino")
    place = workplace()
    place.settings["evaluate"] |= {"learned": ["fd", "kd"], "dino": "dino"}
    _, quality = place.run()
    assert quality["learned"].keys() == {"count", "photographs", "fd", "kd"}
    assert (quality["learned"]["count"], quality["learned"]["photographs"]) == (6, 3)
    assert {"learned_fd", "learned_kd"} <= quality["baseline"].keys()
    printed = capsys.readouterr().out
    assert f"{quality['baseline']['learned_fd']:.2f}" in printed
    assert "FD of N = 6 results, 3 photographs: fewer than 2048" in printed


@pytest.fixture
def lpips_weights(tmp_path, monkeypatch):
    """Random numbers in place of the published files of LPIPS."""
    import torch

    from wizard.metrics import perceptual

    torch.manual_seed(0)
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    network = perceptual.Lpips()
    alexnet = {f"features.{name}": one for name, one in network.features.state_dict().items()}
    heads = {
        f"lin{number}.model.1.weight": torch.ones(1, *weights.shape)
        for number, weights in enumerate(network.channel_weights)
    }
    for name, tensors in (("ALEXNET", alexnet), ("CHANNEL_WEIGHTS", heads)):
        path = folder / getattr(perceptual, name).name
        torch.save(tensors, path)
        digest = records.file_sha256(path)
        monkeypatch.setattr(perceptual, name, replace(getattr(perceptual, name), sha256=digest))


def test_brushbench_is_measured_by_its_own_definition_before_paste_back(workplace):
    """The mask is 1 outside the hole and has one channel, the error three: so is its script."""
    place = workplace()
    for block, values in protocols.load()["brushbench"].settings.items():
        place.settings[block] |= values
    place.settings["evaluate"]["learned"] = []
    for row in place.masks:
        image = images.load(f"data/images/{row['image']}.png")
        raw = (image + place.rng.normal(0, 12, image.shape)).round().clip(0, 255).astype(np.uint8)
        file = f"inpainted/raw/{row['id']}_0.png"
        place._save(file, raw)
        place.results.append(row | {"run": "raw", "sample": 0, "file": file})
    place.results.sort(key=lambda row: row["id"])
    rows, quality = place.run()

    errors = []
    for row in of("raw", rows):
        original = images.load(f"data/images/{row['image']}.png").astype(np.float32) / 255
        raw = images.load(f"data/inpainted/raw/{row['id']}_0.png").astype(np.float32) / 255
        mask = 1 - images.load_mask(f"data/masks/{row['id']}.png")[..., np.newaxis].astype(float)
        errors.append(((original * mask - raw * mask) ** 2).sum() / mask.sum())
    theirs = np.mean([20 * math.log10(1 / math.sqrt(error)) for error in errors])
    protocol = place.read("protocol")["brushbench"]
    numbers = protocol["numbers"]
    assert numbers["outside_psnr"]["ours"] == pytest.approx(theirs, abs=0.01)
    assert numbers["outside_mse"]["ours"] == pytest.approx(np.mean(errors), abs=1e-5)
    assert numbers["outside_psnr"]["published"]["BrushNet"] == 21.65
    assert numbers["psnr"]["ours"] == quality["psnr"]["mean"] and not numbers["psnr"]["published"]
    assert "ours" not in numbers["outside_lpips"]
    assert place.read("protocol")["brushbench"]["settings_that_differ"] == {
        "evaluate.learned": "[]"
    }
    assert all(row["outside_psnr"] == "" for row in of("model", rows))


def test_what_a_network_says_of_a_result_is_a_column_like_any_other(workplace, lpips_weights):
    from wizard.metrics import networks, perceptual

    place = workplace(photographs=7)
    place.settings["evaluate"]["learned"] = ["lpips"]
    place.settings["runtime"]["max_failures"] = 1
    place.results[2] = place.results[2] | {"status": "failed", "error": "NaN in the result"}
    rows, quality = place.run()
    good = [row for row in rows if row["status"] == "ok"]
    assert len(good) == 27 and rows[2]["learned_lpips"] == ""
    setup = networks.Setup("", "", "cpu", 1)
    for row in good[::5]:
        original = images.load(f"data/images/{row['image']}.png")
        result = images.load(f"data/inpainted/{row['method']}/{row['id']}_0.png")
        (expected,) = perceptual.score([original], [result], setup)
        assert float(row["learned_lpips"]) == pytest.approx(expected, abs=1e-5)
    figures = quality["learned"]
    assert figures["lpips_low"] < figures["lpips"] < figures["lpips_high"]
    assert quality["baseline"]["learned_lpips"] > figures["lpips"]
    assert place.read("by_hole")["all"]["learned_lpips"]["mean"] == figures["lpips"]


def test_what_a_network_says_is_held_against_what_people_chose(workplace, lpips_weights):
    place = workplace()
    place.settings["evaluate"]["learned"] = ["lpips"]
    Path("data/ratings.csv").write_text(
        "rater,id,run,criterion,value,note\n"
        "ann,face0_mask000,,preference,model,\nann,face1_mask000,,preference,model,\n"
    )
    place.run()
    predicts = place.read("ratings")["predicts"]
    assert predicts["learned_lpips"] == predicts["ssim"] == {"count": 2, "agrees": 1.0}


def test_missing_weights_lose_no_other_figure(workplace, monkeypatch, lpips_weights):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = workplace()
    place.settings["evaluate"] |= {"learned": ["fd", "lpips"], "dino": "nobody/nothing"}
    with pytest.raises(ValueError, match="hf download nobody/nothing"):
        place.run()
    quality = place.read("quality")
    assert quality["count"] == 6 and Path("metrics/ratings.json").is_file()
    assert quality["learned"]["lpips"] > 0 and "fd" not in quality["learned"]
    assert place.read("protocol") == {}


def test_it_prints_the_main_figures(workplace, capsys):
    _, quality = workplace().run()
    printed = capsys.readouterr().out
    assert f"{quality['ssim']['mean']:.3f}" in printed
    assert f"{quality['baseline']['hole_psnr']:.2f}" in printed
    assert "6 results, 0 failed" in printed
