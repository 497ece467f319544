"""The rules of the house, checked by reading the sources."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ROOT / "stages"
SCRIPTS = ["check", "fetch", "mask", "inpaint", "evaluate", "plot"]
GROUND = {"records", "images", "console", "devices", "names", "opinions", "runs"}
ROOMS = {"sources", "masks", "models", "metrics", "report", "runners", "training"}
HEAVY = {"torch", "diffusers", "transformers", "datasets", "ray", "matplotlib", "cv2", "skimage"}


def imported(file: Path) -> set[str]:
    """Every module of ours that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "wizard" and path_of(name)}


def path_of(module: str) -> Path | None:
    base = STAGES.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def room(file: Path) -> str:
    parts = file.relative_to(STAGES / "wizard").with_suffix("").parts
    return parts[0]


def closure(script: Path) -> set[str]:
    """All files of ours that a script can load, as dvc.yaml names them.

    A room with a table of names is named as a folder: the table loads any of its files, and one
    more of them needs no line in dvc.yaml.
    """
    seen, waiting, whole_rooms = set(), [script], set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        if file.name == "__init__.py" and "import_module" in file.read_text():
            whole_rooms.add(file.parent)
            waiting += file.parent.glob("*.py")
        for name in imported(file):
            waiting.append(path_of(name))
            # Importing a.b.c runs a/__init__.py and a/b/__init__.py first.
            parents = (path_of(".".join(name.split(".")[:n])) for n in (1, 2))
            waiting += [parent for parent in parents if parent]
    assets = {
        asset
        for file in seen
        for asset in file.parent.iterdir()
        if asset.suffix in {".html", ".css", ".js"} and asset.name in file.read_text()
    }
    files = {path for path in seen | assets if path.parent not in whole_rooms}
    return {path.relative_to(ROOT).as_posix() for path in files | whole_rooms}


def test_deps_in_dvc_yaml_are_exactly_the_files_a_stage_loads():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == SCRIPTS
    for name, stage in stages.items():
        declared = {dep for dep in stage["deps"] if dep.startswith("stages/")}
        assert declared == closure(STAGES / f"{name}.py"), f"deps of stage {name}"


def test_stages_depend_on_manifests_and_never_on_the_folders_beside_them():
    """For each stage that names a folder, DVC looks at every file in it again."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    deps = {dep for stage in stages for dep in stage["deps"]}
    for folder in ("data/images", "data/masks", "data/inpainted"):
        assert f"{folder}.jsonl" in deps and folder not in deps


def test_stages_that_compute_depend_on_the_pinned_libraries():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {name for name in stages if "requirements.txt" not in stages[name]["deps"]} == {"check"}


def test_no_setting_has_a_name_that_dvc_leaves_out_of_its_hash():
    """The run-cache drops these keys (treeverse/dvc #10296): old outputs would return."""
    blocks = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block, settings in blocks.items():
        assert not settings.keys() & {"size", "nfiles"}, block


def test_imports_never_run_upward_or_sideways():
    for file in (STAGES / "wizard").rglob("*.py"):
        own = room(file)
        allowed = GROUND | {own}
        if own == "params":
            allowed = {"console", "params", "runs"}
        if own in GROUND:
            allowed = GROUND
        if own == "training":
            allowed |= {"masks"}
        if own == "methods":
            allowed |= {"params", "models", "runners"}
        used = {name.split(".")[1] for name in imported(file) if "." in name}
        assert used <= allowed, f"{file.relative_to(ROOT)} imports {sorted(used - allowed)}"


def test_only_scripts_know_paths_and_settings():
    for file in (STAGES / "wizard").rglob("*.py"):
        if room(file) == "params":
            continue
        constants = [n.value for n in ast.walk(ast.parse(file.read_text())) if is_text(n)]
        paths = [
            text
            for text in constants
            if re.match(r"metrics/|data/(images|masks|inpainted|own|models|ratings)", text)
        ]
        assert not paths, f"{file.relative_to(ROOT)} names {paths}"


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_room_tables_and_scripts_load_no_heavy_library():
    light = [STAGES / f"{name}.py" for name in SCRIPTS]
    light += (STAGES / "wizard").glob("*/__init__.py")
    light += (STAGES / "wizard").glob("*.py")
    for file in light:
        for node in ast.parse(file.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            heavy = {name.split(".")[0] for name in names} & HEAVY
            assert not heavy, f"{file.relative_to(ROOT)} imports {heavy} at the top"


def test_no_file_of_ours_takes_the_name_of_a_library():
    requirements = "".join(path.read_text() for path in ROOT.glob("requirements*.txt"))
    libraries = {
        name.lower().replace("-", "_") for name in re.findall(r"^[\w-]+", requirements, re.M)
    }
    ours = {path.stem for path in STAGES.rglob("*.py")} - {"__init__"}
    assert not ours & (libraries | sys.stdlib_module_names)


def test_every_room_has_its_test_file():
    rooms = {path.name for path in (STAGES / "wizard").iterdir() if path.is_dir()} & ROOMS
    names = {"sources": "fetch"}
    for name in rooms:
        assert (ROOT / "tests" / f"test_{names.get(name, name)}.py").is_file(), name


def test_requirements_are_exact_pins():
    for file in ROOT.glob("requirements*.txt"):
        for line in file.read_text().splitlines():
            line = line.split("#")[0].strip()
            pinned = re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.]+|-[rc] [\w-]+\.txt|", line)
            assert pinned, f"{file.name}: {line}"


def pins(*names: str) -> dict[str, str]:
    """Package → version of requirements files."""
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    found = (re.match(r"([\w.-]+?)(?:\[.+\])?==([\w.]+)", line) for line in lines)
    return {one[1].lower().replace("_", "-"): one[2] for one in found if one}


def test_what_is_imported_is_required():
    owners = packages_distributions()
    used: dict[str, set[str]] = {"stages": set(), "tests": set()}
    for top, names in used.items():
        for file in (ROOT / top).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text())))
            names |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
            names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    required = {
        "stages": pins("requirements.txt", "requirements-ray.txt"),
        "tests": pins("requirements.txt", "requirements-ray.txt", "requirements-dev.txt"),
    }
    for top, names in used.items():
        for name in names:
            packages = {one.lower().replace("_", "-") for one in owners.get(name.split(".")[0], ())}
            assert not packages or packages & required[top].keys(), f"{top} imports {name}"


def test_the_lock_has_what_the_requirements_name():
    lock = pins("constraints.txt")
    for name, version in pins("requirements.txt", "requirements-dev.txt").items():
        assert name == "torch" or lock[name] == version, name


@pytest.mark.parametrize(
    "script", [*SCRIPTS, "train", "assess", "compare", "preset", "fill", "finish"]
)
def test_help_shows_the_docstring_and_loads_no_heavy_library(script):
    command = [sys.executable, "-X", "importtime", STAGES / f"{script}.py", "--help"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    docstring = ast.get_docstring(ast.parse((STAGES / f"{script}.py").read_text()))
    assert docstring.splitlines()[0] in answer.stdout
    loaded = set(re.findall(r"\| +(\w+)$", answer.stderr, re.M))
    assert not loaded & (HEAVY - {"cv2"})


def test_nothing_is_left_unfinished():
    for file in [*STAGES.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        if file != Path(__file__):
            words = re.findall(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", file.read_text())
            assert not words, f"{file.relative_to(ROOT)}: {words}"
