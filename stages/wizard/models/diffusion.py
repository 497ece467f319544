"""Diffusion inpainting with a checkpoint of any family that diffusers fills holes with."""

import contextlib
import hashlib
import inspect
import re
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import diffusers
import numpy as np
import torch

from wizard import devices
from wizard.console import BadSetting
from wizard.models import checkpoints
from wizard.models.families import Family
from wizard.records import Unusable, file_sha256

# Values at which a setting that a pipeline lacks makes no difference.
_NEUTRAL = {"strength": 1.0, "negative_prompt": ""}


class Diffusion:
    """A diffusers inpainting pipeline as a backend; see the contract of the room.

    ``call`` holds prompt, negative_prompt, num_inference_steps, guidance_scale and strength.
    Raises BadSetting when one of them is set to what the pipeline cannot do.
    """

    def __init__(self, pipe: diffusers.DiffusionPipeline, family: Family, identity: dict, call):
        self.identity = identity
        self._pipe, self._family = pipe, family
        self._vae = checkpoints.autoencoder(pipe)
        inner = getattr(pipe, "decoder_pipe", pipe)
        scale = getattr(inner, "vae_scale_factor", None) or inner.movq_scale_factor
        # A UNet halves latents at each level but the last; a transformer takes them two by two.
        levels = len(checkpoints.network(pipe).config.get("block_out_channels", range(2)))
        self.side = _side(inner, scale)
        self.grid = scale * family.mask_cell
        self.stride = scale * 2 ** (levels - 1)
        # Such a decoder also reads the pixels around the hole; the pipelines of Stable Diffusion 1
        # and 2 hand them to it, that of XL does not.
        self._conditioned = type(pipe) is diffusers.StableDiffusionInpaintPipeline and isinstance(
            self._vae, diffusers.AsymmetricAutoencoderKL
        )
        call = self._supported(call | {"strength": min(call["strength"], family.max_strength)})
        # A network with an input for the masked image starts from noise alone at full strength.
        self.reads_holes = not (
            type(pipe) is diffusers.StableDiffusionInpaintPipeline
            and pipe.unet.config.in_channels > pipe.vae.config.latent_channels
            and call["strength"] == 1.0
        )
        self._takes_negative = call.pop("negative_prompt", None) is not None
        del call["prompt"]  # each image comes with its own
        self._guided = call.get("guidance_scale", 0.0) > family.unguided
        if "guidance_scale" in call:
            call[family.guidance] = call.pop("guidance_scale")
        self._call = call
        # A photograph has its own prompt or the settings': most batches repeat a few.
        self._encoded = lru_cache(maxsize=64)(self._encode)
        self._vae.encode = _remembering(self._vae.encode)
        self._remade = lru_cache(maxsize=8)(self._remake)

    def fill(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        seeds: Sequence[int],
        prompts: Sequence[tuple[str, str]],
    ) -> list[np.ndarray | Unusable]:
        """Fill the holes; one CPU generator per image makes it independent of its batch.

        Raises BadSetting when a prompt is negative and the pipeline takes no such prompts.
        """
        rows = list(zip(images, masks, seeds, prompts, strict=True))
        batches = [rows] if self._family.batched else [[row] for row in rows]
        with torch.inference_mode(), _out_of_memory_named():
            return [one for batch in batches for one in self._fill(*zip(*batch, strict=True))]

    def _fill(self, images, masks, seeds, prompts) -> list[np.ndarray | Unusable]:
        pixels, holes = _to_tensors(images, masks)
        height, width = masks[0].shape
        filled = self._pipe(
            image=pixels * 2 - 1 if self._family.signed else pixels,
            mask_image=holes,
            height=height,
            width=width,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            # The pipeline would encode each image once more before a conditioned decoder.
            output_type="latent" if self._conditioned else "np",
            **self._text(prompts),
            **self._call,
        ).images
        if self._conditioned:
            latents = filled / self._vae.config.scaling_factor
            filled = _to_array(self._decode(latents, pixels, holes))
        if filled.shape[1:3] != (height, width):
            size = "×".join(map(str, filled.shape[1:3]))
            reason = f"{type(self._pipe).__name__} made {size} of {height}×{width} pixels"
            hint = "try a smaller fetch.side, or inpaint.side for whole photographs"
            return [Unusable(f"{reason}; {hint}")] * len(images)
        return [_to_uint8(one) for one in filled]

    def _text(self, prompts: Sequence[tuple[str, str]]) -> dict:
        """The arguments of a call that stand for its texts."""
        if any(negative for _, negative in prompts) and not self._takes_negative:
            raise BadSetting(f"{type(self._pipe).__name__} takes no negative prompt; remove them")
        if self._family.embeds:
            encoded = [self._encoded(*one) for one in prompts]
            return {name: _joined([one[name] for one in encoded]) for name in encoded[0]}
        texts, negatives = map(list, zip(*prompts, strict=True))
        call: dict[str, list[str] | None] = {"prompt": texts}
        if self._takes_negative:
            call["negative_prompt"] = negatives if any(negatives) else self._no_negative(texts)
        return call

    def _no_negative(self, texts: list[str]) -> list[str] | None:
        empty = self._family.no_negative
        return None if empty is None else [empty] * len(texts)

    def _encode(self, prompt: str, negative_prompt: str) -> dict:
        """Embeddings of one prompt, by the names under which the call takes them."""
        wanted = {
            "prompt": prompt,
            "negative_prompt": negative_prompt or self._family.no_negative,
            "do_classifier_free_guidance": self._guided,
        }
        # Some require what others do not take.
        known = inspect.signature(self._pipe.encode_prompt).parameters
        wanted |= {"prompt_2": None, "prompt_3": None, "num_images_per_prompt": 1}
        values = self._pipe.encode_prompt(
            device=self._pipe.device, **{name: wanted[name] for name in wanted if name in known}
        )
        named = zip(self._family.embeds, values, strict=True)
        return {name: value for name, value in named if name and value is not None}

    def _supported(self, call: Mapping) -> dict:
        """The settings this pipeline takes; one it lacks must be at a value that means nothing."""
        known = inspect.signature(self._pipe.__call__).parameters
        renamed = {"guidance_scale": self._family.guidance}
        lacking = {name for name in call if renamed.get(name, name) not in known}
        lacking |= self._family.lacks
        for name in sorted(lacking):
            if call[name] != _NEUTRAL.get(name):
                raise BadSetting(
                    f"inpaint.{name} = {call[name]!r}: {type(self._pipe).__name__} has no such "
                    f"setting; set it to {_NEUTRAL.get(name)!r}"
                )
        return {name: value for name, value in call.items() if name not in lacking}

    def round_trip(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[np.ndarray | Unusable]:
        """Encode and decode whole images (uint8 H×W×3, sides multiples of the stride).

        The posterior mode, not a drawn latent: what the autoencoder alone loses. The masks (bool
        H×W) are read by a decoder that is conditioned on the pixels around the hole; any other
        remakes a photograph once for all of its holes, which come one after the other.
        """
        vae = self._vae
        kept = vae.dtype
        with torch.inference_mode(), _out_of_memory_named():
            try:
                # Some autoencoders overflow in half precision and say so in their configuration.
                vae.to(torch.float32 if getattr(vae.config, "force_upcast", False) else kept)
                return [
                    self._remade(image.shape, image.tobytes(), mask.tobytes() * self._conditioned)
                    for image, mask in zip(images, masks, strict=True)
                ]
            finally:
                vae.to(kept)

    def _remake(self, shape: tuple[int, ...], image: bytes, mask: bytes) -> np.ndarray | Unusable:
        """An image after encoding and decoding; ``mask`` is empty where the decoder needs none."""
        whole = np.frombuffer(image, np.uint8).reshape(shape)
        hole = np.frombuffer(mask, bool).reshape(shape[:2]) if mask else np.zeros(shape[:2], bool)
        pixels, holes = _to_tensors([whole], [hole])
        latents = self._latents((pixels * 2 - 1).to(self._vae.device, self._vae.dtype))
        (decoded,) = _to_array(self._decode(latents, pixels, holes))
        return _to_uint8(decoded)

    def _latents(self, pixels: torch.Tensor) -> torch.Tensor:
        answer = self._vae.encode(pixels.unsqueeze(2) if self._family.frames else pixels)
        return answer.latent_dist.mode() if hasattr(answer, "latent_dist") else answer.latents

    def _decode(
        self, latents: torch.Tensor, pixels: torch.Tensor, holes: torch.Tensor
    ) -> torch.Tensor:
        """Images of 0–1 from latents, given what :func:`_to_tensors` made of image and mask."""
        vae = self._vae
        around = {"image": pixels * 2 - 1, "mask": holes} if self._conditioned else {}
        around = {name: value.to(vae.device, vae.dtype) for name, value in around.items()}
        decoded = vae.decode(latents, **around, **self._family.decode).sample / 2 + 0.5
        return decoded[:, :, 0] if self._family.frames else decoded


def _remembering(encode: Callable, count: int = 64) -> Callable:
    """An autoencoder's ``encode`` that knows what it made of its last ``count`` inputs.

    Pipelines encode image by image, and samples of one hole, or round trips of one photograph, ask
    for the same again.
    """
    known: OrderedDict[tuple, Any] = OrderedDict()

    def remembering(pixels: torch.Tensor):
        content = pixels.contiguous().view(torch.uint8).cpu().numpy()
        key = pixels.dtype, pixels.shape, hashlib.sha256(content).digest()
        if key not in known:
            known[key] = encode(pixels)
            if len(known) > count:
                known.popitem(last=False)
        return known[key]

    return remembering


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


def _to_array(batch: torch.Tensor) -> np.ndarray:
    """B×3×H×W of any device and type as float32 B×H×W×3."""
    return batch.float().permute(0, 2, 3, 1).cpu().numpy()


def _side(pipe: diffusers.DiffusionPipeline, scale: int) -> int | None:
    """The side in pixels of the pictures that a checkpoint learnt from, None if it is not told."""
    cells = getattr(pipe, "default_sample_size", None)
    cells = cells or checkpoints.network(pipe).config.get("sample_size")
    return cells * scale if isinstance(cells, int) else None


def _joined(parts: list) -> torch.Tensor | list:
    """One batch of several, of tensors or of lists of them."""
    return sum(parts, []) if isinstance(parts[0], list) else torch.cat(parts)


def _to_uint8(image: np.ndarray) -> np.ndarray | Unusable:
    """H×W×3 of 0–1 as an image, rounded: truncation would darken it by half a level."""
    if not np.isfinite(image).all():
        return Unusable("the model returned NaN; try runtime.dtype float32")
    return np.rint(image * 255).clip(0, 255).astype(np.uint8)


def load(
    name: str,
    *,
    model: str,
    revision: str | None,
    variant: str | None,
    scheduler: str | None,
    device: str,
    dtype: str,
    vae: str | None = None,
    lora: Mapping | None = None,
    compile: bool = False,
    **call,
) -> Diffusion:
    """Load a checkpoint from a folder or the Hub and put it on its device.

    Only safetensors are read and no code of a checkpoint is run. ``device`` and ``dtype`` may be
    "auto": CUDA, then MPS, then CPU; half precision on CUDA (bfloat16 where the GPU computes in
    it), float32 elsewhere. ``vae`` is the folder or Hub id of another autoencoder, ``lora`` has
    ``path`` and ``weight`` of an adapter. ``compile`` compiles the network's repeated blocks, which
    takes a while before the first batch and wants a C++ compiler. ``call`` is what
    :class:`Diffusion` passes to each call.

    Raises BadSetting when the checkpoint cannot be had or is not for inpainting.
    """
    device = devices.pick(device)
    dtype = _pick_dtype(dtype, device)
    chosen: dict[str, Any] = {
        "model": model,
        "revision": revision,
        "variant": variant,
        "vae": vae,
        "lora": lora,
    }
    pipe, family = checkpoints.open_pipeline(**chosen, scheduler=scheduler, dtype=dtype)
    if scheduler:
        _check_steps(pipe.scheduler, call["num_inference_steps"])
    pipe.set_progress_bar_config(disable=True)
    pipe.to(device)
    if not family.frames:  # convolutions read this order without copying, on CPU and CUDA
        for part in (checkpoints.network(pipe), checkpoints.autoencoder(pipe)):
            part.to(memory_format=torch.channels_last)
    if compile:
        checkpoints.network(pipe).compile_repeated_blocks()
    files = checkpoints.files(**chosen)
    identity: dict[str, object] = {
        "checkpoint": {name: file_sha256(path) for name, path in files.items()},
        "scheduler": type(pipe.scheduler).__name__,
        "dtype": dtype,
        "device": device.split(":")[0],
    }
    # Files of several variants may lie side by side, and one of them is loaded.
    identity |= {"variant": variant} if variant else {}
    identity |= {"lora": lora["weight"]} if lora else {}
    identity |= {"compiled": True} if compile else {}
    return Diffusion(pipe, family, identity, call)


def _check_steps(scheduler: diffusers.SchedulerMixin, steps: int) -> None:
    """Raise BadSetting when a scheduler that was asked for cannot take so many steps."""
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise BadSetting(
            f"inpaint.num_inference_steps = {steps}: too many for inpaint.scheduler "
            f"{type(scheduler).__name__}: {error}"
        ) from None


def _pick_dtype(dtype: str, device: str) -> str:
    if dtype != "auto":
        return dtype
    if not device.startswith("cuda"):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
