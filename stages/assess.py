"""Measure the embedded model, data/models/face-tiny. Not a stage of `dvc repro`.

    python stages/assess.py validate --photos DIR [DIR ...] --before MODEL
    python stages/assess.py arms --photos DIR [DIR ...] --models NAME=MODEL [NAME=MODEL ...]
    python stages/assess.py card

`validate` takes the folders that the model was trained on and runs the stages, in .work/assess,
over the people among them that training never saw; a run resumes where it stopped. The model and
every classical method fill the same holes, rectangles over a quarter of the image and strokes over
half and more; then the model fills a part of them in more steps and several times over. `--before`
names the folder of the model that `train.py finish` started from: it fills the same holes from the
same seeds, and its parts take the place of the model's, to see what each is worth. `validate`
writes train.json, curves.png and sheets of results into the model's folder. `arms` measures models
that were trained to be compared, on people of the sets that this model began with and on those of
the others, and adds that to train.json. Both end with `card`, which fills in the tables of the
model card.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from wizard import console, images, params, records

HERE = Path(__file__).resolve().parent
WORK = Path(".work")
MODEL = Path("data/models/face-tiny")
PHASES = ("autoencoder", "refine", "denoiser", "finish")
STAGES = ("fetch", "mask", "inpaint", "evaluate")
KINDS = {
    "rectangles": {"shape": "rectangles", "ratio": 0.25, "variant": None, "per_image": 1},
    "strokes": {"shape": "strokes", "ratio": [0.5, 0.9], "variant": "thick", "per_image": 1},
}
# Of the user's own settings, what would leave faces out, or leave them without scores.
EVERY_PHOTOGRAPH = {"start": 0, "count": None, "fit": "square", "revision": None, "column": None,
                    "caption_column": None, "metadata": None}  # fmt: skip
AGAINST_ORIGINALS = {"reference": "original", "learned": []}
CLASSICAL = ("mean", "navier-stokes", "biharmonic")
STEPS = (1, 2, 4, 8)
FACES, CURVE_FACES = 140, 24  # about so many people, of all sets
SAMPLES = 4
LOSS_ROWS = 500  # at most so many of each command's losses are kept in train.json
# Photographs of these sets may be shown: CC BY 4.0, and the people agreed.
SHOWABLE = ("london", "canada")
FIRST_SETS = ("congress", "london", "canada")  # those that the model began with


def validate(settings: dict, photos: list[Path], before: Path) -> None:
    """Scores by kind of hole, by set and by size of hole; the curve of the sampler; the sheets."""
    from wizard.training import loop, people, pictures

    training, faces = people.read(
        photos, settings["train"]["side"], settings["fetch"]["max_pixels"]
    )
    shown = faces.of(SHOWABLE)
    few = faces.every(len(faces) // CURVE_FACES or 1)
    faces = faces.every(len(faces) // FACES or 1)
    steps = {f"steps{count}": {"num_inference_steps": count} for count in STEPS[1:]}
    earlier = {"before": {"model": str(before.resolve())}}
    methods = {name: {"backend": name} for name in CLASSICAL} | earlier
    tables, curve = {}, {}
    for kind, mask in KINDS.items():
        tables[kind] = tabulate(fill(kind, faces, settings, mask, {"contenders": methods}))
        folder = fill(f"{kind}-shown", shown, settings, mask, {"contenders": earlier})
        sheet(folder, MODEL / f"{kind}.jpg", [*earlier, "model"])
        changes = {"contenders": steps, "samples_per_mask": SAMPLES, "num_inference_steps": 1}
        curve[kind] = tabulate(fill(f"{kind}-steps", few, settings, mask, changes))
    known = json.loads((MODEL / "train.json").read_text())
    logs = {name: loop.read_log(WORK / "train" / f"{name}.jsonl") for name in PHASES}
    few_of = {name: rows[:: 1 + len(rows) // LOSS_ROWS] for name, rows in logs.items() if rows}
    losses = known["losses"] | few_of
    progress = loop.read_log(WORK / "train" / "finish-validation.jsonl")
    facts = known | {
        "settings": {name: settings[name] for name in ("train", *losses, "inpaint")},
        "commit": subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip(),
        "photographs": {"training": training.about(), "validation": faces.about()},
        "losses": losses,
        "progress": progress or known["progress"],
        "validation": tables,
        "parts": parts_in_turn(faces, before),
        "steps": curve,
    }
    records.write_atomic(
        MODEL / "curves.png", pictures.curves(facts["losses"], facts["progress"], curve)
    )
    write(facts)
    card()


def parts_in_turn(faces, before: Path) -> dict[str, dict]:
    """Means by kind of hole with the denoiser, the decoder, both or neither of the model before."""
    from wizard.training import networks

    old, new = networks.read(before), networks.read(MODEL)
    blind = copy.copy(new["vae"])
    blind.decode = partial(without_condition, blind.decode)
    arms = {
        "before `finish`": old,
        "+ decoder": old | {"vae": new["vae"]},
        "+ denoiser": new | {"vae": old["vae"]},
        "+ both, the decoder blind": new | {"vae": blind},
        "+ both": new,
    }
    return {name: by_kind(parts, faces) for name, parts in arms.items()}


def by_kind(parts: dict, faces) -> dict[str, dict]:
    """Means by kind of hole of what networks make of one hole in each face."""
    from wizard import metrics
    from wizard.training import networks, validation

    parts = parts | {"scheduler": networks.scheduler()}
    shown = {"images": faces.images, "names": faces.names, "base_seed": 0}
    made = partial(validation.trial, parts, score=metrics.score, **shown)
    return {kind: made(kind=kind)[2] for kind in validation.KINDS}


def without_condition(decode: Callable, latents, return_dict: bool = True, **_):
    """An autoencoder's ``decode`` that does not see the pixels around the hole."""
    return decode(latents, return_dict=return_dict)


def arms(settings: dict, photos: list[Path], models: dict[str, Path]) -> None:
    """Scores of several models, by whose photographs have the holes."""
    from wizard.training import networks, people

    _, faces = people.read(photos, settings["train"]["side"], settings["fetch"]["max_pixels"])
    faces = faces.every(len(faces) // FACES or 1)
    others = {name.split("/")[0] for name in faces.names} - {*FIRST_SETS}
    groups = {"first three sets": faces.of(FIRST_SETS), "other sets": faces.of(tuple(others))}
    table = {}
    for name, folder in models.items():
        parts = networks.read(folder)
        for group, own in groups.items():
            if len(own):
                table[f"{name}: people of the {group} ({len(own)})"] = by_kind(parts, own)
    facts = json.loads((MODEL / "train.json").read_text()) | {"arms": table}
    write(facts)
    card()


def write(facts: dict) -> None:
    """What the model card is filled in from."""
    records.write_atomic(MODEL / "train.json", (json.dumps(facts, indent=1) + "\n").encode())


def card() -> None:
    """The tables of the model card, from train.json."""
    from wizard.training import card as room

    facts = json.loads((MODEL / "train.json").read_text())
    text = room.fill_in((MODEL / "README.md").read_text(encoding="utf-8"), facts)
    records.write_atomic(MODEL / "README.md", text.encode())


def fill(name: str, faces, settings: dict, mask: dict, inpaint: dict) -> Path:
    """A folder in which the stages have filled and scored a hole in each face."""
    folder = WORK / "assess" / name
    photos = records.Folder(folder / "photos")
    for face, image in zip(faces.names, faces.images, strict=True):
        photos.publish(f"{face.replace('/', SEPARATOR)}.png", images.encode(image))
    photos.sweep()
    content = copy.deepcopy(settings)
    source = {"source": str(photos.path.resolve()), "side": settings["train"]["side"]}
    content["fetch"] |= EVERY_PHOTOGRAPH | source
    content["evaluate"] |= AGAINST_ORIGINALS
    content["mask"] |= mask
    content["inpaint"] |= {"model": str(MODEL.resolve())} | inpaint
    content["runtime"]["max_failures"] = 0
    (folder / "params.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    environment = os.environ | {"DVC_ROOT": str(Path.cwd())}
    for stage in STAGES:
        subprocess.run(
            [sys.executable, HERE / f"{stage}.py"], cwd=folder, env=environment, check=True
        )
    return folder


SEPARATOR = "--"  # between set and file in the name of a photograph


def tabulate(folder: Path) -> dict[str, dict]:
    """For each method the means of its scores: of all, by size of hole, by set of photographs.

    Those of all have 95% intervals.
    """
    from wizard.report import scores
    from wizard.training import validation

    of = {row["id"]: row["source_name"] for row in records.read(folder / "data" / "images.jsonl")}
    rows = scores.read(folder / "metrics" / "scores.csv")
    table = {}
    for method in scores.methods(rows):
        own = [row for row in rows if row["method"] == method]
        sets: dict[str, list[dict]] = {}
        for row in own:
            sets.setdefault(of[row["image"]].split(SEPARATOR)[0], []).append(row)
        table[method] = {
            "all": validation.means(own) | {"intervals": intervals_of(own)},
            "by_hole": validation.by_fraction(own),
            "by_set": {name: validation.means(sets[name]) for name in sorted(sets)},
        }
    return table


def intervals_of(rows: list[dict]) -> dict[str, list[float]]:
    """The 95% bootstrap interval of each mean, over photographs."""
    from wizard.metrics import intervals
    from wizard.training import validation

    values = np.array([[row.get(name) for name in validation.METRICS] for row in rows], float)
    low, high = intervals.bootstrap_means(values, np.array([r["image"] for r in rows]), 2000, 0)
    ends = zip(validation.METRICS, low, high, strict=True)
    return {name: [round(a, 4), round(b, 4)] for name, a, b in ends if np.isfinite([a, b]).all()}


def sheet(folder: Path, path: Path, runs: list[str]) -> None:
    """Originals, holes and results of the first 24 photographs, twelve pictures in a row."""
    from wizard.report.pictures import masked
    from wizard.training import pictures

    data = folder / "data"
    sources = {row["id"]: row for row in records.read(data / "images.jsonl")}
    shown: list = []
    for row in records.read(data / "masks.jsonl")[:24]:
        original = images.load(data / sources[row["image"]]["file"])
        shown += [original, masked(original, images.load_mask(data / row["file"]))]
        shown += [images.load(data / "inpainted" / run / f"{row['id']}.png") for run in runs]
    rows = [shown[start : start + 12] for start in range(0, len(shown), 12)]
    records.write_atomic(path, pictures.jpeg(pictures.grid(rows)))


def main(
    params_path: Path, command: str, photos: list[Path], before: Path | None, models: list[str]
) -> None:
    named = {name: Path(folder) for name, _, folder in (one.partition("=") for one in models)}
    if command == "validate" and not (photos and before):
        raise console.BadSetting(
            "validate needs --photos, the folders of faces, and --before, a model's folder"
        )
    if command == "arms" and not (photos and models and all("=" in model for model in models)):
        raise console.BadSetting(
            "arms needs --photos, the folders of faces, and --models NAME=FOLDER ..."
        )
    if command == "card":
        card()
        return
    settings = params.load(params_path).model_dump()
    try:
        if command == "validate" and before:
            validate(settings, photos, before)
        else:
            arms(settings, photos, named)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # the stage has said what is wrong


if __name__ == "__main__":
    console.stage(
        main,
        __doc__,
        {
            "command": {"choices": ("validate", "arms", "card")},
            "--photos": {"type": Path, "nargs": "+", "default": [], "help": "folders of faces"},
            "--before": {"type": Path, "help": "folder of the model that was finished"},
            "--models": {"nargs": "+", "default": [], "help": "NAME=FOLDER of each to compare"},
        },
    )
