"""What the README tells people to type, and what it shows them, is true."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from wizard import params

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_two_commands_are_lines_to_copy():
    first, second = blocks("sh")[:2]
    assert first == (
        "python3 -m venv .venv && . .venv/bin/activate && "
        "pip install -r requirements.txt && dvc repro\n"
    )
    assert second == "pip install -r requirements-dev.txt && pytest\n"


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_block_of_settings_is_valid(tmp_path, block):
    changed = {name: values.copy() for name, values in SETTINGS.items()}
    for name, values in yaml.safe_load(block).items():
        assert values.keys() <= changed[name].keys()
        changed[name] |= values
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
    params.load(tmp_path / "params.yaml")


def test_the_example_of_a_shape_draws_masks():
    (code,) = blocks("python")
    module: dict = {}
    exec(code, module)
    mask = module["draw"](np.random.default_rng(0), 64, 48, 0.2)
    assert mask.shape == (64, 48) and mask.dtype == bool and 0 < mask.mean() <= 0.21


def test_every_setting_named_in_the_text_exists():
    names = re.findall(r"`(fetch|mask|inpaint|evaluate|plot|runtime)\.(\w+)", README)
    assert names
    for block, key in names:
        assert key in SETTINGS[block], f"{block}.{key}"


def test_every_linked_file_exists():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_heading_linked_to_exists():
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings
