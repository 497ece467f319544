"""What README and docs/ tell people to set and to look at is there."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from wizard import params

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(language: str, *pages: Path) -> list[str]:
    return [
        block
        for page in pages
        for block in re.findall(rf"```{language}\n(.*?)```", text(page), re.S)
    ]


def name(page: Path) -> str:
    return page.stem


def test_the_two_commands_are_lines_to_copy():
    first, second = blocks("sh", README)[:2]
    assert first == (
        "python3 -m venv .venv && . .venv/bin/activate && "
        "pip install -r requirements.txt && dvc repro\n"
    )
    assert second == "pip install -r requirements-dev.txt && pytest\n"


def test_the_readme_is_read_in_a_minute_and_lists_every_page():
    assert len(text(README).splitlines()) <= 200
    for page in PAGES[1:]:
        assert f"](docs/{page.name})" in text(README), page.name


@pytest.mark.parametrize("block", blocks("yaml", *PAGES))
def test_every_block_of_settings_is_valid(tmp_path, block):
    changed = {name: values.copy() for name, values in SETTINGS.items()}
    for name, values in yaml.safe_load(block).items():
        assert values.keys() <= changed[name].keys()
        changed[name] |= values
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
    params.load(tmp_path / "params.yaml")


def test_the_example_of_a_shape_draws_masks():
    (code,) = blocks("python", ROOT / "docs" / "extending.md")
    module: dict = {}
    exec(code, module)
    mask = module["draw"](np.random.default_rng(0), 64, 48, 0.2)
    assert mask.shape == (64, 48) and mask.dtype == bool and 0 < mask.mean() <= 0.21


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_named_in_the_text_exists(page):
    for block, key in re.findall(
        r"\b(fetch|mask|inpaint|evaluate|plot|runtime)\.(\w+)=", text(page)
    ):
        assert key in SETTINGS[block], f"{block}.{key}"
    for block, key in re.findall(
        r"`(fetch|mask|inpaint|evaluate|plot|runtime)\.(\w+)[`:]", text(page)
    ):
        assert key in SETTINGS[block], f"{block}.{key}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_linked_file_and_heading_exists(page):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text(page)):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not heading or heading in headings(file), target


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    return {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in text(page).splitlines()
        if line.startswith("#")
    }
