"""The benchmarks still run: at their smallest size, without the peers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tables

FOLDER = Path(__file__).parent / "benchmarks"
SMALLEST = {
    "evaluate": ["--pairs", "2"],
    "fetch": ["--photographs", "2"],
    "overhead": ["--holes", "2"],
    "gpu": ["--tiny", "1", "--compiled", "0"],
}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_writes_its_report(tmp_path, name):
    command = [sys.executable, FOLDER / f"bench_{name}.py", "--rounds", "1", "--output", tmp_path]
    subprocess.run([*command, *SMALLEST[name]], check=True)
    report = json.loads((tmp_path / f"{name}.json").read_text())
    assert report["rounds"] == 1


@pytest.mark.parametrize("path", sorted((FOLDER.parents[1] / "docs").glob("*.md")), ids=str)
def test_a_table_in_the_docs_holds_what_was_measured(path):
    text = path.read_text(encoding="utf-8")
    assert tables.rewritten(text) == text, "run python tests/benchmarks/tables.py"


@pytest.mark.parametrize(
    "name", ["fill", "full_size", "growth", "photographs", "remotes", "windows"]
)
def test_a_benchmark_too_slow_to_run_here_explains_itself(name):
    command = [sys.executable, FOLDER / f"bench_{name}.py", "--help"]
    assert f"results/{name}.json" in subprocess.check_output(command, text=True)


def test_the_page_counts_what_the_networks_compute(tmp_path):
    command = [sys.executable, FOLDER / "bench_scale.py", "--output", tmp_path]
    subprocess.run(command, check=True)
    counted = json.loads((tmp_path / "scale.json").read_text())["tera_operations_a_result"]
    page = (FOLDER.parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
    for side in ("256", "512"):
        assert f"{counted[side]:.1f}·10¹² at {side}×{side}" in page
