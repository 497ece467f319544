"""Training of the inpainting UNet and its text encoder over latents of a frozen autoencoder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from wizard import masks
from wizard.images import cells
from wizard.records import seed
from wizard.training import loop, losses
from wizard.training.autoencoder import encode, to_tensor

BRUSHES = ("thin", "medium", "thick")
# Holes to train on, in turn; those that most pictures are measured with come more often.
SHAPES = ("rectangles", "strokes", "box", "rectangles", "strokes", "half", "scratches", "border")


class Latents:
    """Photographs, mirrored ones after them, and their latents, encoded once.

    images: uint8 N×S×S×3. `clean` is float 2N×4×s×s, scaled to unit variance by `scale`, which
    also becomes the autoencoder's `scaling_factor`.
    """

    def __init__(self, vae: AutoencoderKL, images: np.ndarray, device: str):
        self.images = np.concatenate([images, images[:, :, ::-1]])
        self._vae, self._device = vae, device
        clean = encode(vae, self.images, device)
        self.scale = 1 / clean.std().item()
        self.clean = clean * self.scale
        vae.register_to_config(scaling_factor=self.scale)

    def masked(self, index: np.ndarray, hole: Tensor, generator: torch.Generator) -> Tensor:
        """Latents of images whose hole is mid-grey, drawn as the pipeline draws them.

        hole: float B×1×s×s on the latent grid, 1 = hole.
        """
        pixels = to_tensor(self.images[index]).to(self._device)
        factor = pixels.shape[-1] // hole.shape[-1]
        visible = 1 - F.interpolate(hole, scale_factor=factor, mode="nearest")
        with torch.no_grad(), loop.autocast(self._device):
            posterior = self._vae.encode(pixels * visible).latent_dist
        return posterior.sample(generator=generator).float() * self.scale


def hole_pool(count: int, size: int, grid: int, ratio: Sequence[Any], base_seed: int) -> Tensor:
    """`count` holes of SHAPES in turn, grown to cells of `grid` pixels as in use: bool N×1×s×s.

    Drawn once because free forms of small area-per-stroke take milliseconds each.
    """
    holes = []
    for number in range(count):
        rng = np.random.default_rng(seed(base_seed, "hole", str(number)))
        shape = SHAPES[number % len(SHAPES)]
        brush = BRUSHES[rng.integers(len(BRUSHES))]
        variant = brush if shape == "strokes" else None
        mask = masks.draw(shape, rng, size, size, rng.uniform(*ratio), variant)
        holes.append(cells(mask, grid))
    return torch.from_numpy(np.stack(holes)).unsqueeze(1)


def noise_levels(rng: np.random.Generator, count: int, settings, steps: int) -> Tensor:
    """Timesteps, more of them at high noise: int B in [0, steps).

    A share `settings.terminal` is the last step, pure noise, where the model learns the mean of
    all answers, the first of the few steps that it takes in use. The rest follow
    1 − u^`settings.high_noise`.
    """
    level = 1 - rng.uniform(size=count) ** settings.high_noise
    level = np.where(rng.uniform(size=count) < settings.terminal, 1.0, level)
    return torch.from_numpy(np.minimum(level * steps, steps - 1).astype(np.int64))


def train(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    latents: Latents,
    captions: Sequence[str],
    settings,
    base_seed: int,
    path: Path,
    device: str,
) -> Iterator[dict]:
    """Train by v-prediction, weighted to the hole; yields the loss of every step.

    `captions` has one line for each row of `latents`; `settings` is the block `denoiser`.
    The squared error of v has the same weight at every noise level, which for the image means
    SNR + 1: min-SNR weights would be zero on pure noise, the level that this sampler starts from.
    Resumes from the checkpoint at `path`, where the averaged weights are kept too.
    """
    nets = nn.ModuleDict({"unet": unet, "text": text_encoder}).to(device).train()
    # The fused kernel is slower than plain matrix products for so few tokens on a CPU.
    unet.set_attn_processor(AttnProcessor())
    optimizer = torch.optim.AdamW(nets.parameters(), settings.learning_rate, betas=(0.9, 0.99))
    average = EMAModel(
        nets.parameters(), decay=settings.ema_decay, use_ema_warmup=True, power=1.0, foreach=True
    )
    size, grid = latents.images.shape[1], latents.images.shape[1] // latents.clean.shape[-1]
    holes = hole_pool(settings.holes, size, grid, settings.ratio, base_seed)
    texts = ["", *sorted(set(captions))]
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    text_of = np.array([texts.index(caption) for caption in captions])

    def one_step(step: int, rate: float) -> dict[str, Tensor]:
        rng = np.random.default_rng(seed(base_seed, "denoiser", str(step)))
        noise_of = torch.Generator().manual_seed(seed(base_seed, "noise", str(step)))
        index = rng.integers(len(latents.images), size=settings.batch_size)
        hole = holes[rng.integers(len(holes), size=settings.batch_size)].float().to(device)
        clean = latents.clean[index].to(device)
        masked = latents.masked(index, hole, noise_of)
        level = noise_levels(
            rng, settings.batch_size, settings, scheduler.config.num_train_timesteps
        )
        noise = torch.randn(clean.shape, generator=noise_of).to(device)
        level = level.to(device)
        noisy = scheduler.add_noise(clean, noise, level)
        target = scheduler.get_velocity(clean, noise, level)
        said = np.where(
            rng.random(settings.batch_size) < settings.caption_dropout, 0, text_of[index]
        )
        with loop.autocast(device):
            embedded = text_encoder(tokens.to(device)).last_hidden_state[said]
            result = unet(torch.cat([noisy, hole, masked], 1), level, embedded).sample
        loss = losses.hole_weighted_mse(result.float(), target, hole, settings.known)
        loop.descend(optimizer, loss, nets, rate)
        average.step(nets.parameters())
        return {"loss": loss}

    parts = {"nets": nets, "optimizer": optimizer, "average": average, "scale": latents.scale}
    return loop.repeat(one_step, parts, settings, path)


def restore(
    state: dict, vae: AutoencoderKL, unet: UNet2DConditionModel, text_encoder: CLIPTextModel
) -> None:
    """Put a checkpoint's averaged weights, and the scale of its latents, into networks for use."""
    nets = nn.ModuleDict({"unet": unet, "text": text_encoder})
    average = EMAModel([])
    average.load_state_dict(state["average"])
    average.copy_to(nets.parameters())
    vae.register_to_config(scaling_factor=state["scale"])
