"""The inpaint stage as a program: outputs, resuming, failures, checkpoints from a Hub cache."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from clones import pretend_version

from wizard import images, params, records
from wizard.models import engine, filling
from wizard.runners import local

ROOT = Path(__file__).parents[1]
SMALL = {
    "side": "64",
    "per_image": "3",
    "num_inference_steps": "2",
    "strength": "1.0",
    "model": str(ROOT / "data" / "models" / "face-tiny"),
    "batch_size": "2",
    "contenders": "{}",
}


def configure(folder: Path, **changes: str) -> None:
    """params.yaml of a run at small size, with changes by key."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for key, value in (SMALL | changes).items():
        # The line, and what is indented below it.
        place = rf"^(  {key}:).*(\n    .*)*$"
        text, count = re.subn(place, rf"\1 {value}", text, count=1, flags=re.M)
        assert count == 1, key
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def stage(folder: Path, name: str, check: bool = True, **environment: str):
    return subprocess.run(
        [sys.executable, ROOT / "stages" / f"{name}.py"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=check,
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "data").rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Photographs and masks, not filled yet."""
    folder = tmp_path_factory.mktemp("prepared")
    configure(folder)
    stage(folder, "fetch")
    stage(folder, "mask")
    return folder


@pytest.fixture(scope="module")
def filled(prepared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "run"
    shutil.copytree(prepared, folder)
    stage(folder, "inpaint")
    return folder


@pytest.fixture
def run(prepared, tmp_path) -> Path:
    shutil.copytree(prepared, tmp_path / "run")
    return tmp_path / "run"


def speed(folder: Path, method: str = "model") -> dict:
    return json.loads((folder / "metrics" / "speed.json").read_text())[method]


def test_every_hole_is_filled_by_every_run_and_nothing_else_changes(filled):
    rows = records.read(filled / "data" / "inpainted.jsonl")
    assert len(rows) == 6 * 3 and {row["run"] for row in rows} == {"model", "roundtrip", "baseline"}
    for row in rows:
        original = images.load(filled / "data" / "images" / f"{row['image']}.png")
        mask = images.load_mask(filled / "data" / "masks" / f"{row['id']}.png")
        result = images.load(filled / "data" / row["file"])
        assert np.array_equal(result[~mask], original[~mask])
        assert not np.array_equal(result[mask], original[mask])


def test_a_result_explains_itself(filled):
    from PIL import Image

    with Image.open(filled / "data" / "inpainted" / "model" / "astronaut_mask000.png") as result:
        settings = json.loads(result.text["settings"])
    assert settings["prompt"] == "a portrait photograph of a face"
    assert settings["num_inference_steps"] == 2 and isinstance(settings["seed"], int)


def test_speed_counts_what_was_filled(filled):
    report = speed(filled)
    assert report["images"] == report["filled"] == 6
    assert 0 < report["seconds_per_image"] < 30 and report["peak_memory_mb"] > 100
    assert report["device"] in ("cpu", "cuda", "mps") and report["machine"]
    assert report["model"] == SMALL["model"] and speed(filled, "baseline")["model"] == "telea"


def test_what_was_measured_is_told_of_these_settings_and_holes_alone(filled):
    path, holes = filled / "metrics/speed.json", records.file_sha256(filled / "data/masks.jsonl")
    settings = params.load(filled / "params.yaml").inpaint.method_settings()
    assert {"model", "baseline"} <= records.read_costs(path, settings, holes).keys()
    other = settings | {"model": settings["model"] | {"num_inference_steps": 3}}
    assert "model" not in records.read_costs(path, other, holes)
    assert records.read_costs(path, settings, "others") == {}


def test_the_same_inputs_give_the_same_bytes(filled, run):
    stage(run, "inpaint")
    assert digests(run) == digests(filled)


def test_another_version_of_a_library_fills_anew(run, tmp_path):
    configure(run, backend="mean")
    stage(run, "inpaint")
    other = pretend_version(tmp_path / "other", "opencv-python-headless", "99.0")
    stage(run, "inpaint", PYTHONPATH=str(other))
    assert speed(run)["filled"] == speed(run, "baseline")["filled"] == 6
    stage(run, "inpaint")
    assert speed(run)["filled"] == speed(run, "baseline")["filled"] == 0


def test_a_second_run_fills_nothing_and_tells_the_speed_of_the_first(filled, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(filled, folder)
    stage(folder, "inpaint")
    assert speed(folder) == speed(filled) | {"filled": 0}
    assert digests(folder) == digests(filled)


def test_a_damaged_cache_loses_nothing(filled, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(filled, folder)
    for painting in (folder / ".work" / "inpaint").glob("*/*.png"):
        painting.write_bytes(painting.read_bytes()[:100])  # as a full disk may leave it
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == 6
    assert digests(folder) == digests(filled)
    shutil.rmtree(folder / ".work")
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == 6
    assert digests(folder) == digests(filled)


def test_one_changed_mask_costs_one_filling(filled, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(filled, folder)
    path = folder / "data" / "masks" / "astronaut_mask001.png"
    mask = images.load_mask(path)
    path.write_bytes(images.encode(np.roll(mask, 3)))
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == 1
    before, after = digests(filled), digests(folder)
    changed = {Path(name).name for name in before if before[name] != after[name]}
    assert changed == {"astronaut_mask001.png", "inpainted.jsonl"}  # which holds its digest


def test_samples_and_raw_paintings_have_their_own_files(run):
    configure(run, samples_per_mask="2", keep_raw="true", per_image="3")
    stage(run, "inpaint")
    rows = records.read(run / "data" / "inpainted.jsonl")
    model = {row["file"] for row in rows if row["run"] == "model"}
    assert "inpainted/model/astronaut_mask000_sample01.png" in model and len(model) == 12
    first, second = (
        images.load(run / "data" / "inpainted" / "model" / f"astronaut_mask000{end}.png")
        for end in ("", "_sample01")
    )
    assert not np.array_equal(first, second)
    mask = images.load_mask(run / "data" / "masks" / "astronaut_mask000.png")
    raw = images.load(run / "data" / "inpainted" / "raw" / "astronaut_mask000.png")
    assert np.array_equal(raw[mask], first[mask]) and not np.array_equal(raw, first)
    configure(run, samples_per_mask="1")
    stage(run, "inpaint")
    assert speed(run)["filled"] == 0
    assert not (run / "data" / "inpainted" / "raw").exists()


def test_parts_of_each_result_are_painted_again_to_see_whether_it_agrees_with_itself(run):
    configure(run, self_consistency="2")
    stage(run, "inpaint")
    rows = records.read(run / "data" / "inpainted.jsonl")
    again = [row for row in rows if row["run"] in ("again", "baseline_again")]
    assert len(again) == 6 * 2 * 2
    for row in again:
        of = row["run"].replace("again", "").rstrip("_") or "model"
        first = images.load(run / "data" / "inpainted" / of / f"{row['id']}.png")
        hole = images.load_mask(run / "data" / "masks" / f"{row['id']}.png")
        hidden = images.patches(hole, row["patches"])
        second = images.load(run / "data" / row["file"])
        assert np.array_equal(first[~hidden], second[~hidden])
        assert not np.array_equal(first[hidden], second[hidden])
    shutil.copyfile(ROOT / "data" / "ratings.csv", run / "data" / "ratings.csv")
    stage(run, "evaluate")
    quality = json.loads((run / "metrics" / "quality.json").read_text())
    assert 0 < quality["self"]["consistency"] < 1
    assert 0 < quality["baseline"]["self_consistency"] < 1


def test_the_model_and_not_the_baseline_fills_parts_of_the_baselines_results_again(run):
    configure(run, self_consistency="1", backend="mean", per_image="1")
    stage(run, "inpaint")
    for row in records.read(run / "data" / "inpainted.jsonl"):
        if row["run"] == "baseline_again":
            mask = images.load_mask(run / "data" / "masks" / f"{row['id']}.png")
            hidden = images.patches(mask, row["patches"])
            filled = images.load(run / "data" / row["file"])[hidden]
            assert len(np.unique(filled, axis=0)) == 1, "the mean fills with one colour"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(filled, run, signum):
    command = [sys.executable, ROOT / "stages" / "inpaint.py"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=run, env=environment, stderr=subprocess.PIPE) as child:
        made = run / "data" / "inpainted" / "model"
        deadline = time.monotonic() + 120
        while not list(made.glob("*.png")) and time.monotonic() < deadline:
            time.sleep(0.005)
        child.send_signal(signum)
    assert child.returncode != 0 and list(made.glob("*.png"))
    assert list((run / ".work" / "inpaint").glob("*/*.png"))
    stage(run, "inpaint")
    assert digests(run) == digests(filled)
    assert not list((run / "data").rglob(".part-*"))


def test_a_checkpoint_from_a_filled_hub_cache_paints_the_same_offline(filled, run, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--someone--face-tiny"
    shutil.copytree(SMALL["model"], repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    configure(run, model="someone/face-tiny", revision=commit)
    stage(run, "inpaint", HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1")
    for path in sorted((filled / "data" / "inpainted" / "model").iterdir()):
        other = run / "data" / "inpainted" / "model" / path.name
        assert np.array_equal(images.load(path), images.load(other))


def test_a_wrong_checkpoint_is_one_line_and_leaves_the_results_alone(filled, tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(filled, folder)
    configure(folder, model="nobody/nothing")
    before = digests(folder)
    answer = stage(folder, "inpaint", check=False, HF_HUB_OFFLINE="1")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "hf download nobody/nothing" in answer.stderr
    assert digests(folder) == before


def test_a_vanished_photograph_is_one_line(run):
    (run / "data" / "images" / "astronaut.png").unlink()
    answer = stage(run, "inpaint", check=False)
    assert answer.returncode == 1 and answer.stderr.strip().splitlines()[-1].startswith(
        "inpaint.py:"
    )
    assert "astronaut.png" in answer.stderr and "Traceback" not in answer.stderr


CONTENDERS = "{steps1: {num_inference_steps: 1}, biharmonic: {backend: biharmonic}}"


def test_a_contender_costs_only_itself_and_equals_its_own_single_run(filled, tmp_path):
    folder, alone = tmp_path / "ranked", tmp_path / "alone"
    shutil.copytree(filled, folder)
    configure(folder, contenders=CONTENDERS)
    stage(folder, "inpaint")
    methods = ("model", "baseline", "steps1", "biharmonic")
    assert [speed(folder, one)["filled"] for one in methods] == [0, 0, 6, 6]

    shutil.copytree(filled, alone, ignore=shutil.ignore_patterns(".work"))
    configure(alone, num_inference_steps="1", baseline="biharmonic")
    stage(alone, "inpaint")
    for contender, run in (("steps1", "model"), ("biharmonic", "baseline")):
        for path in sorted((folder / "data" / "inpainted" / contender).iterdir()):
            other = alone / "data" / "inpainted" / run / path.name
            assert np.array_equal(images.load(path), images.load(other))


def test_a_contender_that_cannot_be_had_is_named_before_anything_is_filled(run):
    configure(run, contenders="{sd2: {model: nobody/nothing}}")
    answer = stage(run, "inpaint", check=False, HF_HUB_OFFLINE="1")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "inpaint.contenders.sd2: inpaint.model = nobody/nothing" in answer.stderr
    assert not (run / "data" / "inpainted").exists()


def test_a_photographs_own_prompt_makes_anew_its_own_results_alone(filled, tmp_path):
    folder = tmp_path / "captioned"
    shutil.copytree(filled, folder)
    rows = list(records.read(folder / "data" / "images.jsonl"))
    rows[0]["prompt"] = "an astronaut"
    records.write(folder / "data" / "images.jsonl", rows)
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == 3 and speed(folder, "baseline")["filled"] == 0
    before, after = digests(filled), digests(folder)
    changed = {name for name in before if before[name] != after[name] and "/model/" in name}
    assert {Path(name).name.split("_mask")[0] for name in changed} == {rows[0]["id"]}


def test_a_grown_hole_is_the_hole_of_every_method_and_its_edge_costs_nothing(filled, tmp_path):
    folder = tmp_path / "grown"
    shutil.copytree(filled, folder)
    configure(folder, grow="4")
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == speed(folder, "baseline")["filled"] == 6
    hard = {}
    rows = list(records.read(folder / "data" / "inpainted.jsonl"))
    for row in rows:
        assert row["grow"] == 4
        hard[row["file"]] = images.load(folder / "data" / row["file"])

    configure(folder, grow="4", feather="4")
    stage(folder, "inpaint")
    assert speed(folder)["filled"] == speed(folder, "baseline")["filled"] == 0
    for row in rows:
        original = images.load(folder / "data" / "images" / f"{row['image']}.png")
        file = folder / "data" / "masks" / f"{row['id']}.png"
        hole, grown = images.load_mask(file), images.load_mask(file, 4)
        soft = images.load(folder / "data" / row["file"])
        assert np.array_equal(soft[~grown], original[~grown])
        assert np.array_equal(soft[hole], hard[row["file"]][hole])
        assert not np.array_equal(soft[grown & ~hole], hard[row["file"]][grown & ~hole])

    configure(folder, grow="64", max_failures="100")
    stage(folder, "inpaint")
    rows = list(records.read(folder / "data" / "inpainted.jsonl"))
    assert len(rows) == 18 and {row["status"] for row in rows} == {"failed"}
    assert all("the hole is the whole photograph" in row["error"] for row in rows)


def test_masks_of_a_photograph_that_is_gone_are_one_line(run):
    rows = list(records.read(run / "data" / "images.jsonl"))
    records.write(run / "data" / "images.jsonl", rows[1:])
    answer = stage(run, "inpaint", check=False)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert f"is a hole of {rows[0]['id']}" in answer.stderr and "run mask again" in answer.stderr


def test_a_result_whose_file_differs_outside_the_hole_is_never_written(run, monkeypatch):
    """Whatever the pixels go through on the way into the file, the file itself is looked at."""
    work = engine.Engine(run / "data", records.ResultCache(run / ".work", "inpaint", 10**9), map, 0)
    (hole,) = records.read(run / "data" / "masks.jsonl")[:1]
    plan = engine.Run("model", {}, batch_size=1)
    jobs = list(work.plan(plan, [hole | {"photograph": f"images/{hole['image']}.png"}]))
    worker = local.Worker(partial(filling.load, "telea", "mean", 1))
    encode = images.encode
    monkeypatch.setattr(images, "encode", lambda array: encode(array // 2 * 2))
    with pytest.raises(AssertionError, match="a pixel outside the hole changed"):
        list(work.run(plan, worker, jobs, engine.Speed()))
    assert not list((run / "data" / "inpainted").rglob("*.png"))


def test_two_runs_beside_each_other_share_a_cache_and_leave_each_others_files_alone(
    filled, prepared, tmp_path
):
    """As queued experiments do under one DVC_ROOT; both trim, since the cap holds nothing."""
    running = []
    for name in ("one", "other"):
        folder = tmp_path / name
        shutil.copytree(prepared, folder)
        configure(folder, cache_gb="0")
        running.append(
            subprocess.Popen(
                [sys.executable, ROOT / "stages" / "inpaint.py"],
                cwd=folder,
                env=os.environ | {"OMP_NUM_THREADS": "1", "DVC_ROOT": str(tmp_path)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in running:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    assert digests(tmp_path / "one") == digests(tmp_path / "other") == digests(filled)
