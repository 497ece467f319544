"""Make the embedded model, data/models/face-tiny. Not a stage of `dvc repro`.

    python stages/train.py autoencoder --photos DIR [DIR ...]
    python stages/train.py refine      --photos DIR [DIR ...]
    python stages/train.py denoiser    --photos DIR [DIR ...]
    python stages/train.py export
    python stages/train.py ablation    --photos DIR [DIR ...]
    python stages/train.py validate    --photos DIR [DIR ...]
    python stages/train.py card

In this order, `refine` and `denoiser` also side by side: both rest on the frozen encoder alone.
Each goes on from its last checkpoint in .work/train, at most three minutes old, and with more
`steps` in params.yaml it continues a finished run. `export` may be called at any time; `validate`
ends with `card`, which writes the tables of the model card. Losses are kept in
.work/train/<command>.jsonl, sheets of what the denoiser paints by then in .work/train/sheets. A
correct run reaches 28 dB in the autoencoder's round trip, and a denoiser
loss that falls quickly for 500 steps and slowly ever after.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from wizard import images, params, records
from wizard.console import BadSetting, progress

WORK = Path(".work/train")
MODEL = Path("data/models/face-tiny")
PREVIEW_STEPS = 250

# Losses that each arm of the ablation does without.
ARMS = {
    "without refinement": ("perceptual", "adversarial"),
    "+ perceptual": ("adversarial",),
    "+ adversarial": (),
}
BASELINES = ("mean", "telea", "navier-stokes", "biharmonic")
STEPS = (1, 2, 3, 4, 8, 16)
CURVE_FACES = 12
STARTS = {
    "noise": (1.0, "mean"),
    "mean 0.9": (0.9, "mean"),
    "telea 0.9": (0.9, "telea"),
    "telea 0.75": (0.75, "telea"),
}
GUIDANCE = (1.0, 2.0)
# From pure noise in one step the model paints the mean of all answers: the least error, no texture.
ONE_STEP = {"num_inference_steps": 1, "strength": 1.0}
# Photographs of these folders may be shown: CC BY 4.0, and the people agreed.
SHOWABLE = ("london/", "canada/")


def autoencoder(settings: params.Params, photos: list[Path]) -> None:
    """Encoder and decoder on L1, gradient L1 and KL."""
    from wizard.training import autoencoder as room
    from wizard.training import networks, people

    training, _ = people.read(photos, settings.train.side)
    seed_weights(settings)
    vae = networks.autoencoder(settings.autoencoder.channels, settings.train.side)
    block = settings.autoencoder
    run("autoencoder", room.train, vae, training.images, block, settings.train.seed)


def refine(settings: params.Params, photos: list[Path]) -> None:
    """The decoder once more, for texture."""
    from wizard.training import autoencoder as room
    from wizard.training import people

    training, _ = people.read(photos, settings.train.side)
    vae = trained_autoencoder(settings, "autoencoder")
    run("refine", room.refine, vae, training.images, settings.refine, settings.train.seed)


def denoiser(settings: params.Params, photos: list[Path]) -> None:
    """The UNet and the text encoder, on latents of the frozen encoder."""
    from wizard.training import denoiser as room
    from wizard.training import networks, people

    training, faces = people.read(photos, settings.train.side)
    captions = people.captions(training.images)
    tokenizer = networks.tokenizer(captions, WORK / "tokenizer")
    vae = trained_autoencoder(settings, "autoencoder").to(device())
    latents = room.Latents(vae, training.images, device())
    nets = fresh_denoiser(settings, tokenizer)
    rest = (tokenizer, networks.scheduler(), latents, captions * 2)
    every = partial(preview, settings, faces)
    run("denoiser", room.train, *nets, *rest, settings.denoiser, settings.train.seed, every=every)


def export(settings: params.Params, photos: list[Path]) -> None:
    """The last checkpoints as the folder of the embedded model."""
    step = write_model(settings, MODEL)
    print(f"{MODEL}: written from step {step} of the denoiser")


def write_model(settings: params.Params, folder: Path) -> int:
    """The last checkpoints as a folder for diffusers, the decoder refined if there is such a one.

    Returns the denoiser's step.
    """
    from transformers import CLIPTokenizer

    from wizard.training import denoiser as room
    from wizard.training import networks

    refined = (WORK / "refine.pt").is_file()
    vae = trained_autoencoder(settings, "refine" if refined else "autoencoder")
    tokenizer = CLIPTokenizer.from_pretrained(WORK / "tokenizer")
    unet, text_encoder = fresh_denoiser(settings, tokenizer)
    state = checkpoint_of("denoiser")
    room.restore(state, vae, unet, text_encoder)
    parts = {"vae": vae, "unet": unet, "text_encoder": text_encoder, "tokenizer": tokenizer}
    networks.write(folder, parts | {"scheduler": networks.scheduler()})
    return state["step"]


def preview(settings: params.Params, faces) -> None:
    """A sheet of fillings by the last checkpoint, beside those of earlier ones."""
    from wizard.training import people, pictures, validation

    if (WORK / "denoiser.pt").is_file():
        step = write_model(settings, WORK / "preview")
        few = people.Faces(faces.names[:8], faces.images[:8])
        holes = validation.holes("rectangles", few.names, settings.train.side, settings.train.seed)
        model = load_model(settings.inpaint, WORK / "preview")
        rows = [few.images, paint(model, settings.inpaint.prefill, few, holes)]
        sheet = pictures.jpeg(pictures.grid(rows))
        records.write_atomic(WORK / "sheets" / f"{step:06d}.jpg", sheet)


def ablation(settings: params.Params, photos: list[Path]) -> None:
    """The decoder's losses, one more each time, for equally many steps of refinement."""
    from wizard import metrics
    from wizard.training import autoencoder as room
    from wizard.training import people, pictures, validation

    training, faces = people.read(photos, settings.train.side)
    whole = [np.ones(image.shape[:2], bool) for image in faces.images]
    table, crops = {}, [[eyes_and_hair(image) for image in shown(faces)]]
    for name, switched_off in ARMS.items():
        changes = dict.fromkeys(switched_off, 0.0) | {"steps": settings.refine.ablation_steps}
        block = settings.refine.model_copy(update=changes)
        vae = trained_autoencoder(settings, "autoencoder")
        label = f"ablation-{len(table)}"
        run(label, room.refine, vae, training.images, block, settings.train.seed)
        vae.load_state_dict(checkpoint_of(label)["vae"])
        results = room.round_trip(vae, faces.images)
        rows = validation.score_all(faces.images, results, whole, metrics.score)
        table[name] = validation.means(rows)
        crops.append([eyes_and_hair(image) for image in room.round_trip(vae, shown(faces))])
    write_json(WORK / "ablation.json", table)
    records.write_atomic(MODEL / "ablation.png", images.encode(pictures.grid(crops, zoom=3)))
    print(json.dumps(table, indent=2))


def validate(settings: params.Params, photos: list[Path]) -> None:
    """The exported model beside the baselines and its autoencoder, and the curve of its sampler."""
    from wizard.training import loop, people, pictures, validation

    training, faces = people.read(photos, settings.train.side)
    tables = {kind: compare(settings, faces, kind) for kind in validation.KINDS}
    sampler = measure_sampler(settings, faces)
    phases = ("autoencoder", "refine", "denoiser")
    losses = {name: loop.read_log(WORK / f"{name}.jsonl") for name in phases}
    blocks = ("train", "autoencoder", "refine", "denoiser", "inpaint")
    facts = {
        "settings": {name: getattr(settings, name).model_dump() for name in blocks},
        "commit": subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip(),
        "photographs": {"training": describe(training), "validation": describe(faces)},
        "steps_done": {name: checkpoint_of(name)["step"] for name in phases},
        "validation": tables,
        "sampler": sampler,
        "ablation": json.loads((WORK / "ablation.json").read_text()),
        "losses": losses,
    }
    write_json(MODEL / "train.json", facts)
    records.write_atomic(MODEL / "curves.png", pictures.curves(losses, sampler))
    card(settings, photos)


def card(settings: params.Params, photos: list[Path]) -> None:
    """The tables of the model card, from what `validate` wrote."""
    from wizard.training import card as room

    facts = json.loads((MODEL / "train.json").read_text())
    text = room.fill_in((MODEL / "README.md").read_text(encoding="utf-8"), facts)
    records.write_atomic(MODEL / "README.md", text.encode())


def compare(settings: params.Params, faces, kind: str) -> dict:
    """Scores of the model, the baselines and the round trip, and a sheet of the model's work."""
    from wizard import metrics, models
    from wizard.models.filling import Filler
    from wizard.report.pictures import masked as marked
    from wizard.training import pictures, validation

    holes = validation.holes(kind, faces.names, settings.train.side, settings.train.seed)
    model = load_model(settings.inpaint)
    blurred = load_model(settings.inpaint.model_copy(update=ONE_STEP))
    results = {
        "model": paint(model, settings.inpaint.prefill, faces, holes),
        "one step": paint(blurred, "mean", faces, holes),
    }
    for name in BASELINES:
        results[name] = paint(models.load(name), "mean", faces, holes)
    results["round trip"] = Filler(model, "mean", 16).round_trip(faces.images, holes, holes)
    table = {}
    for name, pictured in results.items():
        rows = validation.score_all(faces.images, pictured, holes, metrics.score)
        table[name] = {"all": validation.means(rows), **validation.by_fraction(rows)}
    triples = [
        (image, marked(image, hole), result)
        for name, image, hole, result in zip(
            faces.names, faces.images, holes, results["model"], strict=True
        )
        if name.startswith(SHOWABLE)
    ][:24]
    rows = [sum(triples[start : start + 4], ()) for start in range(0, len(triples), 4)]
    records.write_atomic(MODEL / f"{kind}.jpg", pictures.jpeg(pictures.grid(rows)))
    return table


def measure_sampler(settings: params.Params, faces) -> list[dict]:
    """Quality against steps, guidance and start, over some faces and both kinds of hole."""
    from wizard import metrics
    from wizard.training import people, validation

    chosen = slice(None, None, max(len(faces) // CURVE_FACES, 1))
    few = people.Faces(faces.names[chosen], faces.images[chosen])
    size, seed = settings.train.side, settings.train.seed
    holes = {kind: validation.holes(kind, few.names, size, seed) for kind in validation.KINDS}
    ways = [
        (start, guidance, steps)
        for start, (strength, _) in STARTS.items()
        for guidance in GUIDANCE
        for steps in STEPS
        if int(steps * strength) >= 1 and (guidance == 1 or start == "noise")
    ]
    curve = []
    for start, guidance, steps in progress(ways, len(ways), "sampler", unit="setting"):
        strength, prefill = STARTS[start]
        changes = {"num_inference_steps": steps, "guidance_scale": guidance, "strength": strength}
        model = load_model(settings.inpaint.model_copy(update=changes))
        rows = []
        for drawn in holes.values():
            results = paint(model, prefill, few, drawn)
            rows += validation.score_all(few.images, results, drawn, metrics.score)
        way = {"start": start, "guidance": guidance, "steps": steps}
        curve.append(way | validation.means(rows))
    return curve


def load_model(block: params.Inpaint, folder: Path = MODEL):
    """An exported folder as a backend with these settings."""
    from wizard import models

    call = ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "strength")
    return models.load(
        "diffusers",
        model=str(folder),
        revision=None,
        variant=None,
        scheduler=None,
        device="auto",
        dtype="float32",
        **{name: getattr(block, name) for name in call},
    )


def paint(backend, prefill: str, faces, holes: list[np.ndarray]) -> list[np.ndarray]:
    """Filled photographs; the noise of each follows from its name."""
    from wizard.models.filling import Filler, paste

    seeds = [records.seed(0, "validate", name) for name in faces.names]
    batch = min(16, len(faces))
    painted = Filler(backend, prefill, batch).fill(faces.images, holes, seeds)
    return [paste(*row) for row in zip(faces.images, painted, holes, strict=True)]


def describe(faces) -> dict:
    """How many photographs, and a hash of their names and pixels."""
    digest = hashlib.sha256("\n".join(faces.names).encode() + faces.images.tobytes())
    return {"images": len(faces), "sha256": digest.hexdigest()}


def shown(faces) -> np.ndarray:
    """The photographs that may be published, at most eight."""
    return np.stack(
        [
            image
            for name, image in zip(faces.names, faces.images, strict=True)
            if name.startswith(SHOWABLE)
        ][::2][:8]
    )


def eyes_and_hair(image: np.ndarray) -> np.ndarray:
    """The middle of an aligned face, where texture shows most."""
    size = len(image)
    return image[size // 10 : size * 6 // 10, size // 5 : size * 4 // 5]


def write_json(path: Path, content: dict) -> None:
    """Indented JSON with a newline at its end."""
    records.write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def run(name: str, train: Callable, *arguments, every: Callable = lambda: None) -> None:
    """Train from the last checkpoint to the end, keeping the losses.

    The last two of `arguments` are the settings of the command and the seed. `every` is called
    each 250 steps.
    """
    from wizard.training import checkpoint, loop

    path = WORK / f"{name}.pt"
    left = arguments[-2].steps - checkpoint.step(path)
    rows = loop.logged(train(*arguments, path, device()), WORK / f"{name}.jsonl")
    for row in progress(rows, left, name, unit="step"):
        if (row["step"] + 1) % PREVIEW_STEPS == 0:
            every()


def seed_weights(settings: params.Params) -> None:
    """First weights that follow from the seed alone."""
    import torch

    torch.manual_seed(settings.train.seed)


def device() -> str:
    """CUDA when present."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def checkpoint_of(name: str) -> dict:
    """The last checkpoint of a command."""
    from wizard.training import checkpoint

    state = checkpoint.read(WORK / f"{name}.pt")
    if state is None:
        raise ValueError(f"{WORK}/{name}.pt: no checkpoint yet; run train.py {name} first")
    return state


def trained_autoencoder(settings: params.Params, name: str):
    """The autoencoder of the last checkpoint of `autoencoder` or `refine`."""
    from wizard.training import networks

    vae = networks.autoencoder(settings.autoencoder.channels, settings.train.side)
    vae.load_state_dict(checkpoint_of(name)["vae"])
    return vae


def fresh_denoiser(settings: params.Params, tokenizer):
    """UNet and text encoder before training."""
    from wizard.training import networks

    seed_weights(settings)
    halvings = len(settings.autoencoder.channels) - 1
    unet = networks.denoiser(settings.denoiser.channels, settings.train.side >> halvings)
    return unet, networks.text_encoder(tokenizer)


COMMANDS = {
    command.__name__: command
    for command in (autoencoder, refine, denoiser, export, ablation, validate, card)
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders of faces")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file")
    arguments = parser.parse_args()
    if arguments.command not in ("export", "card") and not arguments.photos:
        parser.error("--photos: give the folders of face photographs")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        COMMANDS[arguments.command](params.load(arguments.params), arguments.photos)
    except (ValueError, OSError) as error:
        print(f"train.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, BadSetting) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
