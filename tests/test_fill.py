"""One photograph filled by a command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from wizard import images

ROOT = Path(__file__).parents[1]


def run(folder: Path, *arguments: str):
    return subprocess.run(
        [sys.executable, ROOT / "stages/fill.py", "--params", ROOT / "params.yaml", *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_a_photograph_larger_than_the_model_is_filled_beside_itself_and_never_overwritten(tmp_path):
    original = data.astronaut()[:240, :300]
    hole = np.zeros((240, 300), bool)
    hole[60:130, 90:150] = True
    Image.fromarray(original).save(tmp_path / "me.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    model = str(ROOT / "data/models/face-tiny")
    answer = run(tmp_path, "me.png", "mask.png", "--model", model)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("me_filled.png: ")
    filled = np.asarray(Image.open(tmp_path / "me_filled.png"))
    assert np.array_equal(filled[~hole], original[~hole])
    assert not np.array_equal(filled[hole], original[hole])

    again = run(tmp_path, "me.png", "mask.png", "--model", "telea")
    assert again.returncode == 2 and "exists; add --force" in again.stderr
    assert run(tmp_path, "me.png", "mask.png", "--model", "telea", "--force").returncode == 0
    telea = np.asarray(Image.open(tmp_path / "me_filled.png"))
    assert not np.array_equal(telea, filled) and np.array_equal(telea[~hole], original[~hole])
    itself = run(tmp_path, "me.png", "mask.png", "-o", "me.png", "--force")
    assert itself.returncode == 2 and "the photograph itself" in itself.stderr


def test_a_grown_hole_is_filled_with_a_soft_edge_and_the_rest_stays_exact(tmp_path):
    original = data.astronaut()[:120, :160]
    hole = np.zeros((120, 160), bool)
    hole[40:70, 50:90] = True
    Image.fromarray(original).save(tmp_path / "me.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    made = {}
    for feather in (0, 6):
        settings = text.replace("grow: 0", "grow: 8").replace("feather: 0", f"feather: {feather}")
        (tmp_path / "params.yaml").write_text(settings, encoding="utf-8")
        place = f"{feather}.png"
        options = ("--model", "mean", "--params", "params.yaml", "-o", place)
        answer = run(tmp_path, "me.png", "mask.png", *options)
        assert answer.returncode == 0, answer.stderr
        made[feather] = np.asarray(Image.open(tmp_path / place))
    grown = images.grown(hole, 8)
    for result in made.values():
        assert np.array_equal(result[~grown], original[~grown])
    assert np.array_equal(made[0][hole], made[6][hole])
    assert len(np.unique(made[0][grown], axis=0)) == 1 < len(np.unique(made[6][grown], axis=0))


def test_another_seed_is_another_try_and_the_same_one_the_same_result(tmp_path):
    Image.fromarray(data.astronaut()[:96, :96]).save(tmp_path / "me.png")
    Image.fromarray(np.pad(np.ones((32, 32), bool), 32)).save(tmp_path / "mask.png")
    model = str(ROOT / "data/models/face-tiny")
    tries = {"default": (), "same": ("--seed", "42"), "other": ("--seed", "43")}
    made = {}
    for name, seed in tries.items():
        answer = run(tmp_path, "me.png", "mask.png", "--model", model, "-o", f"{name}.png", *seed)
        assert answer.returncode == 0, answer.stderr
        made[name] = (tmp_path / f"{name}.png").read_bytes()
    assert made["default"] == made["same"] != made["other"]
    wrong = run(tmp_path, "me.png", "mask.png", "--seed", "-1")
    assert wrong.returncode == 2 and "--seed: invalid seed value: '-1'" in wrong.stderr


def test_what_changes_its_format_changes_its_suffix_and_no_name_lies(tmp_path):
    Image.fromarray(data.astronaut()[:64, :64]).quantize(64).save(tmp_path / "me.gif")
    Image.fromarray(np.pad(np.ones((32, 32), bool), 16)).save(tmp_path / "mask.png")
    assert run(tmp_path, "me.gif", "mask.png", "--model", "mean").returncode == 0
    assert Image.open(tmp_path / "me_filled.png").format == "PNG"
    lying = run(tmp_path, "me.gif", "mask.png", "--model", "mean", "-o", "out.jpg")
    assert lying.returncode == 2 and "out.jpg: the result is a PNG file" in lying.stderr
    assert not (tmp_path / "out.jpg").exists()


def test_another_model_has_its_own_files_and_not_those_of_the_settings(tmp_path):
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "me.png")
    Image.fromarray(np.pad(np.ones((32, 32), bool), 16)).save(tmp_path / "mask.png")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("  variant: null           # file", "  variant: fp16 #", 1)
    (tmp_path / "params.yaml").write_text(text.replace("  vae: null", "  vae: nowhere", 1))
    model = str(ROOT / "data/models/face-tiny")
    options = ("--params", "params.yaml")
    assert run(tmp_path, "me.png", "mask.png", *options).returncode == 2
    answer = run(tmp_path, "me.png", "mask.png", "--model", model, *options)
    assert answer.returncode == 0, answer.stderr


def test_a_wrong_backend_in_the_settings_is_one_line(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("backend: diffusers", "backend: difusers"))
    answer = run(tmp_path, "me.png", "mask.png", "--params", "params.yaml")
    assert answer.returncode == 2
    assert answer.stderr.startswith("fill.py: inpaint.backend = 'difusers': allowed: ")


def test_a_name_cannot_steer_the_terminal(tmp_path):
    photo = b"me\x1b[2J\xe9.png"
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "me.png")
    (tmp_path / "me.png").rename(os.fsdecode(bytes(tmp_path) + b"/" + photo))
    Image.fromarray(np.pad(np.ones((32, 32), bool), 16)).save(tmp_path / "mask.png")
    answer = run(tmp_path, os.fsdecode(photo), "mask.png", "--model", "mean")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(r"me\x1b[2J\udce9_filled.png: ")


def test_bad_input_is_one_line(tmp_path):
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "me.png")
    Image.fromarray(np.ones((32, 64), bool)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no image")
    pairs = [("me.png", "small.png"), ("gone.png", "small.png"), ("text.png", "me.png")]
    for photo, mask in [*pairs, ("", "me.png")]:
        answer = run(tmp_path, photo, mask, "--model", "mean")
        assert answer.returncode and answer.stderr.count("\n") == 1, answer.stderr
        assert answer.stderr.startswith("fill.py: ")
