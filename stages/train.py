"""Make the embedded model, data/models/face-tiny. Not a stage of `dvc repro`.

    python stages/train.py autoencoder --photos DIR [DIR ...]
    python stages/train.py refine      --photos DIR [DIR ...]
    python stages/train.py denoiser    --photos DIR [DIR ...]
    python stages/train.py export
    python stages/train.py finish      --photos DIR [DIR ...]
    python stages/train.py export

In this order, `refine` and `denoiser` also side by side: both rest on the frozen encoder alone.
`finish` starts from the exported model and trains denoiser and decoder through a single step.
Each resumes from its last checkpoint in .work/train, at most three minutes old, and with more
`steps` in params.yaml it continues a finished run. `export` may be called at any time. Where
.work/train/finish.pt exists, `export` takes it and `finish` continues it, whatever was trained
since: move it away to export or finish another denoiser.

Losses are kept in .work/train/<command>.jsonl, sheets of validation faces in .work/train/sheets
and their scores in .work/train/<command>-validation.jsonl. A correct run reaches 28 dB in the
autoencoder's round trip, and a denoiser loss that falls quickly for 500 steps and slowly ever
after. `stages/assess.py` measures what came of it.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from wizard import params, records
from wizard.console import BadSetting, progress, stage

WORK = Path(".work/train")
MODEL = Path("data/models/face-tiny")
PREVIEW_STEPS = 1000
PREVIEW_FACES = 64


def autoencoder(settings: params.Params, photos: list[Path]) -> None:
    """Encoder and decoder on L1, gradient L1 and KL."""
    from wizard.training import autoencoder as phase
    from wizard.training import networks

    check_crop(settings, "autoencoder")
    training, _ = faces_of(photos, settings)
    seed_weights(settings)
    vae = networks.autoencoder(settings.autoencoder.channels, settings.train.side)
    run("autoencoder", partial(phase.train, vae, training.images), settings)


def refine(settings: params.Params, photos: list[Path]) -> None:
    """The decoder once more, for texture."""
    from wizard.training import autoencoder as phase

    check_crop(settings, "refine")
    training, _ = faces_of(photos, settings)
    seed_weights(settings)
    vae = trained_autoencoder(settings, "autoencoder")
    run("refine", partial(phase.refine, vae, training.images), settings)


def denoiser(settings: params.Params, photos: list[Path]) -> None:
    """The UNet and the text encoder, on latents of the frozen encoder."""
    from wizard.training import denoiser as phase
    from wizard.training import networks, people

    training, faces = faces_of(photos, settings)
    captions = people.captions(training.images)
    tokenizer = networks.tokenizer(captions, WORK / "tokenizer")
    vae = trained_autoencoder(settings, "autoencoder").to(device())
    latents = phase.Latents(vae, training.images, device())
    unet, text_encoder = fresh_denoiser(settings, tokenizer)
    nets = {"unet": unet, "text_encoder": text_encoder, "tokenizer": tokenizer}
    ready = partial(phase.train, **nets, scheduler=networks.scheduler())
    run("denoiser", partial(ready, latents=latents, captions=captions * 2), settings, faces)


def finish(settings: params.Params, photos: list[Path]) -> None:
    """Denoiser and decoder together, from the exported model on."""
    from diffusers import AsymmetricAutoencoderKL

    from wizard.training import finish as phase
    from wizard.training import networks, people

    training, faces = faces_of(photos, settings)
    seed_weights(settings)
    parts = networks.read(MODEL)
    if not isinstance(parts["vae"], AsymmetricAutoencoderKL):
        parts["vae"] = networks.conditioned(parts["vae"])
    rest = {
        "scheduler": networks.scheduler(),
        "images": training.images,
        "captions": people.captions(training.images),
        "holes": (settings.finish.holes, *settings.denoiser.ratio),
    }
    run("finish", partial(phase.train, **parts, **rest), settings, faces)


def export(settings: params.Params, photos: list[Path]) -> None:
    """The last checkpoints as the folder of the embedded model."""
    from wizard.training import networks

    phase = "finish" if (WORK / "finish.pt").is_file() else "denoiser"
    parts, step = parts_of(settings, phase)
    networks.write(MODEL, parts)
    print(f"{MODEL}: written from step {step} of {phase}")


def parts_of(settings: params.Params, phase: str) -> tuple[dict, int]:
    """The parts of a checkpoint of `denoiser` or `finish`, averaged, and its step."""
    from wizard.training import networks

    state = checkpoint_of(phase)
    parts = finished_parts(state) if phase == "finish" else denoising_parts(settings, state)
    return parts | {"scheduler": networks.scheduler()}, state["step"]


def finished_parts(state: dict) -> dict:
    """The exported model with the weights of a checkpoint of `finish`."""
    from diffusers import AsymmetricAutoencoderKL

    from wizard.training import checkpoint, networks
    from wizard.training import finish as phase

    parts = networks.read(MODEL)
    if not isinstance(parts["vae"], AsymmetricAutoencoderKL):
        parts["vae"] = networks.conditioned(parts["vae"])
    with checkpoint.fitting(WORK / "finish.pt"):
        phase.restore(state, parts["vae"], parts["unet"], parts["text_encoder"])
    return parts


def denoising_parts(settings: params.Params, state: dict) -> dict:
    """The denoiser of a checkpoint beside the autoencoder, refined if that was done."""
    from transformers import CLIPTokenizer

    from wizard.training import checkpoint
    from wizard.training import denoiser as phase

    refined = (WORK / "refine.pt").is_file()
    vae = trained_autoencoder(settings, "refine" if refined else "autoencoder")
    tokenizer = CLIPTokenizer.from_pretrained(WORK / "tokenizer")
    unet, text_encoder = fresh_denoiser(settings, tokenizer)
    with checkpoint.fitting(WORK / "denoiser.pt"):
        phase.restore(state, vae, unet, text_encoder)
    return {"vae": vae, "unet": unet, "text_encoder": text_encoder, "tokenizer": tokenizer}


def preview(settings: params.Params, phase: str, faces) -> None:
    """A sheet of results by the last checkpoint, and their scores, beside those of earlier ones."""
    from wizard import metrics
    from wizard.training import pictures, validation

    if not (WORK / f"{phase}.pt").is_file():
        return
    parts, step = parts_of(settings, phase)
    few = faces.every(len(faces) // PREVIEW_FACES or 1)
    row, sheet = {"step": step}, []
    for kind in validation.KINDS:
        holes, results, scores = validation.trial(
            parts, kind, few.images, few.names, settings.train.seed, metrics.score
        )
        row |= {f"{kind}_{name}": value for name, value in scores.items()}
        sheet += [few.images[::4], validation.hidden(few.images, holes)[::4], results[::4]]
    with open(WORK / f"{phase}-validation.jsonl", "a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")
    path = WORK / "sheets" / f"{phase}-{step:06d}.jpg"
    records.write_atomic(path, pictures.jpeg(pictures.grid(sheet)))


def run(name: str, train: Callable[..., Iterator[dict]], settings: params.Params, faces=None):
    """Train from the last checkpoint to the end, keeping the losses.

    `train` takes the command's settings, the seed, the checkpoint's path and the device. With
    `faces` of validation there is a preview every PREVIEW_STEPS.
    """
    from wizard.training import checkpoint, loop

    path, block = WORK / f"{name}.pt", getattr(settings, name)
    left = block.steps - checkpoint.step(path)
    rows = train(settings=block, base_seed=settings.train.seed, path=path, device=device())
    logged = loop.logged(rows, WORK / f"{name}.jsonl")
    for row in progress(logged, left, name, unit="step"):
        if faces is not None and (row["step"] + 1) % PREVIEW_STEPS == 0:
            preview(settings, name, faces)


def faces_of(photos: list[Path], settings: params.Params):
    """The photographs of the folders at the side of training, as (training, validation)."""
    from wizard.training import people

    return people.read(photos, settings.train.side, settings.fetch.max_pixels)


def check_crop(settings: params.Params, name: str) -> None:
    """Raise BadSetting when the training squares of a command are larger than the photographs."""
    crop, side = getattr(settings, name).crop, settings.train.side
    if crop > side:
        raise BadSetting(f"{name}.crop = {crop}: larger than train.side {side}; lower it")


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
        raise records.Unusable(f"{WORK}/{name}.pt: no checkpoint yet; run train.py {name} first")
    return state


def trained_autoencoder(settings: params.Params, name: str):
    """The autoencoder of the last checkpoint of `autoencoder` or `refine`."""
    from wizard.training import checkpoint, networks

    vae = networks.autoencoder(settings.autoencoder.channels, settings.train.side)
    state = checkpoint_of(name)
    with checkpoint.fitting(WORK / f"{name}.pt"):
        vae.load_state_dict(state["vae"])
    return vae


def fresh_denoiser(settings: params.Params, tokenizer) -> tuple[Any, Any]:
    """UNet and text encoder before training."""
    from wizard.training import networks

    seed_weights(settings)
    halvings = len(settings.autoencoder.channels) - 1
    unet = networks.denoiser(settings.denoiser.channels, settings.train.side >> halvings)
    return unet, networks.text_encoder(tokenizer)


COMMANDS = {
    command.__name__: command for command in (autoencoder, refine, denoiser, finish, export)
}


def main(params_path: Path, command: str, photos: list[Path]) -> None:
    if command != "export" and not photos:
        raise BadSetting("--photos: give the folders of face photographs")
    COMMANDS[command](params.load(params_path), photos)


if __name__ == "__main__":
    folders = {"type": Path, "nargs": "+", "default": [], "help": "folders of faces"}
    stage(main, __doc__, {"command": {"choices": COMMANDS}, "--photos": folders})
