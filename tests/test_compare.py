"""Runs of several revisions, ranked together: a real repository, the scores of three commits."""

import csv
import re

import numpy as np
import pytest
import yaml
from clones import ROOT, commit, setting, sh

import compare
from wizard.console import BadSetting


def write_run(folder, holes: str, gain: float, change: dict) -> None:
    """Settings, lock file and scores of one run, as a revision holds them."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in change.items():
        block, _, name = key.partition(".")
        settings[block][name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    outs = [{"path": path, "md5": f"{holes}.dir"} for path in ("data/images", "data/masks")]
    used = {block: settings[block] for block in ("fetch", "mask", "inpaint", "evaluate")}
    stages = {"fetch": {"outs": outs[:1]}, "mask": {"outs": outs[1:]}}
    stages["evaluate"] = {"params": {"params.yaml": used}}
    lock = {"schema": "2.0", "stages": stages}
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock))
    (folder / "metrics").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    with open(folder / "metrics/scores.csv", "w", newline="") as file:
        columns = ["id", "image", "mask", "method", "sample", "hole_fraction", "status"]
        table = csv.DictWriter(file, [*columns, "hole_ssim", "hole_psnr", "learned_clip"])
        table.writeheader()
        for number in range(8):
            for method in ("model", "baseline"):
                row = {"id": f"p{number}_mask000", "image": f"p{number}", "mask": 0, "sample": 0}
                numbers = {"hole_ssim": rng.uniform(0.2, 0.6) + gain, "hole_psnr": 15 + 9 * gain}
                row |= {"method": method, "hole_fraction": 0.3, "status": "ok"} | numbers
                row["learned_clip"] = 25 + gain
                table.writerow(row)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    sh(tmp_path, "git", "init", "-q", "-b", "main")
    sh(tmp_path, "dvc", "init", "-q")
    (tmp_path / ".gitignore").write_text("/metrics/comparison.*\n")
    for branch, holes, gain, change in (
        ("main", "a", 0.0, {}),
        ("steps", "a", 0.02, {"inpaint.num_inference_steps": 50}),
        (
            "both",
            "a",
            0.01,
            {"inpaint.num_inference_steps": 50, "inpaint.strength": 0.5, "finish.window": 96},
        ),
        ("holes", "b", 0.0, {"mask.ratio": 0.5}),
        ("ring", "a", 0.0, {"evaluate.ring_px": 16}),
        ("grown", "a", 0.0, {"inpaint.grow": 2}),
        ("dino", "a", 0.0, {"evaluate.dino": "facebook/dinov2-giant"}),
        ("clip", "a", 0.0, {"evaluate.clip": "openai/clip-vit-base-patch32"}),
        ("raw", "a", 0.0, {"inpaint.seed": 3}),
        ("roundtrip", "a", 0.0, {"inpaint.seed": 4}),
        ("prompt", "a", 0.0, {"inpaint.prompt": "a cat"}),
    ):
        sh(tmp_path, "git", "checkout", "-q", "-B", branch)
        write_run(tmp_path, holes, gain, change)
        commit(tmp_path, branch)
    sh(tmp_path, "git", "checkout", "-q", "main")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_are_ranked_by_what_differs_in_their_settings(repository, capsys):
    compare.main(repository / "params.yaml", ["main", "steps", "both"])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    table = printed.split("SSIM in the hole")[1].split("PSNR")[0]
    text = (repository / "metrics/comparison.md").read_text(encoding="utf-8")
    names = re.findall(r"num_inference_steps=\d+, strength=[\d.]+", text.split("## ")[1])
    assert names == [
        "num_inference_steps=50, strength=1.0",
        "num_inference_steps=50, strength=0.5",
        "num_inference_steps=1, strength=1.0",
    ]
    assert "0.0100 [0.0100, 0.0100]" in table  # paired: the photographs' differences cancel
    assert "| 1 (1–1) | num_inference_steps=50" in text and "window" not in text
    assert r"num\_inference\_steps=50" in (repository / "metrics/comparison.tex").read_text()
    assert sh(repository, "git", "status", "--porcelain") == ""


def test_one_revision_is_compared_with_the_workspace(repository, capsys):
    write_run(repository, "a", 0.2, {"inpaint.seed": 7})
    compare.main(repository / "params.yaml", ["main"])
    first = capsys.readouterr().out.split("wins\n")[1].splitlines()[0]
    assert "seed=7" in first and first.startswith("1 (1–1)")


def test_the_workspace_is_named_after_the_run_that_made_its_scores(repository, capsys):
    write_run(repository, "a", 0.2, {"inpaint.seed": 7})
    setting(repository, "seed: 7", "seed: 8")
    compare.main(repository / "params.yaml", ["main"])
    printed = capsys.readouterr().out
    assert "seed=7" in printed and "seed=8" not in printed


def test_a_lock_of_no_evaluation_is_told_in_one_line(repository):
    (repository / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    with pytest.raises(BadSetting, match=r"^workspace: no scores of it: 'evaluate'; is it"):
        compare.main(repository / "params.yaml", ["main"])


def test_clip_scores_of_other_prompts_are_not_ranked(repository):
    for other, ranked in (("steps", True), ("prompt", False)):
        compare.main(repository / "params.yaml", ["main", other])
        text = (repository / "metrics/comparison.md").read_text(encoding="utf-8")
        assert ("CLIP score" in text) == ranked and "SSIM in the hole" in text


def test_revisions_called_like_runs_that_are_never_ranked_are_ranked(repository, capsys):
    compare.main(repository / "params.yaml", ["raw", "roundtrip"])
    printed = capsys.readouterr().out
    assert "seed=3" in printed and "seed=4" in printed


@pytest.mark.parametrize(
    ("revisions", "message"),
    [
        (["main", "holes"], "holes: data/images differs from that of main, and only results of"),
        (["main", "ring"], "ring: evaluate.ring_px = 16, but 8 in main"),
        (["main", "grown"], "grown: inpaint.grow = 2, but 0 in main: measured differently"),
        (
            ["main", "dino"],
            "dino: evaluate.dino = facebook/dinov2-giant, but facebook",
        ),
        (
            ["main", "clip"],
            "clip: evaluate.clip = openai/clip-vit-base-patch32, but ",
        ),
        (["main", "nowhere"], "nowhere: no scores of it: unknown Git revision 'nowhere'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(repository, revisions, message):
    with pytest.raises(BadSetting, match=message) as caught:
        compare.main(repository / "params.yaml", revisions)
    assert "\n" not in str(caught.value)


def test_a_long_name_is_cut_to_fit_a_terminal():
    called = {"a": "x" * 150, "b": "short"}
    figures = {"mean": 0.5, "low": 0.4, "high": 0.6, "rank": 1, "wins": 1.0, "count": 8}
    ranked = {"all": {"metrics": {"ssim": {"a": figures, "b": figures | {"rank": 2}}}}}
    text = compare.tables.text(compare.tables.HEAD, compare.shortened(ranked, "ssim", called))
    assert max(map(len, text.splitlines())) == 100 and "x…" in text
