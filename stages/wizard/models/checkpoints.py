"""Checkpoints of diffusers: where their files lie, and the pipeline made of them."""

import json
import logging
import textwrap
from collections.abc import Mapping
from pathlib import Path

import diffusers
import huggingface_hub
import safetensors
import torch
import transformers

from wizard.console import BadSetting
from wizard.models import families

# A false alarm of the safety checker blanks an image, and a blanked image must not be scored as
# a result; a watermark would be scored too. Families without them ignore these.
_SWITCHED_OFF = {
    "safety_checker": None,
    "requires_safety_checker": False,
    "add_watermarker": False,
}

# Where a worker of another machine finds what comes from outside the checkpoint's folder.
_VAE, _LORA = "added/vae", "added/lora/weights.safetensors"

_CANNOT_LOAD = (
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    ImportError,
    RuntimeError,
    safetensors.SafetensorError,
)


def files(
    model: str,
    revision: str | None,
    variant: str | None,
    vae: str | None = None,
    lora: Mapping | None = None,
) -> dict[str, Path]:
    """The files that determine what a model fills, by names that are the same on every machine.

    Raises BadSetting when one of them cannot be had.
    """
    folder = locate(model, revision, variant)
    kinds = {".safetensors", ".json", ".txt", ".model", ".jinja"}
    parts = sorted(path for path in folder.glob("*/*") if path.suffix in kinds)
    found = {
        path.relative_to(folder).as_posix(): path for path in [*parts, folder / "model_index.json"]
    }
    if vae:
        paths = sorted(path for path in _locate_vae(vae).iterdir() if path.suffix in kinds)
        found |= {f"{_VAE}/{path.name}": path for path in paths}
    if lora:
        found[_LORA] = _locate_lora(lora["path"])
    return found


def moved(
    model: str,
    revision: str | None,
    variant: str | None,
    vae: str | None = None,
    lora: Mapping | None = None,
) -> dict:
    """The same settings for a process whose folder holds what :func:`files` names."""
    return {
        "model": ".",
        "revision": None,
        "variant": variant,
        "vae": vae and _VAE,
        "lora": lora and {**lora, "path": _LORA},
    }


def open_pipeline(
    model: str,
    revision: str | None,
    variant: str | None,
    vae: str | None,
    lora: Mapping | None,
    scheduler: str | None,
    dtype: str,
) -> tuple[diffusers.DiffusionPipeline, families.Family]:
    """The pipeline that fills with a checkpoint, on the CPU, and its family.

    Only safetensors are read and no code of a checkpoint is run. ``vae`` replaces the autoencoder,
    ``scheduler`` the scheduler; ``lora`` is merged into the weights. Raises BadSetting when
    something cannot be had, does not fit, or is for no inpainting that diffusers has.
    """
    folder = locate(model, revision, variant)
    family, index = _family(model, folder)
    options = {
        "dtype": getattr(torch, dtype),
        "use_safetensors": True,
        "local_files_only": True,
    }
    # What a checkpoint may leave out, as Stable Diffusion 3 its third text encoder.
    left_out = [name for name, value in index.items() if value == [None, None]]
    parts: dict[str, object] = dict.fromkeys(left_out)
    if vae:
        parts["vae"] = _open_vae(vae, options)
    if scheduler:
        parts["scheduler"] = _open_scheduler(scheduler, folder, index)
    try:
        pipe = getattr(diffusers, family.pipeline).from_pretrained(
            folder, variant=variant, **options, **_SWITCHED_OFF | parts
        )
    except _CANNOT_LOAD as error:
        raise _bad("model", model, f"cannot be loaded: {_line(error)}") from None
    if lora:
        _merge(pipe, lora)
    if missing := family.assumed.keys() - network(pipe).config.keys():
        network(pipe).register_to_config(**{name: family.assumed[name] for name in missing})
    return pipe, family


def network(pipe: diffusers.DiffusionPipeline) -> torch.nn.Module:
    """What denoises: a UNet, or a transformer in newer families."""
    return getattr(pipe, "unet", None) or pipe.transformer


def autoencoder(pipe: diffusers.DiffusionPipeline) -> torch.nn.Module:
    """What turns pixels into latents and back."""
    return getattr(pipe, "vae", None) or pipe.movq


def _quiet() -> None:
    """Leave it to us to say what happens."""
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def locate(model: str, revision: str | None, variant: str | None) -> Path:
    """The folder of a checkpoint: a local one, or a Hub snapshot, downloaded unless cached."""
    _quiet()
    if (Path(model) / "model_index.json").is_file():
        return Path(model)
    if Path(model).exists():
        raise _bad(
            "model",
            model,
            "has no model_index.json; give the folder of a diffusers checkpoint (one that "
            "save_pretrained wrote)",
        )
    try:
        folder = diffusers.DiffusionPipeline.download(
            model, revision=revision, variant=variant, use_safetensors=True, **_SWITCHED_OFF
        )
    except (OSError, ValueError) as error:
        reason = _line(error, 200)
        if "safetensors" in reason and not variant:
            raise _bad(
                "model",
                model,
                "has no safetensors under their plain names, and nothing else is loaded; try "
                "inpaint.variant: fp16, or convert it with save_pretrained",
            ) from None
        pinned = f" --revision {revision}" if revision else ""
        raise _bad(
            "model",
            model,
            f"no such folder, and the Hub does not give it ({reason}). Download it where there is "
            f"a network: hf download {model}{pinned}; or run the embedded model: "
            "inpaint.model: data/models/face-tiny",
        ) from None
    return Path(folder)


def _family(model: str, folder: Path) -> tuple[families.Family, dict]:
    """The family of a checkpoint, and its model_index.json."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        name = index["_class_name"]
    except (ValueError, KeyError, TypeError) as error:
        raise _bad("model", model, f"its model_index.json cannot be read: {_line(error)}") from None
    family = families.of(str(name))
    if family is None:
        known = ", ".join(families.FAMILIES)
        raise _bad("model", model, f"{name} is of no family supported here: {known}")
    if family.needs and family.needs[0] not in index:
        raise _bad(
            "model", model, f"has no {family.needs[0]}; make one that has: {family.needs[1]}"
        )
    return family, index


def _locate_vae(vae: str) -> Path:
    if (Path(vae) / "config.json").is_file():
        return Path(vae)
    if Path(vae).exists():
        raise _bad("vae", vae, "has no config.json; give the folder of one autoencoder")
    try:
        wanted = ["config.json", "*.safetensors"]
        return Path(huggingface_hub.snapshot_download(vae, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise _not_had("vae", vae, error) from None


def _open_vae(vae: str, options: dict) -> torch.nn.Module:
    try:
        return diffusers.AutoModel.from_pretrained(str(_locate_vae(vae)), **options)
    except _CANNOT_LOAD as error:
        if isinstance(error, BadSetting):
            raise
        raise _bad("vae", vae, f"cannot be loaded: {_line(error)}") from None


def _open_scheduler(name: str, folder: Path, index: dict) -> diffusers.SchedulerMixin:
    own = index["scheduler"][1]
    if own.startswith("FlowMatch"):
        raise _bad("scheduler", name, f"only {own} fits this checkpoint; set it to null")
    return getattr(diffusers, name).from_pretrained(folder, subfolder="scheduler")


def _locate_lora(path: str) -> Path:
    """The file of a LoRA: a local one, or ``<user>/<repository>/<file>`` of the Hub."""
    if Path(path).suffix != ".safetensors":
        raise _bad("lora.path", path, "give a .safetensors file, here or <user>/<name>/<file>")
    if Path(path).is_file():
        return Path(path)
    parts = Path(path).parts
    if len(parts) < 3 or Path(path).is_absolute():
        raise _bad("lora.path", path, "no such file; one of the Hub is <user>/<name>/<file>")
    try:
        repository, file = "/".join(parts[:2]), "/".join(parts[2:])
        return Path(huggingface_hub.hf_hub_download(repository, file))
    except (OSError, ValueError) as error:
        raise _not_had("lora.path", path, error) from None


def _merge(pipe: diffusers.DiffusionPipeline, lora: Mapping) -> None:
    """Add a LoRA to the weights: filling then costs what it costs without."""
    path = _locate_lora(lora["path"])
    if not hasattr(pipe, "load_lora_weights"):
        raise _bad("lora.path", path, f"{type(pipe).__name__} takes none; set inpaint.lora: null")
    try:
        pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="lora")
    except _CANNOT_LOAD as error:
        raise _bad("lora.path", path, f"does not fit the model: {_line(error)}") from None
    if not pipe.get_list_adapters():
        raise _bad("lora.path", path, f"holds nothing for {type(pipe).__name__}")
    pipe.fuse_lora(lora_scale=lora["weight"])
    pipe.unload_lora_weights()


def _bad(key: str, value: object, reason: str) -> BadSetting:
    return BadSetting(f"inpaint.{key} = {value}: {reason}")


def _not_had(key: str, value: str, error: Exception) -> BadSetting:
    return _bad(key, value, f"not found here, and the Hub does not give it ({_line(error)})")


def _line(error: Exception, length: int = 300) -> str:
    return textwrap.shorten(str(error), length, placeholder=" …")
