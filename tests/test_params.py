"""params.yaml: every wrong setting is one line that names key, value and what is allowed."""

import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from wizard import names, opinions, params
from wizard.console import BadSetting

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")

BAD = [
    ("ratio: 0.25", "ratio: 1.5", "mask.ratio = 1.5: allowed: a number > 0, < 1 or a list of 2"),
    ("ratio: 0.25", "ratio: [0.5, 0.2]", "mask.ratio = [0.5, 0.2]: give [low, high]"),
    ("ratio: 0.25", "rato: 0.25", "mask.rato: unknown key; did you mean mask.ratio? allowed: sha"),
    ("ratio: 0.25", "prompt: a cat", "mask.prompt: unknown key; did you mean inpaint.prompt?"),
    ("ratio: 0.25", "no: 0.25", "mask.no: unknown key; allowed: shape, ratio,"),
    ("ratio: 0.25", "1: 0.25", "mask.1: unknown key; allowed: shape, ratio,"),
    ("source: samples", "source: ~photos/cat", "fetch.source = '~photos/cat': no such path: Could"),
    ("source: samples", 'source: "a\\0b"', "fetch.source = 'a\\x00b': no such path: embedded null"),
    ("side: 128", "side: 100", "fetch.side = 100: allowed: a whole number ≥ 32"),
    ("side: 128", "side: big", "fetch.side = 'big': allowed: a whole number"),
    ("keep_raw: false", "keep_raw: 1", "inpaint.keep_raw = 1: allowed: true, false"),
    ("strength: 1.0", "strength: 0.01", "leaves no denoising step"),
    ("strength: 1.0", "strength: .nan", "inpaint.strength = nan: allowed: a number > 0, ≤ 1"),
    ('negative_prompt: ""', "negative_prompt: blurry", "has no effect at guidance_scale"),
    ("batch_size: 8", "batch_size: 0", "runtime.batch_size = 0: allowed: a whole number ≥ 1"),
    ("device: auto", "device: gpu", "runtime.device = 'gpu': allowed: auto, cpu, mps, cuda or"),
    ("mask:", "masc:", "masc: unknown key; did you mean mask? allowed: fetch, mask"),
    ("seed: 42", f"seed: {'9' * 6000}", "mask.seed = '9999"),
    ("seed: 42", "seed: -1", "mask.seed = -1: allowed: a whole number ≥ 0"),
    ("cache_gb: 20", "cache_gb: .inf", "runtime.cache_gb = inf: allowed: a number ≥ 0"),
    ("seed: 42", "seed: !!int 42", "tags such as !!int are not allowed"),
    ("# Every", "%YAML 1.1\n---\n# Every", "directives such as %YAML are not allowed"),
    ("seed: 42", "seed: 42\n  seed: 43", "key 'seed' given twice"),
    ("seed: 42", "seed: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ("prompt: a portrait", "prompt: [a portrait", "not valid YAML"),
    (
        "mean: {backend: mean}",
        "mean: {backed: mean}",
        "inpaint.contenders.mean.backed: not a setting in which a method may differ; allowed: back",
    ),
    (
        "mean: {backend: mean}",
        "mean: {guidance_scale: 99}",
        "inpaint.contenders.mean.guidance_scale = 99: allowed: a number ≥ 0, ≤ 50",
    ),
    (
        "mean: {backend: mean}",
        "few: {strength: 0.1, num_inference_steps: 5}",
        "inpaint.contenders.few.num_inference_steps = 5: times strength 0.1 leaves no denoising",
    ),
    (
        "mean: {backend: mean}",
        "raw: {backend: mean}",
        "inpaint.contenders.raw: use 1 to 40 lowercase",
    ),
    (
        "mean: {backend: mean}",
        "../x: {backend: mean}",
        "inpaint.contenders.../x: use 1 to 40 lowercase",
    ),
    (
        "mean: {backend: mean}",
        "size: {backend: mean}",
        "inpaint.contenders.size: use 1 to 40 lowercase",
    ),
    ("feather: 0", "feather: 2", "inpaint.feather = 2: more than grow = 0, so that what the hole"),
    ("mean: {backend: mean}", "mean: 3", "inpaint.contenders = 3: allowed: a mapping from names"),
]


def load(tmp_path: Path, text: str):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(path)


def test_no_contender_takes_a_name_that_means_something_else_beside_methods(tmp_path):
    """A column of by_hole.json, an answer or figure of ratings, a picture of a hole."""
    places = {column.partition("_")[0] for column in names.METRICS if column.endswith("_psnr")}
    assert places == {"hole", "ring", "outside"}
    pictures = ("original", "masked", "error", "title")
    for name in (*places, "gain", opinions.TIE, "agreement", *pictures):
        text = DEFAULT.replace("mean: {backend: mean}", f"{name}: {{backend: mean}}")
        with pytest.raises(BadSetting, match=f"contenders.{name}: .* none of the names"):
            load(tmp_path, text)


def test_defaults_are_valid_and_immutable(tmp_path):
    settings = load(tmp_path, DEFAULT)
    assert settings.mask.ratio == 0.25
    with pytest.raises(ValueError, match="frozen"):
        settings.mask.ratio = 0.5


@pytest.mark.parametrize(("good", "bad", "line"), BAD)
def test_a_wrong_setting_is_explained_in_one_line(tmp_path, good, bad, line):
    assert good in DEFAULT
    with pytest.raises(BadSetting) as told:
        load(tmp_path, DEFAULT.replace(good, bad, 1))
    told = " ".join(str(told.value).split())
    assert line in told and len(told) < 400


@pytest.mark.parametrize(
    "source", ["data/own/results", "data/own/results/trip", "data/own/", "data/own/**/*.jpg", "."]
)
def test_what_finish_writes_is_no_source(tmp_path, source):
    with pytest.raises(BadSetting, match="includes data/own/results, where stages/finish.py") as e:
        load(tmp_path, DEFAULT.replace("source: samples", f"source: {source}"))
    assert "\n" not in str(e.value)
    for fine in ("data/own/photos", "data/own/*.jpg", "data/own/results-of-others", "me/data"):
        load(tmp_path, DEFAULT.replace("source: samples", f"source: {fine}"))


def test_links_in_a_circle_are_no_source(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(BadSetting, match="circle': no such path: Symlink loop") as e:
        load(tmp_path, DEFAULT.replace("source: samples", f"source: {tmp_path}/circle"))
    assert "\n" not in str(e.value)


def test_a_range_is_a_ratio_too(tmp_path):
    settings = load(tmp_path, DEFAULT.replace("ratio: 0.25", "ratio: [0.1, 0.5]"))
    assert settings.mask.ratio == [0.1, 0.5]


KINDS_OF_NUMBER = st.from_regex(r"\A[-+]?0?[box]?[0-9_.a-f]{0,4}([eE][-+]?[0-9]{0,2})?\Z")
WORDS = "y Yes n no NO on Off true True TRUE trUe false null ~ .inf -.INF .nan 1:20 08 2024-01-01"


@pytest.mark.filterwarnings("error")
@given(st.one_of(st.sampled_from(WORDS.split()), KINDS_OF_NUMBER.filter(bool)))
@hypothesis.settings(max_examples=500, deadline=None, derandomize=True)
def test_a_value_is_what_dvc_takes_it_for(text):
    """Otherwise DVC records one seed in dvc.lock while the stage draws by another."""
    for line in (f"seed: {text}", f"{text}: 1", f"[{text}]"):
        try:
            dvc = repr(YAML(typ="safe").load(line))
        except ValueError:  # looks like a number and is none: DVC stops
            continue
        except YAMLError:
            dvc = "refused"
        try:
            ours = repr(yaml.load(line, Loader=params._PlainLoader))
        except yaml.YAMLError:
            ours = "refused"
        assert ours == dvc, line


def test_a_seed_with_a_leading_zero_is_decimal(tmp_path):
    settings = load(
        tmp_path,
        DEFAULT.replace("seed: 42", "seed: 010").replace("revision: null", "revision: no", 1),
    )
    assert settings.mask.seed == 10
    assert settings.fetch.revision == "no"


def test_numbers_without_a_dot_are_numbers(tmp_path):
    settings = load(tmp_path, DEFAULT.replace("guidance_scale: 1.0", "guidance_scale: 1e0"))
    assert settings.inpaint.guidance_scale == 1.0


def test_a_bomb_of_aliases_is_refused(tmp_path):
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    with pytest.raises(BadSetting, match="aliases are not allowed"):
        load(tmp_path, bomb)


def test_a_huge_or_deep_file_is_refused(tmp_path):
    with pytest.raises(BadSetting, match="larger than 100000 bytes"):
        load(tmp_path, "#" * 200_000)
    with pytest.raises(BadSetting, match="not valid YAML"):
        load(tmp_path, "[" * 50_000)


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(BadSetting, match="run from the repository's top folder"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("script", ["check", "fetch", "mask", "inpaint", "evaluate", "plot"])
def test_every_stage_checks_all_settings_before_any_work(tmp_path, script):
    """Exit 2, one line, and the outputs that were there are untouched."""
    (tmp_path / "params.yaml").write_text(DEFAULT.replace("ratio: 0.25", "ratio: 2"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images.jsonl").write_text("kept")
    command = [sys.executable, ROOT / "stages" / f"{script}.py"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1 and "mask.ratio = 2" in answer.stderr
    assert (tmp_path / "data" / "images.jsonl").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["images.jsonl", "params.yaml"]


@pytest.mark.parametrize(
    ("lora", "line"),
    [
        ("5", r"inpaint.lora = 5: allowed: \{path, weight\} or null"),
        ("{path: a.safetensors}", "inpaint.lora.weight: missing"),
        ("{path: a.safetensors, weight: x}", "inpaint.lora.weight = 'x': allowed: a number"),
        (
            "{path: a, weight: 1.0, scale: 2}",
            "inpaint.lora.scale: unknown key; allowed: path, weight",
        ),
    ],
)
def test_a_wrong_lora_names_its_key(tmp_path, lora, line):
    text = (ROOT / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("  lora: null ", f"  lora: {lora} "))
    with pytest.raises(BadSetting, match=line):
        params.load(path)
