"""Diffusion inpainting with any checkpoint that diffusers' AutoPipelineForInpainting loads."""

import contextlib
import inspect
import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers

from wizard import devices
from wizard.console import BadSetting
from wizard.records import Unusable, file_sha256


@dataclass(frozen=True)
class Rules:
    """What one family of pipelines wants to be treated like."""

    max_strength: float = 1.0
    embeds: tuple[str, ...] = ()  # what encode_prompt returns, in its order


RULES = {
    "StableDiffusionInpaintPipeline": Rules(embeds=("prompt_embeds", "negative_prompt_embeds")),
    # At strength 1 the pipeline starts from noise alone, which this checkpoint never saw.
    "StableDiffusionXLInpaintPipeline": Rules(
        max_strength=0.9999,
        embeds=(
            "prompt_embeds",
            "negative_prompt_embeds",
            "pooled_prompt_embeds",
            "negative_pooled_prompt_embeds",
        ),
    ),
}

# A false alarm of the safety checker blanks an image, and a blanked image must not be scored as
# a result; a watermark would be scored too. Families without them ignore these.
_SWITCHED_OFF = {
    "safety_checker": None,
    "requires_safety_checker": False,
    "add_watermarker": False,
}

# Values at which a setting that a pipeline lacks makes no difference.
_NEUTRAL = {"strength": 1.0, "negative_prompt": ""}


class Diffusion:
    """A diffusers inpainting pipeline as a backend; see the contract of the room.

    ``call`` holds prompt, negative_prompt, num_inference_steps, guidance_scale and strength.
    """

    def __init__(self, pipe, identity: dict, call: dict):
        self.identity = identity
        self.grid = getattr(pipe, "vae_scale_factor", 8)
        network = getattr(pipe, "unet", None)
        levels = len(network.config.block_out_channels) if network else 2
        self.stride = self.grid * 2 ** (levels - 1)
        self._pipe = pipe
        if not hasattr(pipe, "vae"):
            self.round_trip = None
        # Such a decoder also reads the pixels around the hole; the pipelines of Stable Diffusion 1
        # and 2 hand them to it, that of XL does not.
        self._conditioned = type(pipe) is diffusers.StableDiffusionInpaintPipeline and isinstance(
            pipe.vae, diffusers.AsymmetricAutoencoderKL
        )
        rules = RULES.get(type(pipe).__name__, Rules())
        self._call = _supported(
            pipe, call | {"strength": min(call["strength"], rules.max_strength)}
        )
        self._prompts = {key: self._call.pop(key) for key in _PROMPTS if key in self._call}
        self._embeds = _encode(pipe, rules.embeds, call) if rules.embeds else None

    def fill(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray], seeds: Sequence[int]
    ) -> list[np.ndarray | Unusable]:
        """Fill the holes; one CPU generator per image makes it independent of its batch."""
        pixels, holes = _to_tensors(images, masks)
        height, width = masks[0].shape
        with torch.inference_mode(), _out_of_memory_named():
            filled = self._pipe(
                image=pixels,
                mask_image=holes,
                height=height,
                width=width,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                # The pipeline would encode each image once more before a conditioned decoder.
                output_type="latent" if self._conditioned else "pt",
                **self._text(len(images)),
                **self._call,
            ).images
            if self._conditioned:
                filled = self._decode(filled / self._pipe.vae.config.scaling_factor, pixels, holes)
            return _to_uint8(filled)

    def _text(self, count: int) -> dict:
        if self._embeds is None:
            return {name: [text] * count for name, text in self._prompts.items()}
        return {name: value.repeat_interleave(count, 0) for name, value in self._embeds.items()}

    def round_trip(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[np.ndarray | Unusable]:
        """Encode and decode whole images (uint8 H×W×3, sides multiples of the stride).

        The posterior mode, not a drawn latent: what the autoencoder alone loses. The masks (bool
        H×W) are read by a decoder that is conditioned on the pixels around the hole.
        """
        vae = self._pipe.vae
        kept = vae.dtype
        pixels, holes = _to_tensors(images, masks)
        with torch.inference_mode(), _out_of_memory_named():
            try:
                # Some autoencoders overflow in half precision and say so in their configuration.
                vae.to(torch.float32 if getattr(vae.config, "force_upcast", False) else kept)
                latents = vae.encode((pixels * 2 - 1).to(vae.device, vae.dtype)).latent_dist.mode()
                return _to_uint8(self._decode(latents, pixels, holes))
            finally:
                vae.to(kept)

    def _decode(self, latents: torch.Tensor, pixels: torch.Tensor, holes: torch.Tensor):
        """Images of 0–1 from latents, given what :func:`_to_tensors` made of image and mask."""
        vae = self._pipe.vae
        around = {"image": pixels * 2 - 1, "mask": holes} if self._conditioned else {}
        around = {name: value.to(vae.device, vae.dtype) for name, value in around.items()}
        return vae.decode(latents, **around).sample / 2 + 0.5


_PROMPTS = ("prompt", "negative_prompt")


def _supported(pipe, call: dict) -> dict:
    """The settings this pipeline takes; one it lacks must be at a value that means nothing."""
    known = inspect.signature(pipe.__call__).parameters
    for key in call.keys() - known:
        if call[key] != _NEUTRAL.get(key):
            raise BadSetting(
                f"inpaint.{key} = {call[key]!r}: {type(pipe).__name__} has no such setting; "
                f"set it to {_NEUTRAL.get(key)!r}"
            )
    return {key: value for key, value in call.items() if key in known}


def _encode(pipe, names: tuple[str, ...], call: dict) -> dict:
    """Prompt embeddings, computed once for all images, without those that guidance leaves out."""
    with torch.inference_mode():
        values = pipe.encode_prompt(
            prompt=call["prompt"],
            device=pipe.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=call["guidance_scale"] > 1,
            negative_prompt=call["negative_prompt"],
        )
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


@contextlib.contextmanager
def _out_of_memory_named() -> Iterator[None]:
    """MemoryError for lack of memory, whatever a device calls it; other errors as they are."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not re.search("out of memory|allocate memory|ALLOC_FAILED", text):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the failed batch
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise MemoryError(text.splitlines()[0]) from None


def _to_tensors(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and masks as float32 B×3×H×W and B×1×H×W, both of 0–1."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return pixels, torch.from_numpy(np.stack(masks)).unsqueeze(1).float()


def _to_uint8(batch: torch.Tensor) -> list[np.ndarray | Unusable]:
    """B×3×H×W of 0–1 as images, rounded: truncation would darken every one by half a level."""
    answers: list[np.ndarray | Unusable] = []
    for image in batch.float().permute(0, 2, 3, 1).cpu().numpy():
        if np.isfinite(image).all():
            answers.append(np.rint(image * 255).clip(0, 255).astype(np.uint8))
        else:
            answers.append(Unusable("the model returned NaN; try runtime.dtype float32"))
    return answers


def load(
    name: str,
    *,
    model: str,
    revision: str | None,
    variant: str | None,
    scheduler: str | None,
    device: str,
    dtype: str,
    compile: bool = False,
    **call,
) -> Diffusion:
    """Load a checkpoint from a folder or the Hub and put it on its device.

    Only safetensors are read and no code of a checkpoint is run. ``device`` and ``dtype`` may be
    "auto": CUDA, then MPS, then CPU; half precision on CUDA (bfloat16 where the GPU computes in
    it), float32 elsewhere. ``compile`` compiles the network's repeated blocks, which takes a while
    before the first batch and wants a C++ compiler. ``call`` is what :class:`Diffusion` passes to
    each call.

    Raises BadSetting when the checkpoint cannot be had or is not for inpainting.
    """
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    device = devices.pick(device)
    dtype = _pick_dtype(dtype, device)
    folder = _locate(model, revision, variant)
    try:
        pipe = diffusers.AutoPipelineForInpainting.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            **_SWITCHED_OFF,
        )
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BadSetting(f"inpaint.model = {model}: cannot be loaded: {reason}") from None
    if scheduler:
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    pipe.to(device)
    for part in ("unet", "vae"):
        if hasattr(pipe, part):  # convolutions read this order without copying, on CPU and CUDA
            getattr(pipe, part).to(memory_format=torch.channels_last)
    if compile:
        _network(pipe).compile_repeated_blocks()
    identity = {
        "checkpoint": {name: file_sha256(path) for name, path in _files(folder).items()},
        "scheduler": type(pipe.scheduler).__name__,
        "dtype": dtype,
        "device": device.split(":")[0],
    } | ({"compiled": True} if compile else {})
    return Diffusion(pipe, identity, call)


def _network(pipe):
    """What denoises: a UNet, or a transformer in newer families."""
    return getattr(pipe, "unet", None) or pipe.transformer


def files(model: str, revision: str | None, variant: str | None) -> dict[str, Path]:
    """The files that decide what a checkpoint paints, by their names in its folder.

    Raises BadSetting when the checkpoint cannot be had.
    """
    return _files(_locate(model, revision, variant))


def _pick_dtype(dtype: str, device: str) -> str:
    if dtype != "auto":
        return dtype
    if not device.startswith("cuda"):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def _locate(model: str, revision: str | None, variant: str | None) -> Path:
    """The folder of a checkpoint: a local one, or a Hub snapshot, downloaded unless cached."""
    if (Path(model) / "model_index.json").is_file():
        return Path(model)
    if Path(model).exists():
        raise BadSetting(
            f"inpaint.model = {model}: has no model_index.json; give the folder of a diffusers "
            "checkpoint (one that save_pretrained wrote)"
        )
    try:
        folder = diffusers.DiffusionPipeline.download(
            model, revision=revision, variant=variant, use_safetensors=True, **_SWITCHED_OFF
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        if "safetensors" in reason and not variant:
            raise BadSetting(
                f"inpaint.model = {model}: has no safetensors under their plain names, and nothing "
                "else is loaded; try inpaint.variant: fp16, or convert it with save_pretrained"
            ) from None
        pinned = f" --revision {revision}" if revision else ""
        raise BadSetting(
            f"inpaint.model = {model}: no such folder, and the Hub does not give it ({reason}). "
            f"Download it where there is a network: hf download {model}{pinned}; "
            "or run the embedded model: inpaint.model: data/models/face-tiny"
        ) from None
    return Path(folder)


def _files(folder: Path) -> dict[str, Path]:
    kinds = {".safetensors", ".json", ".txt", ".model"}
    parts = [path for path in folder.glob("*/*") if path.suffix in kinds]
    paths = sorted([*parts, folder / "model_index.json"])
    return {path.relative_to(folder).as_posix(): path for path in paths}
